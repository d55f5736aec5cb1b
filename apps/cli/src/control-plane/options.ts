/** Flags of the control plane process. The supervisor gives all of them; run by hand, defaults hold. */
import { Command } from 'commander';
import { DEFAULT_TRUST_DOMAIN, PORTS, type PathNormalization } from '@weft/contracts';
import { LOG_LEVELS, WeftError, type LogLevel } from '@weft/kit';
import {
  ACCESS_LOG_MODES,
  parseAccessLog,
  parsePathNormalization,
  parsePercent,
  parsePort,
  stateDirOf,
  type AccessLogMode,
} from '../mesh/options.ts';

export interface ControlPlaneOptions {
  readonly stateDir: string;
  readonly trustDomain: string;
  readonly xdsPort: number;
  readonly caPort: number;
  readonly monitoringPort: number;
  readonly consolePort: number;
  readonly consoleDir: string | undefined;
  /** Where proxies and agents call. */
  readonly host: string;
  /** Sockets of the parent for those two ports. */
  readonly monitoringFd: number | undefined;
  readonly consoleFd: number | undefined;
  readonly interception: 'loopback' | 'isolated';
  readonly logLevel: LogLevel;
  readonly accessLog: AccessLogMode;
  readonly traceSampling: number;
  readonly tlsResumption: boolean;
  readonly pathNormalization: PathNormalization;
}

export function parseControlPlaneOptions(argv: readonly string[]): ControlPlaneOptions {
  const command = new Command('control-plane')
    .description('pilot, citadel, telemetry and the console API in one process; "weft up" starts it')
    .option('--state <dir>', 'folder of the mesh (default: $WEFT_STATE or ~/.weft)')
    .option('--trust-domain <name>', 'trust domain of all identities', DEFAULT_TRUST_DOMAIN)
    .option(
      '--xds-port <port>',
      'ADS, certificate renewal, telemetry and Mixer over mutual TLS',
      String(PORTS.xds.port),
    )
    .option('--ca-port <port>', 'first certificates, by token', String(PORTS.ca.port))
    .option('--monitoring-port <port>', 'metrics and readiness', String(PORTS.monitoring.port))
    .option('--console-port <port>', 'console and API', String(PORTS.console.port))
    .option('--host <address>', 'where proxies and agents call', '127.0.0.1')
    .option('--monitoring-fd <fd>', "descriptor of the parent's socket for that port")
    .option('--console-fd <fd>', "descriptor of the parent's socket for that port")
    .option('--interception <form>', 'how workloads are placed: loopback or isolated', 'loopback')
    .option('--console-dir <dir>', 'the built console')
    .option('--log-level <level>', `one of ${LOG_LEVELS.join(', ')}`, 'info')
    .option('--access-log <how>', `one of ${ACCESS_LOG_MODES.join(', ')}`)
    .option('--trace-sampling <percent>', 'share of requests that are traced')
    .option('--no-tls-resumption', 'every connection between sidecars makes a whole handshake')
    .option('--path-normalization <mode>', 'what paths are made equal before they are matched')
    .parse([...argv], { from: 'user' });
  const flags = command.opts<Record<string, string | undefined>>();
  const port = (name: string, flag: string): number => parsePort(flags[name], 0, flag);
  const logLevel = LOG_LEVELS.find((level) => level === flags['logLevel']);
  if (!logLevel) throw new WeftError('WEFT_USAGE', `--log-level is one of ${LOG_LEVELS.join(', ')}`);
  return {
    stateDir: stateDirOf(flags['state']),
    trustDomain: flags['trustDomain'] ?? DEFAULT_TRUST_DOMAIN,
    xdsPort: port('xdsPort', '--xds-port'),
    caPort: port('caPort', '--ca-port'),
    monitoringPort: port('monitoringPort', '--monitoring-port'),
    consolePort: port('consolePort', '--console-port'),
    consoleDir: flags['consoleDir'],
    host: flags['host'] ?? '127.0.0.1',
    monitoringFd: descriptor(flags['monitoringFd']),
    consoleFd: descriptor(flags['consoleFd']),
    interception: flags['interception'] === 'isolated' ? 'isolated' : 'loopback',
    logLevel,
    accessLog: parseAccessLog(flags['accessLog']),
    traceSampling: parsePercent(flags['traceSampling'], 100, '--trace-sampling'),
    tlsResumption: command.opts<{ readonly tlsResumption: boolean }>().tlsResumption,
    pathNormalization: parsePathNormalization(flags['pathNormalization']),
  };
}

const descriptor = (text: string | undefined): number | undefined =>
  text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
