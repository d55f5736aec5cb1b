/** Proxies that are replaced, drained and cut: what clients notice of it. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, http } from '../harness/http.ts';
import { meshWithEdge } from '../harness/long-run.ts';
import { stats } from '../harness/metrics.ts';
import { startMix } from '../harness/mix.ts';
import type { TestMesh } from '../harness/mesh.ts';
import { processesWith } from '../harness/processes.ts';

const DRAIN_S = 6;
const ROUNDS = 10;

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await meshWithEdge([]);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

const pidOf = async (name: string): Promise<number> => (await mesh.workload(name)).processes?.proxy ?? 0;
const logOf = (name: string, namespace = 'default'): string =>
  readFileSync(join(mesh.state, 'logs', `${name}.${namespace}.proxy.log`), 'utf8');

interface Restarted {
  readonly pid: number;
  readonly formerPid: number;
  readonly cutConnections?: number;
}
async function restart(args: readonly string[]): Promise<Restarted> {
  const { code, stdout, stderr } = await mesh.weft(['restart', '-o', 'json', ...args]);
  expect([code, stderr]).toEqual([0, '']);
  const [first] = JSON.parse(stdout) as Restarted[];
  if (first === undefined) throw new Error(`nothing was restarted: ${stdout}`);
  return first;
}

describe('RE-09 drain and replacement', () => {
  it(`RE-09 ${ROUNDS} replacements under every kind of connection: nothing fails, and WebSockets live to the deadline`, async () => {
    const [echo, wire] = [await mesh.outbound('client', 'echo', 8000), await mesh.outbound('client', 'wire', 8001)];
    const mix = startMix({
      urls: [echo, mesh.gateway],
      h2Urls: [echo, mesh.gateway],
      webSocketUrls: [wire, mesh.gateway],
      clientsOfEachKind: 2,
      everyMs: 60,
    });
    const began: number[] = [];
    const pids = new Set<number>();
    const turns = [['echo'], ['client'], ['weft-gateway', '-n', 'weft-system'], ['wire']];
    for (let round = 0; round < ROUNDS; round += 1) {
      began.push(Date.now());
      const { pid, formerPid } = await restart([...(turns[round % turns.length] ?? []), '--drain', String(DRAIN_S)]);
      expect(pid).not.toBe(formerPid);
      pids.add(pid);
    }
    const { calls, failed, webSockets } = await mix.stop();
    expect(failed).toEqual([]);
    expect(pids.size).toBe(ROUNDS);
    for (const [kind, count] of Object.entries(calls)) if (kind !== 'unsent') expect(count, kind).toBeGreaterThan(50);
    expect(webSockets.length).toBeGreaterThan(0);
    for (const { openedMs, closedMs } of webSockets) {
      const first = began.find((ms) => ms > openedMs - 5_000) ?? 0;
      expect(closedMs - first).toBeGreaterThanOrEqual(DRAIN_S * 1000);
    }
  }, 240_000);

  it('RE-09 an idle connection is kept until it is used, its answer says close, and a new one is served by the new process', async () => {
    const { hostname, port } = new URL(await mesh.outbound('client', 'echo', 8000));
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    let ended = false;
    socket.on('data', (data) => (text += data.toString('latin1')));
    socket.on('end', () => (ended = true));
    const get = 'GET / HTTP/1.1\r\nHost: echo\r\n\r\n';
    socket.write(get);
    await waitFor(() => text.includes('"calls"'), { what: 'the first answer' });
    expect(text.toLowerCase()).not.toContain('connection: close');
    const { formerPid, pid } = await restart(['client', '--drain', '20']);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect([ended, await pidOf('client')]).toEqual([false, pid]);
    text = '';
    socket.write(get);
    await waitFor(() => ended, { what: 'the end of the connection' });
    expect(text).toMatch(/^HTTP\/1.1 200 [^]*connection: close[^]*"calls"/i);
    await waitFor(() => !alive(formerPid), {
      timeoutMs: 20_000,
      what: 'the former process to end, long before its deadline',
    });
  });

  it('RE-09 what the deadline cuts is told: by the command, in the log and by a counter', async () => {
    const { hostname, port } = new URL(await mesh.outbound('client', 'wire', 8001));
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    let closed = false;
    socket.on('data', (data) => (text += data.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => (closed = true));
    socket.write('GET /ws HTTP/1.1\r\nHost: wire\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await waitFor(() => text.includes('welcome'), { what: 'the tunnel' });
    const echo = await mesh.outbound('client', 'echo', 8000);
    const slow = http(`${echo}/?delay=60000`);
    const { adminAddress: clusters } = await mesh.workload('client');
    await waitFor(
      async () => /^outbound\|8000\|\|echo\..*::rq_active::1$/m.test((await http(`http://${clusters}/clusters`)).body),
      { what: 'the slow request to be on its way' },
    );
    const beganMs = Date.now();
    const { cutConnections, formerPid } = await restart(['client', '--drain', '3', '--wait']);
    expect(cutConnections).toBe(2);
    await waitFor(() => closed, { what: 'the end of the tunnel' });
    expect(Date.now() - beganMs).toBeGreaterThanOrEqual(3_000);
    const answer = await slow;
    expect([answer.status, answer.headers['x-weft-reason'], answer.headers['connection']]).toEqual([
      503,
      'drain-deadline',
      'close',
    ]);
    expect(alive(formerPid)).toBe(false);
    expect(logOf('client')).toMatch(/connections were cut at the drain deadline/);
    const { adminAddress } = await mesh.workload('client');
    expect(await stats(adminAddress)).toMatch(/^server\.predecessor_cut_connections: 2$/m);
  });

  it('RE-09 listeners drain when the proxy is told so, by who may; a new process serves them again', async () => {
    const token = readFileSync(join(mesh.state, 'token'), 'utf8').trim();
    const wire = await mesh.outbound('client', 'wire', 8001);
    const { adminAddress } = await mesh.workload('wire');
    const before = await pidOf('wire');
    const drain = (query: string, headers: Record<string, string> = {}): Promise<Answer> =>
      http(`http://${adminAddress}/drain_listeners${query}`, { method: 'POST', headers });
    const authorization = `Bearer ${token}`;
    expect((await http(wire)).status).toBe(200);
    expect((await drain('?inboundonly')).status).toBe(401);
    expect((await drain('?inbound', { authorization })).status).toBe(400);
    expect((await http(wire)).status).toBe(200);
    expect((await drain('?inboundonly', { authorization })).status).toBe(200);
    await waitFor(async () => (await http(wire)).status === 503, { what: 'no more calls to be taken' });
    const ready = await http(`http://${adminAddress}/ready`);
    expect([ready.status, ready.body, await pidOf('wire')]).toEqual([503, expect.stringMatching(/^DRAINING/), before]);
    expect((await http(`http://${adminAddress}/listeners`)).body).toMatch(/::draining/);
    await restart(['wire', '--drain', '1']);
    await waitFor(async () => (await http(wire)).status === 200, { what: 'calls to be taken again' });
  });

  it('RE-09 a new process that dies before it is ready changes nothing, nor does a wrong name', async () => {
    const before = await pidOf('echo');
    const echo = await mesh.outbound('client', 'echo', 8000);
    const known = new Set(processesWith(mesh.state).map(({ pid }) => pid));
    const asked = mesh.weft(['restart', 'echo']);
    const successor = (): number | undefined =>
      processesWith(mesh.state).find(({ pid, command }) => !known.has(pid) && command.includes('--replace'))?.pid;
    await waitFor(() => successor() !== undefined, { everyMs: 5, what: 'the new process' });
    process.kill(successor() ?? 0, 'SIGKILL');
    const failed = await asked;
    expect([failed.code, failed.stderr]).toEqual([
      1,
      expect.stringMatching(/was not replaced: the new process ended with SIGKILL[\s\S]*the process before goes on/),
    ]);
    const wrong = await mesh.weft(['restart', 'nobody']);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/no workload nobody in namespace default/)]);
    const none = await mesh.weft(['restart']);
    expect([none.code, none.stderr]).toEqual([64, expect.stringMatching(/which workload\?/)]);
    const late = await mesh.weft(['restart', 'echo', '--drain', '9999']);
    expect([late.code, late.stderr]).toEqual([64, expect.stringMatching(/--drain needs seconds/)]);
    expect([await pidOf('echo'), (await http(echo)).status]).toEqual([before, 200]);
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
