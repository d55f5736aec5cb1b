/** `pnpm bench`: CPU of one request through each proxy found here, side by side, in alternating rounds. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpuNs, familyOf, pssMb } from './cpu.ts';
import { percentile, runLoad, type LoadResult } from './load.ts';
import { envoy, nginx, type Peer } from './peers.ts';
import { startWeft } from './weft.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '32' },
    'memory-seconds': { type: 'string', default: '60' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout
    .write(`usage: pnpm bench [--rounds 5] [--seconds 4] [--connections 32] [--memory-seconds 60] [--json FILE]
CPU per request of the plain HTTP/1.1 path (1 KB, keep-alive, one route) beside nginx and Envoy where they are found
(nginx on PATH; Envoy on PATH or in WEFT_ENVOY), and the memory of one sidecar at 1 000 requests per second.
`);
  process.exit(0);
}
const rounds = Number(values.rounds);
const durationMs = Number(values.seconds) * 1000;
const connections = Number(values.connections);
const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface Contender {
  readonly name: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

interface Round {
  readonly usPerRequest: number;
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const backendProgram = fileURLToPath(new URL('backend.js', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'weft-bench-'));
const contenders: Contender[] = [];
const missing: string[] = [];
const backend = await startBackend();
try {
  for (const peer of [nginx, envoy]) await addPeer(peer);
  say('starting a mesh with one sidecar');
  const weft = await startWeft([process.execPath, backendProgram]);
  contenders.push({ name: 'weft', version: process.version, ...weft });
  const results = await measure();
  const memory = await measureMemory(weft);
  report(results, memory);
} finally {
  for (const contender of contenders) await contender.stop();
  backend.child.kill();
  rmSync(work, { recursive: true, force: true });
}

async function startBackend(): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = spawn(process.execPath, [backendProgram], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  return { child, port: Number(line) };
}

async function addPeer(peer: Peer): Promise<void> {
  const found = peer.find();
  if ('missing' in found) {
    missing.push(`${peer.name}: ${found.missing}`);
    return;
  }
  const port = await freePort();
  const child = found.start({ port, backendPort: backend.port, dir: join(work, peer.name) });
  await untilItAnswers(port);
  contenders.push({
    name: peer.name,
    version: found.version,
    host: '127.0.0.1',
    port,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  });
}

/** Rounds alternate between contenders, so that a noisy minute hits all of them. */
async function measure(): Promise<Map<string, Round[]>> {
  const results = new Map<string, Round[]>(contenders.map(({ name }) => [name, []]));
  for (const contender of contenders) await load(contender, 2000);
  for (let round = 1; round <= rounds; round += 1) {
    for (const contender of contenders) {
      const pids = familyOf(contender.pid);
      const before = pids.map(cpuNs);
      const startMs = performance.now();
      const result = await load(contender, durationMs);
      const ns = pids.reduce((sum, pid, index) => sum + (cpuNs(pid) - (before[index] ?? 0n)), 0n);
      const figures = {
        usPerRequest: Number(ns) / 1000 / result.requests,
        rps: (result.requests / (performance.now() - startMs)) * 1000,
        p50Ms: percentile(result.latencies, 0.5),
        p99Ms: percentile(result.latencies, 0.99),
      };
      results.get(contender.name)?.push(figures);
      say(
        `round ${round} ${contender.name}: ${figures.usPerRequest.toFixed(1)} µs CPU a request, ${figures.rps.toFixed(0)} requests/s`,
      );
    }
  }
  return results;
}

async function load(contender: Contender, forMs: number, rate?: number): Promise<LoadResult> {
  const result = await runLoad({
    ...contender,
    authority: 'backend:8000',
    connections,
    durationMs: forMs,
    ...(rate === undefined ? {} : { rate }),
  });
  // A figure counts only when every response was right.
  if (result.failures > 0)
    throw new Error(`${contender.name}: ${result.failures} of ${result.requests} requests failed`);
  return result;
}

async function measureMemory(weft: {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
}): Promise<number> {
  const seconds = Number(values['memory-seconds']);
  say(`memory of the sidecar after ${seconds} s at 1 000 requests/s`);
  const [own] = contenders.filter((contender) => contender.name === 'weft');
  if (own) await load(own, seconds * 1000, 1000);
  return pssMb(weft.pid);
}

function report(results: Map<string, Round[]>, memoryMb: number): void {
  const median = (list: readonly number[]): number =>
    list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
  const rows = contenders.map(({ name, version }) => {
    const list = results.get(name) ?? [];
    const pick = (figure: keyof Round): number => median(list.map((round) => round[figure]));
    return {
      name,
      version,
      usPerRequest: pick('usPerRequest'),
      rps: pick('rps'),
      p50Ms: pick('p50Ms'),
      p99Ms: pick('p99Ms'),
    };
  });
  const own = rows.find((row) => row.name === 'weft')?.usPerRequest ?? Number.NaN;
  const lines = [
    `HTTP/1.1 plain, 1 KB, keep-alive, ${connections} connections, one route; ${rounds} rounds of ${durationMs / 1000} s; ${cpus().length} cores, Node ${process.version}`,
    '',
    ['proxy', 'µs CPU/request', 'requests/s', 'p50 ms', 'p99 ms', 'weft ÷ it', 'version'].join('\t'),
    ...rows.map((row) =>
      [
        row.name,
        row.usPerRequest.toFixed(1),
        row.rps.toFixed(0),
        row.p50Ms.toFixed(2),
        row.p99Ms.toFixed(2),
        (own / row.usPerRequest).toFixed(2),
        row.version,
      ].join('\t'),
    ),
    '',
    `memory of one sidecar (PSS after ${values['memory-seconds']} s at 1 000 requests/s): ${memoryMb.toFixed(1)} MB`,
    ...missing.map((text) => `not measured: ${text}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (values.json) {
    mkdirSync(join(values.json, '..'), { recursive: true });
    writeFileSync(
      values.json,
      `${JSON.stringify({ rows, rounds: Object.fromEntries(results), memoryMb, missing }, undefined, 1)}\n`,
    );
  }
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
    await new Promise((resolve) => setTimeout(resolve, 50));
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
