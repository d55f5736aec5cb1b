/** More than a proxy can carry: clients that are many, slow or silent, and memory that runs out. */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { tempDir, waitFor } from '@weft/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { http, many } from '../harness/http.ts';
import { crowd, type Crowd } from '../harness/idle.ts';
import { edgeTo } from '../harness/edge.ts';
import { stats } from '../harness/metrics.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { programPath, startEcho } from '../harness/programs.ts';

const EDGE = edgeTo('echo');
const GATEWAY = 'weft-gateway';
const MIB = 1024 * 1024;

const crowds: Crowd[] = [];
const join_ = async (made: Promise<Crowd>): Promise<Crowd> => {
  const one = await made;
  crowds.push(one);
  return one;
};
afterEach(async () => {
  for (const one of crowds.splice(0)) await one.close();
});

async function meshWith(args: readonly string[]): Promise<TestMesh> {
  const mesh = await startMesh({ args });
  await startEcho(mesh, { service: 'echo', version: 'v1', name: 'echo' });
  await mesh.apply(EDGE);
  await mesh.synced();
  return mesh;
}
const proxyPid = async (mesh: TestMesh, name: string): Promise<number> =>
  (await mesh.workload(name)).processes?.proxy ?? 0;
const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
const statOf = async (mesh: TestMesh, name: string, pattern: RegExp): Promise<number> => {
  const { adminAddress } = await mesh.workload(name);
  return (await stats(adminAddress))
    .split('\n')
    .filter((line) => pattern.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(':') + 1)), 0);
};

