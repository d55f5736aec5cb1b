/** `pnpm bench`: CPU of one request through each proxy found here, side by side, in alternating rounds. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LOAD_CORE, pin, PROXY_CORE, whyNotPinned } from './cores.ts';
import { familyOf, memoryMb, nodeArgsOf } from './cpu.ts';
import { load, measure, type Contender } from './measure.ts';
import { envoy, nginx, type Peer } from './peers.ts';
import { type Figures, table, writeJson } from './report.ts';
import { startWeft } from './weft.ts';

const MEMORY_RPS = 1000;

const HELP = `usage: pnpm bench [--rounds 7] [--seconds 3] [--connections 32] [--rate N] [--memory-seconds 60] [--json FILE]

CPU per request of the plain HTTP/1.1 path (1 KB, keep-alive, one route) beside nginx and Envoy where they are found
(nginx on PATH; Envoy on PATH or in WEFT_ENVOY), and the memory of one sidecar at ${MEMORY_RPS} requests per second.

  --rate N            requests per second in all, sent when they are due; without it each connection sends again at once
  --memory-seconds N  how long the sidecar is loaded before its memory is read; 0 leaves it out
  --json FILE         also writes all rounds there
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    rate: { type: 'string' },
    'memory-seconds': { type: 'string', default: '60' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const rounds = positive('rounds', values.rounds);
const seconds = positive('seconds', values.seconds);
const connections = positive('connections', values.connections);
const rate = values.rate === undefined ? undefined : positive('rate', values.rate);
const memorySeconds = Number(values['memory-seconds']);

const backendProgram = fileURLToPath(new URL('backend.js', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'weft-bench-'));
const stops: (() => Promise<void>)[] = [];
const missing: string[] = [];
const unpinned = whyNotPinned();
if (unpinned === undefined) pin(process.pid, LOAD_CORE);
else missing.push(`proxies on a core of their own: ${unpinned}`);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stopAll().then(() => process.exit(1)));

try {
  const contenders = await startContenders();
  const results = await measure(contenders, {
    rounds,
    connections,
    durationMs: seconds * 1000,
    ...(rate === undefined ? {} : { rate }),
    say,
  });
  const figures: Figures = {
    contenders,
    rounds: results,
    connections,
    seconds,
    rate,
    pinned: unpinned === undefined,
    memory: await measureMemory(contenders),
    missing,
  };
  process.stdout.write(table(figures));
  // npm and pnpm run scripts in the package's folder; the caller meant their own.
  if (values.json) writeJson(resolve(process.env['INIT_CWD'] ?? '.', values.json), figures);
} finally {
  await stopAll();
}

async function startContenders(): Promise<readonly Contender[]> {
  const contenders: Contender[] = [];
  const backend = await startBackend();
  for (const peer of [nginx, envoy]) {
    const found = await startPeer(peer, backend.port);
    if (found !== undefined) contenders.push(found);
  }
  say('starting a mesh with one sidecar');
  const weft = await startWeft([process.execPath, backendProgram]);
  stops.push(() => weft.stop());
  const { host, port, pid: sidecar } = weft;
  contenders.push({ name: 'weft', version: `Node ${process.version}`, host, port, pid: sidecar });
  if (unpinned === undefined)
    for (const { pid } of contenders) for (const member of familyOf(pid)) pin(member, PROXY_CORE);
  return contenders;
}

async function startBackend(): Promise<{ readonly port: number }> {
  const child = spawn(process.execPath, [backendProgram], { stdio: ['ignore', 'pipe', 'inherit'] });
  stops.push(() => end(child));
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  return { port: Number(line) };
}

async function startPeer(peer: Peer, backendPort: number): Promise<Contender | undefined> {
  const found = peer.find();
  if ('missing' in found) {
    missing.push(`${peer.name}: ${found.missing}`);
    return undefined;
  }
  const port = await freePort();
  const child = found.start({ port, backendPort, dir: join(work, peer.name) });
  stops.push(() => end(child));
  await untilItAnswers(port);
  return { name: peer.name, version: found.version, host: '127.0.0.1', port, pid: child.pid ?? 0 };
}

async function measureMemory(contenders: readonly Contender[]): Promise<Figures['memory']> {
  const weft = contenders.find(({ name }) => name === 'weft');
  if (weft === undefined || !(memorySeconds > 0)) return undefined;
  say(`memory of the sidecar: ${memorySeconds} s at ${MEMORY_RPS} requests/s`);
  await load(weft, { connections, durationMs: memorySeconds * 1000, rate: MEMORY_RPS });
  return { seconds: memorySeconds, ...memoryMb(weft.pid), nodeArgs: nodeArgsOf(weft.pid) };
}

async function stopAll(): Promise<void> {
  for (const stop of stops.splice(0).toReversed()) await stop().catch((error: unknown) => say(String(error)));
  rmSync(work, { recursive: true, force: true });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

async function untilItAnswers(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/`);
      await response.arrayBuffer();
      if (response.status === 200) return;
    } catch {
      // Not up yet.
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`the proxy on port ${port} does not answer`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  process.stderr.write(`bench: --${flag} wants a number above 0, not "${text}"\n`);
  process.exit(64);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
