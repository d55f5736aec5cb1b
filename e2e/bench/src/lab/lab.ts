/** All that a run starts, so that all of it is stopped. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type BackendProtocol = 'http1' | 'http2';

export interface Lab {
  /** A folder of this run's own. */
  readonly dir: string;
  /** What can not be measured here, and why. */
  readonly missing: Set<string>;
  /** argv of the server behind the proxies. */
  backendProgram(protocol?: BackendProtocol): readonly [string, ...string[]];
  /** The port of a backend on 127.0.0.1, started on first use. */
  backend(protocol?: BackendProtocol): Promise<number>;
  /** Starts a server of ours that prints its port first; it is stopped with the lab. */
  server(
    argv: readonly [string, ...string[]],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ readonly port: number; readonly pid: number }>;
  /** Starts a program that is stopped with the lab. */
  start(argv: readonly [string, ...string[]]): ChildProcess;
  onStop(stop: () => Promise<void>): void;
  say(text: string): void;
  stop(): Promise<void>;
}

export function createLab(say: (text: string) => void): Lab {
  const dir = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  const stops: (() => Promise<void>)[] = [];
  const backendProgram = (protocol: BackendProtocol = 'http1'): readonly [string, ...string[]] => {
    const file = protocol === 'http1' ? 'backend.js' : 'backend-h2.js';
    return [process.execPath, fileURLToPath(new URL(file, import.meta.url))];
  };
  const backends = new Map<BackendProtocol, Promise<number>>();
  const server: Lab['server'] = async ([program, ...args], env = {}) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    stops.push(() => end(child));
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    return { port: Number(line), pid: child.pid ?? 0 };
  };
  const startBackend = async (protocol: BackendProtocol): Promise<number> =>
    (await server(backendProgram(protocol))).port;
  return {
    dir,
    missing: new Set(),
    backendProgram,
    server,
    backend(protocol = 'http1') {
      const running = backends.get(protocol) ?? startBackend(protocol);
      backends.set(protocol, running);
      return running;
    },
    start([program, ...args]) {
      const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      stops.push(() => end(child));
      return child;
    },
    onStop: (stop) => void stops.push(stop),
    say,
    async stop() {
      for (const stop of stops.splice(0).toReversed()) await stop().catch((error: unknown) => say(String(error)));
      backends.clear();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** @throws when nothing takes a connection there within 20 s. */
export async function untilItAccepts(port: number, host = '127.0.0.1'): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const accepted = await new Promise<boolean>((resolve) => {
      const socket = connect({ host, port });
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (accepted) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`nothing listens on ${host}:${port}`);
}

/** @throws when nothing answers 200 there within 20 s. */
export async function untilItAnswers(port: number, host = '127.0.0.1'): Promise<void> {
  let last = '';
  for (let attempt = 0; attempt < 400; attempt += 1) {
    try {
      const response = await fetch(`http://${host}:${port}/`);
      last = `${response.status} ${await response.text()}`;
      if (response.status === 200) return;
    } catch (error) {
      last = String(error);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`the proxy on ${host}:${port} does not answer: ${last}`);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}