describe('RE-10 connections', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await meshWith([]);
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  it('RE-10 nearly 10 000 idle connections cost little, those above the limit are refused and counted, and requests go on', async () => {
    const pid = await proxyPid(mesh, GATEWAY);
    expect((await http(mesh.gateway)).status).toBe(200);
    const beforeBytes = residentBytes(pid);
    // Half of them have asked once: a connection that was used holds more than a fresh one.
    const used = await join_(crowd(mesh.gateway, 4_900, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'));
    const fresh = await join_(crowd(mesh.gateway, 4_900));
    await waitFor(async () => (await statOf(mesh, GATEWAY, /^server\.total_connections: /)) >= 9_800, {
      timeoutMs: 30_000,
      what: 'all connections to be taken',
    });
    expect((await many(50, () => http(mesh.gateway))).map(({ status }) => status)).toEqual(Array(50).fill(200));
    const perConnection = (residentBytes(pid) - beforeBytes) / 9_800;
    console.warn(`an idle connection costs ${Math.round(perConnection / 1024)} KiB`);
    expect(perConnection).toBeLessThan(24 * 1024);
    const late = await join_(crowd(mesh.gateway, 400));
    await waitFor(() => late.open() <= 200, { what: 'those above the limit to be refused' });
    expect(await statOf(mesh, GATEWAY, /^listener\..*\.downstream_cx_overflow: /)).toBeGreaterThanOrEqual(200);
    expect([used.open(), fresh.open()]).toEqual([4_900, 4_900]);
    for (const one of crowds.splice(0)) await one.close();
    await waitFor(async () => (await statOf(mesh, GATEWAY, /^server\.total_connections: /)) < 10, {
      timeoutMs: 30_000,
      what: 'the places to be free again',
    });
    expect((await http(mesh.gateway)).status).toBe(200);
  });

  it('RE-10 a burst of 2 000 connections at one moment is served to the last', async () => {
    const answers = await many(2_000, () => http(mesh.gateway, { timeoutMs: 60_000 }), 2_000);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('RE-10 heads that never end are answered 408 at their time, and cost nobody else anything', async () => {
    // A minute where nobody says otherwise.
    await mesh.apply(`
apiVersion: weft.dev/v1
kind: ListenerLimits
metadata: { name: slow, namespace: weft-system }
spec: { selector: { matchLabels: { istio: ingressgateway } }, http: { headersTimeout: 12s } }
`);
    const slow: { readonly socket: Socket; text: string; gone: boolean }[] = [];
    const { hostname, port } = new URL(mesh.gateway);
    for (let i = 0; i < 200; i += 1) {
      const one = { socket: connect({ host: hostname, port: Number(port) }), text: '', gone: false };
      one.socket.on('error', () => {});
      one.socket.on('data', (data) => (one.text += data.toString('latin1')));
      one.socket.on('close', () => (one.gone = true));
      one.socket.write('GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ');
      slow.push(one);
    }
    const timer = setInterval(() => slow.forEach(({ socket }) => socket.destroyed || socket.write('a')), 1_000);
    const beganMs = Date.now();
    let longestMs = 0;
    while (Date.now() - beganMs < 9_000) {
      const { status, ms } = await http(mesh.gateway);
      expect(status).toBe(200);
      longestMs = Math.max(longestMs, ms);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(slow.filter(({ gone, text }) => gone || text !== '')).toEqual([]);
    await waitFor(() => slow.every(({ gone }) => gone), { timeoutMs: 30_000, what: 'all of them to be ended' });
    clearInterval(timer);
    for (const { text } of slow) expect(text).toMatch(/^HTTP\/1.1 408 [^]*x-weft-reason: request-headers-timeout/);
    const { code, stderr } = await mesh.weft(['delete', '-n', 'weft-system', 'listenerlimits/slow']);
    expect([code, stderr]).toEqual([0, '']);
    console.warn(`200 slow heads: others waited ${Math.round(longestMs)} ms at most`);
  });

  it('RE-10 a program that never reads holds its callers back; the memory of both proxies stays', async () => {
    await mesh.run([
      '--service=deaf',
      '--name=deaf',
      '--port=8002',
      '--health-path=/',
      '--',
      process.execPath,
      programPath('deaf.mjs'),
    ]);
    const { hostname, port } = new URL(await mesh.outbound('echo', 'deaf', 8002));
    const pids = await Promise.all(['echo', 'deaf'].map((name) => proxyPid(mesh, name)));
    const before = pids.map(residentBytes);
    const block = Buffer.alloc(MIB);
    const pushing = Array.from({ length: 20 }, () => {
      const socket = connect({ host: hostname, port: Number(port) });
      socket.on('error', () => {});
      socket.write(`POST / HTTP/1.1\r\nHost: deaf\r\nContent-Length: ${1_000 * MIB}\r\n\r\n`);
      const push = (): void => {
        while (!socket.destroyed && socket.write(block));
        socket.once('drain', push);
      };
      push();
      return socket;
    });
    const sent = (): number =>
      pushing.reduce((sum, { bytesWritten, writableLength }) => sum + bytesWritten - writableLength, 0);
    let last = -1;
    await waitFor(
      () => {
        const now = sent();
        const still = now === last;
        last = now;
        return still;
      },
      { everyMs: 1_000, timeoutMs: 30_000, what: 'all callers to be held back' },
    );
    const grown = pids.map((pid, i) => (residentBytes(pid) - (before[i] ?? 0)) / MIB);
    console.warn(
      `20 uploads to who never reads: ${Math.round(last / MIB)} MiB on their way, proxies grew by ${grown.map(Math.round).join(' and ')} MiB`,
    );
    for (const mib of grown) expect(mib).toBeLessThan(60);
    pushing.forEach((socket) => socket.destroy());
  });
});

describe('RE-10 limits that the mesh is told', () => {
  it('RE-10 connections above --max-connections are refused, those below serve; wrong numbers are refused', async () => {
    await using mesh = await meshWith(['--max-connections', '20']);
    const kept = await join_(crowd(mesh.gateway, 15));
    expect((await http(mesh.gateway)).status).toBe(200);
    const more = await join_(crowd(mesh.gateway, 20));
    await waitFor(() => more.open() <= 5, { what: 'those above the limit to be refused' });
    // Whose place was given back a moment ago.
    await join_(crowd(mesh.gateway, 5));
    await expect(http(mesh.gateway)).rejects.toThrow(/ECONNRESET|hang up/);
    expect(kept.open()).toBe(15);
    for (const one of crowds.splice(1)) await one.close();
    await waitFor(async () => (await http(mesh.gateway).catch(() => undefined))?.status === 200, {
      what: 'a place for a new client',
    });
    const wrong = await mesh.weft(['up', '--max-connections', 'many']);
    expect([wrong.code, wrong.stderr]).toEqual([64, expect.stringMatching(/--max-connections needs a number/)]);
  });

  it('RE-10 a proxy without memory answers 503 overloaded, its pages go on, and its neighbours serve', async () => {
    await using mesh = await meshWith(['--max-memory', '1']);
    const answer = await http(mesh.gateway).catch((error: unknown) => String(error));
    // Far above: connections are reset.
    expect(answer).toMatch(/ECONNRESET|hang up/);
    expect(await statOf(mesh, GATEWAY, /^overload\.refusing\.active: /)).toBe(1);
    expect(await statOf(mesh, GATEWAY, /^listener\..*\.downstream_cx_overload_reject: /)).toBeGreaterThan(0);
    expect(readFileSync(join(mesh.state, 'logs', `${GATEWAY}.weft-system.proxy.log`), 'utf8')).toMatch(
      /overloaded: too much memory/,
    );
  });
});

describe('RE-10 an error that nobody expected', () => {
  it('RE-10 ends the process after it was logged; the parent starts another, which serves', async () => {
    await using dir = await tempDir();
    const planted = join(dir.path, 'planted.mjs');
    writeFileSync(
      planted,
      "process.on('SIGUSR2', () => setImmediate(() => { throw new Error('planted by a test'); }));",
    );
    await using mesh = await startMesh({ env: { NODE_OPTIONS: `--import=${pathToFileURL(planted).href}` } });
    await startEcho(mesh, { service: 'echo', version: 'v1', name: 'echo' });
    await mesh.apply(EDGE);
    await mesh.synced();
    expect((await http(mesh.gateway)).status).toBe(200);
    const pid = await proxyPid(mesh, GATEWAY);
    process.kill(pid, 'SIGUSR2');
    await waitFor(async () => ![0, pid].includes(await proxyPid(mesh, GATEWAY)), { what: 'another process' });
    // Its socket was there all the time.
    expect((await http(mesh.gateway)).status).toBe(200);
    const log = readFileSync(join(mesh.state, 'logs', `${GATEWAY}.weft-system.proxy.log`), 'utf8');
    expect(log).toMatch(/planted by a test[^]*unexpected error|unexpected error[^]*planted by a test/);
    expect(readFileSync(join(mesh.state, 'logs', 'supervisor.log'), 'utf8')).toMatch(/"code":1\b|code=1\b/);
  });
});
