/** Starts the bundled programs as processes, and plain servers in the place of services, for the tests. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type ProgramName = 'productpage' | 'details' | 'reviews' | 'ratings';

export interface Running {
  readonly url: string;
  readonly child: ChildProcess;
}

export interface Programs {
  start(name: ProgramName, env?: Record<string, string>, flags?: readonly string[]): Promise<Running>;
  close(): Promise<void>;
}

/** Bundles the programs into a folder of their own. */
export function buildPrograms(): Programs {
  const dir = mkdtempSync(join(tmpdir(), 'weft-bookinfo-'));
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const entries = ['productpage', 'details', 'reviews', 'ratings'].map((name) => `src/${name}.ts`);
  execFileSync(process.execPath, ['../../tools/bundle.mjs', dir, ...entries], { cwd: root, stdio: 'inherit' });
  const children: ChildProcess[] = [];
  return {
    async start(name, env = {}, flags = []) {
      const child = spawn(process.execPath, [join(dir, `${name}.js`), ...flags], {
        env: { ...env, HOST: '127.0.0.1', PORT: '0' },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      return { child, url: await listeningUrl(name, child) };
    },
    async close() {
      await Promise.all(children.map(stop));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function listeningUrl(name: string, child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the program has no output');
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += String(chunk);
    const url = /listening on (http:\S+)/.exec(text)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`${name} ended before it listened: ${text}`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

export const serviceAt = (service: string, url: string): Record<string, string> => {
  const { hostname, port } = new URL(url);
  return { [`${service.toUpperCase()}_SERVICE_HOST`]: hostname, [`${service.toUpperCase()}_SERVICE_PORT`]: port };
};

export interface StandIn {
  readonly url: string;
  readonly requests: IncomingMessage[];
  close(): void;
}

/** A plain server that answers as told and remembers what it was asked. */
export async function standIn(respond: (request: IncomingMessage, response: ServerResponse) => void): Promise<StandIn> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    respond(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
