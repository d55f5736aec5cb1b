// Runs the control plane alone: flags → options → createPilot → serve → drain.
import { readFile } from 'node:fs/promises';
import { createDirectoryStore } from '@weft/config';
import { DEFAULT_TRUST_DOMAIN, PORTS, PATH_NORMALIZATIONS, type PathNormalization } from '@weft/contracts';
import {
  createLifecycle,
  createLogger,
  errorMessage,
  LOG_LEVELS,
  systemClock,
  systemRandom,
  WeftError,
  type LogLevel,
} from '@weft/kit';
import { createGrpcServer, createRotatingCredentials } from '@weft/xds';
import { Command, Option } from 'commander';
import { startMonitoring } from './debug/monitoring.ts';
import { DEFAULT_MESH_OPTIONS, parseAccessLogFormat, type MeshOptions } from './options.ts';
import { createPilot } from './pilot.ts';
import { createFileRegistry } from './registries/file.ts';

interface Flags {
  readonly config: string;
  readonly registry: string;
  readonly address: string;
  readonly monitoringAddress: string;
  readonly debugTokenFile?: string;
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly tlsRoots: string;
  readonly trustDomain: string;
  readonly rootNamespace: string;
  readonly outboundPolicy: MeshOptions['outboundTrafficPolicy']['mode'];
  readonly accessLogFile: string;
  readonly accessLogFormat: string;
  readonly accessLogEncoding: MeshOptions['accessLogEncoding'];
  readonly sampling: string;
  readonly pathNormalization: PathNormalization;
  readonly logLevel: LogLevel;
}

const program = new Command('pilot')
  .description('Turns configuration and a registry of workloads into xDS for proxies.')
  .requiredOption('--config <folder>', 'YAML of the mesh; watched')
  .requiredOption('--registry <file>', 'workloads, a RegistryState as JSON; watched')
  .requiredOption('--tls-cert <file>', "the control plane's certificate chain, PEM")
  .requiredOption('--tls-key <file>', 'its private key, PEM')
  .requiredOption('--tls-roots <file>', 'roots that the certificates of proxies must lead to, PEM')
  .option('--address <host:port>', 'xDS over gRPC with mutual TLS', `127.0.0.1:${PORTS.xds.port}`)
  .option(
    '--monitoring-address <host:port>',
    'metrics, readiness and debug pages',
    `127.0.0.1:${PORTS.monitoring.port}`,
  )
  .option('--debug-token-file <file>', 'token that opens /debug pages; without it they stay closed')
  .option('--trust-domain <name>', 'first part of every identity', DEFAULT_TRUST_DOMAIN)
  .option('--root-namespace <name>', 'objects here apply to the whole mesh', DEFAULT_MESH_OPTIONS.rootNamespace)
  .addOption(
    new Option('--outbound-policy <mode>', 'what happens to traffic to unknown services')
      .choices(['ALLOW_ANY', 'REGISTRY_ONLY'])
      .default(DEFAULT_MESH_OPTIONS.outboundTrafficPolicy.mode),
  )
  .option('--access-log-file <path>', 'where proxies write access logs; empty turns them off', '')
  .option('--access-log-format <text>', "empty takes Istio's", '')
  .addOption(new Option('--access-log-encoding <form>').choices(['TEXT', 'JSON']).default('TEXT'))
  .option(
    '--sampling <percent>',
    'of requests to trace that nobody decided about',
    String(DEFAULT_MESH_OPTIONS.tracingSampling),
  )
  .addOption(
    new Option('--path-normalization <mode>', 'what paths are made equal before they are matched')
      .choices([...PATH_NORMALIZATIONS])
      .default(DEFAULT_MESH_OPTIONS.pathNormalization),
  )
  .addOption(new Option('--log-level <level>', 'how much is logged to stderr').choices([...LOG_LEVELS]).default('info'))
  .action(run);

await program.parseAsync();

async function run(flags: Flags): Promise<void> {
  const logger = createLogger({ name: 'pilot', level: flags.logLevel });
  const lifecycle = createLifecycle((name, message) => logger.warn({ name, message }, 'could not close'));
  const stop = (): void => void lifecycle.close().then(() => process.exit(0));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const deps = { clock: systemClock, logger, random: systemRandom };
    const configStore = await createDirectoryStore({ dir: flags.config, ...deps });
    lifecycle.defer('config', () => configStore.close());
    const registry = await createFileRegistry({ file: flags.registry, ...deps });
    lifecycle.defer('registry', () => registry.close());
    const pilot = createPilot({ configStore, registry, meshOptions: meshOptions(flags), ...deps });
    lifecycle.defer('pilot', () => pilot.close());
    const { credentials } = createRotatingCredentials({
      certChainPem: await readFile(flags.tlsCert, 'utf8'),
      privateKeyPem: await readFile(flags.tlsKey, 'utf8'),
      rootsPem: await readFile(flags.tlsRoots, 'utf8'),
    });
    const server = createGrpcServer({ address: flags.address, credentials });
    server.addService(pilot.ads.service, pilot.ads.handlers);
    lifecycle.defer('xds', () => server.close());
    const [host, port] = splitAddress(flags.monitoringAddress);
    const debugToken = flags.debugTokenFile && (await readFile(flags.debugTokenFile, 'utf8')).trim();
    const monitoring = await startMonitoring(pilot, { host, port, ...(debugToken ? { debugToken } : {}) });
    lifecycle.defer('monitoring', () => monitoring.close());
    const xdsPort = await server.listen();
    process.stdout.write(`${JSON.stringify({ ready: true, port: xdsPort, monitoringPort: monitoring.port })}\n`);
  } catch (error) {
    const fix = error instanceof WeftError && error.fix ? `\n${error.fix}` : '';
    process.stderr.write(`pilot: ${errorMessage(error)}${fix}\n`);
    await lifecycle.close();
    process.exitCode = 1;
  }
}

function meshOptions(flags: Flags): Partial<MeshOptions> {
  const tracingSampling = Number(flags.sampling);
  if (!(tracingSampling >= 0 && tracingSampling <= 100)) {
    throw new WeftError('WEFT_OPTION', `--sampling ${flags.sampling} is not a number from 0 to 100`);
  }
  parseAccessLogFormat(flags.accessLogEncoding, flags.accessLogFormat);
  return {
    trustDomain: flags.trustDomain,
    rootNamespace: flags.rootNamespace,
    outboundTrafficPolicy: { mode: flags.outboundPolicy },
    accessLogFile: flags.accessLogFile,
    accessLogFormat: flags.accessLogFormat,
    accessLogEncoding: flags.accessLogEncoding,
    tracingSampling,
    pathNormalization: flags.pathNormalization,
  };
}

function splitAddress(address: string): readonly [host: string, port: number] {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  if (colon <= 0 || !Number.isInteger(port)) throw new WeftError('WEFT_OPTION', `"${address}" is not host:port`);
  return [address.slice(0, colon), port];
}
