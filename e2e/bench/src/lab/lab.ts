/** All that a run starts, so that all of it is stopped. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Lab {
  /** A folder of this run's own. */
  readonly dir: string;
  /** What can not be measured here, and why. */
  readonly missing: Set<string>;
  /** argv of the server behind the proxies. */
  readonly backendProgram: readonly [string, ...string[]];
  /** The port of a backend on 127.0.0.1, started on first use. */
  backend(): Promise<number>;
  /** Starts a program that is stopped with the lab. */
  start(argv: readonly [string, ...string[]]): ChildProcess;
  onStop(stop: () => Promise<void>): void;
  say(text: string): void;
  stop(): Promise<void>;
}

export function createLab(say: (text: string) => void): Lab {
  const dir = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  const stops: (() => Promise<void>)[] = [];
  const backendProgram = [process.execPath, fileURLToPath(new URL('backend.js', import.meta.url))] as const;
  let backend: Promise<number> | undefined;
  const startBackend = async (): Promise<number> => {
    const child = spawn(backendProgram[0], backendProgram.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    stops.push(() => end(child));
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    return Number(line);
  };
  return {
    dir,
    missing: new Set(),
    backendProgram,
    backend: () => (backend ??= startBackend()),
    start([program, ...args]) {
      const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      stops.push(() => end(child));
      return child;
    },
    onStop: (stop) => void stops.push(stop),
    say,
    async stop() {
      for (const stop of stops.splice(0).toReversed()) await stop().catch((error: unknown) => say(String(error)));
      backend = undefined;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** @throws when nothing answers 200 there within 20 s. */
export async function untilItAnswers(port: number, host = '127.0.0.1'): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    try {
      const response = await fetch(`http://${host}:${port}/`);
      await response.arrayBuffer();
      if (response.status === 200) return;
    } catch {
      // Not up yet.
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`the proxy on ${host}:${port} does not answer`);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}
