/** Flags that `up` and `demo` share, from text to values. */
import { availableParallelism, homedir, userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import {
  DEFAULT_PATH_NORMALIZATION,
  DEFAULT_TRUST_DOMAIN,
  PATH_NORMALIZATIONS,
  PORTS,
  type PathNormalization,
} from '@weft/contracts';
import { LOG_LEVELS, WeftError, type LogLevel } from '@weft/kit';
import { parseInterception, type InterceptionWish } from '../isolated/form.ts';

export interface MeshFlags {
  readonly state?: string;
  readonly ports?: string;
  readonly gatewayPort?: string;
  readonly consolePort?: string;
  readonly trustDomain?: string;
  readonly logLevel?: string;
  readonly drain?: string;
  readonly accessLog?: string;
  readonly traceSampling?: string;
  readonly tlsResumption?: boolean;
  readonly pathNormalization?: string;
  readonly certificateTtl?: string;
  readonly interception?: string;
  readonly maxConnections?: string;
  readonly maxWaitingHandshakes?: string;
  readonly maxMemory?: string;
  readonly proxyConcurrency?: string;
}

export interface MeshOptions {
  readonly stateDir: string;
  readonly ports: 'fixed' | 'auto';
  readonly gatewayPort: number;
  readonly consolePort: number;
  readonly trustDomain: string;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly accessLog: AccessLogMode;
  readonly certificateTtlMs: number;
  readonly interception: InterceptionWish;
  /** 0–100. */
  readonly traceSampling: number;
  readonly tlsResumption: boolean;
  readonly pathNormalization: PathNormalization;
  /** Flags of every proxy. */
  readonly proxyFlags: readonly string[];
}

export const ACCESS_LOG_MODES = ['text', 'json', 'off'] as const;
export type AccessLogMode = (typeof ACCESS_LOG_MODES)[number];

/** `--state`, else `$WEFT_STATE`, else `~/.weft`. @throws {WeftError} WEFT_USAGE, WEFT_STATE_DIR. */
export function stateDirOf(flag: string | undefined): string {
  if (flag === '') throw new WeftError('WEFT_USAGE', '--state needs a folder');
  // An empty variable is none; it must not mean the current folder.
  const named = flag ?? (process.env['WEFT_STATE'] || undefined);
  return named === undefined ? join(homeOfUser(), '.weft') : resolve(named);
}

/** `$HOME`, else what the system knows of this user. */
function homeOfUser(): string {
  for (const ask of [homedir, () => userInfo().homedir]) {
    try {
      const home = ask();
      if (isAbsolute(home)) return home;
    } catch {
      // Not every user of a container is known to the system.
    }
  }
  throw new WeftError('WEFT_STATE_DIR', 'this user has no home folder, and $HOME names none', {
    fix: 'name a folder for the state with --state DIR or $WEFT_STATE',
  });
}

export function parseMeshFlags(flags: MeshFlags): MeshOptions {
  const ports = flags.ports ?? 'fixed';
  if (ports !== 'fixed' && ports !== 'auto')
    throw new WeftError('WEFT_USAGE', `--ports is "fixed" or "auto", not "${ports}"`);
  const usual = (port: number): number => (ports === 'auto' ? 0 : port);
  return {
    stateDir: stateDirOf(flags.state),
    ports,
    gatewayPort: parsePort(flags.gatewayPort, usual(PORTS.gatewayHttp.port), '--gateway-port'),
    consolePort: parsePort(flags.consolePort, usual(PORTS.console.port), '--console-port'),
    trustDomain: flags.trustDomain ?? DEFAULT_TRUST_DOMAIN,
    logLevel: parseLogLevel(flags.logLevel),
    drainMs: parseSeconds(flags.drain, 3, '--drain') * 1000,
    accessLog: parseAccessLog(flags.accessLog),
    certificateTtlMs: parseTtl(flags.certificateTtl),
    interception: parseInterception(flags.interception ?? process.env['WEFT_INTERCEPTION']),
    traceSampling: parsePercent(flags.traceSampling, 100, '--trace-sampling'),
    tlsResumption: flags.tlsResumption ?? true,
    pathNormalization: parsePathNormalization(flags.pathNormalization),
    proxyFlags: [
      ...countFlag('--max-connections', flags.maxConnections, '--max-connections'),
      ...countFlag('--max-waiting-handshakes', flags.maxWaitingHandshakes, '--max-waiting-handshakes'),
      ...countFlag('--max-memory', flags.maxMemory, '--max-memory-mib'),
      ...concurrencyFlag(flags.proxyConcurrency),
    ],
  };
}

export function parsePort(text: string | undefined, fallback: number, flag: string): number {
  if (text === undefined) return fallback;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new WeftError('WEFT_USAGE', `${flag} needs a port from 0 to 65535, not "${text}"`);
}

function countFlag(flag: string, text: string | undefined, proxyFlag: string): readonly string[] {
  if (text === undefined) return [];
  if (/^[1-9]\d{0,6}$/.test(text)) return [`${proxyFlag}=${text}`];
  throw new WeftError('WEFT_USAGE', `${flag} needs a number from 1, not "${text}"`);
}

/** How many threads a machine has room for, its proxies say; they would only say it one after the other, in their logs. */
function concurrencyFlag(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const most = 2 * availableParallelism();
  if (/^\d{1,4}$/.test(text) && Number(text) <= most) return [`--concurrency=${text}`];
  throw new WeftError('WEFT_USAGE', `--proxy-concurrency needs a number from 0 to ${most}, not "${text}"`);
}

export function parseSeconds(text: string | undefined, fallback: number, flag: string): number {
  if (text === undefined) return fallback;
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) <= 3600) return Number(text);
  throw new WeftError('WEFT_USAGE', `${flag} needs seconds from 0 to 3600, not "${text}"`);
}

/** Renewal is at half-life: below ten seconds a busy machine could miss it. */
function parseTtl(text: string | undefined): number {
  if (text === undefined) return 86_400_000;
  const seconds = Number(text);
  if (/^\d{1,7}$/.test(text) && seconds >= 10 && seconds <= 7_776_000) return seconds * 1000;
  throw new WeftError('WEFT_USAGE', `--certificate-ttl needs seconds from 10 to 7776000 (90 days), not "${text}"`);
}

export function parsePercent(text: string | undefined, fallback: number, flag: string): number {
  if (text === undefined) return fallback;
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) <= 100) return Number(text);
  throw new WeftError('WEFT_USAGE', `${flag} needs a percentage from 0 to 100, not "${text}"`);
}

export function parseAccessLog(text: string | undefined): AccessLogMode {
  const mode = ACCESS_LOG_MODES.find((item) => item === (text ?? 'text'));
  if (mode) return mode;
  throw new WeftError('WEFT_USAGE', `--access-log is one of ${ACCESS_LOG_MODES.join(', ')}, not "${text}"`);
}

export function parsePathNormalization(text: string | undefined): PathNormalization {
  const mode = PATH_NORMALIZATIONS.find((item) => item === (text ?? DEFAULT_PATH_NORMALIZATION));
  if (mode) return mode;
  throw new WeftError('WEFT_USAGE', `--path-normalization is one of ${PATH_NORMALIZATIONS.join(', ')}, not "${text}"`);
}

function parseLogLevel(text: string | undefined): LogLevel {
  const level = LOG_LEVELS.find((item) => item === (text ?? 'info'));
  if (level) return level;
  throw new WeftError('WEFT_USAGE', `unknown log level "${text}"`, { fix: `use one of: ${LOG_LEVELS.join(', ')}` });
}
