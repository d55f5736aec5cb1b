/** A real Envoy as a process of a test: found, started with a bootstrap, watched, stopped. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { waitFor } from '@weft/testkit';

export type FoundEnvoy =
  | { readonly path: string; readonly version: string }
  | { readonly path?: undefined; readonly reason: string };

/** `WEFT_ENVOY` (a path), else `envoy` on PATH. The reason is for the message of a skipped test. */
export function findEnvoy(environment: NodeJS.ProcessEnv = process.env): FoundEnvoy {
  const named = environment['WEFT_ENVOY'];
  const candidates = named ? [named] : (environment['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'envoy'));
  for (const path of candidates) {
    if (!isProgram(path)) continue;
    const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 20_000 });
    const version = /\/(\d+\.\d+\.\d+)\//.exec(stdout ?? '')?.[1];
    if (status === 0 && version) return { path, version };
    if (named) return { reason: `WEFT_ENVOY=${named} does not answer to --version as Envoy does` };
  }
  return { reason: named ? `WEFT_ENVOY=${named} is no program` : 'no envoy on PATH, and WEFT_ENVOY is not set' };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface EnvoyOptions {
  readonly path: string;
  /** Of `envoyBootstrap`. */
  readonly bootstrap: Readonly<Record<string, unknown>>;
  /** Its own folder for bootstrap and log. */
  readonly directory: string;
  /** `host:port` of the bootstrap's admin. */
  readonly admin: string;
  readonly logLevel?: 'debug' | 'info' | 'warning';
}

export interface Envoy extends AsyncDisposable {
  readonly pid: number;
  /** A page of the admin port, for example `/config_dump`. */
  admin(path: string): Promise<string>;
  /** Resolves when `/ready` says LIVE. */
  ready(timeoutMs?: number): Promise<void>;
  log(): string;
  stop(): Promise<void>;
}

/** As `weft agent` advises: else connections made before a change stay with the rules of their time for ten minutes. */
const DRAIN_FLAGS = ['--drain-strategy', 'immediate', '--drain-time-s', '5'];

/** @throws when the program ends at once, with the end of its log. */
export async function startEnvoy(options: EnvoyOptions): Promise<Envoy> {
  const { path, bootstrap, directory, admin, logLevel = 'info' } = options;
  const config = join(directory, 'bootstrap.json');
  const logPath = join(directory, 'envoy.log');
  await writeFile(config, JSON.stringify(bootstrap, undefined, 2), { mode: 0o600 });
  const output = await open(logPath, 'w');
  // One worker, and no shared memory region with other Envoys of the machine.
  const flags = ['-c', config, '--concurrency', '1', '--disable-hot-restart', '-l', logLevel, ...DRAIN_FLAGS];
  const child = spawn(path, flags, { stdio: ['ignore', output.fd, output.fd] });
  await output.close();
  const log = (): string => readFileSync(logPath, 'utf8');
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const page = async (url: string): Promise<Response> =>
    fetch(`http://${admin}${url}`, { signal: AbortSignal.timeout(5_000) });
  await waitFor(
    async () => {
      if (child.exitCode !== null) return true;
      return page('/server_info').then(
        (answer) => answer.ok,
        () => false,
      );
    },
    { what: "Envoy's admin port", timeoutMs: 20_000 },
  );
  if (child.exitCode !== null) throw new Error(`Envoy ended with ${child.exitCode}:\n${log().slice(-4_000)}`);
  const stop = (): Promise<void> => end(child, ended);
  return {
    pid: child.pid ?? 0,
    admin: async (url) => (await page(url)).text(),
    ready: async (timeoutMs = 20_000) => {
      try {
        await waitFor(async () => (await page('/ready')).status === 200, { what: 'Envoy LIVE', timeoutMs });
      } catch (error) {
        throw new Error(`Envoy is not ready:\n${log().slice(-4_000)}`, { cause: error });
      }
    },
    log,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(kill);
}
