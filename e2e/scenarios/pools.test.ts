/** Connection pools and circuit breakers as DestinationRules set them: how many connections, requests and retries there are. */
import { spawnSync } from 'node:child_process';
import { connect as connectHttp2 } from 'node:http2';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, http, keepAlive } from '../harness/http.ts';
import { counterSum, scrape, stats } from '../harness/metrics.ts';
import { startMesh, type SupervisorWorkload, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

let mesh: TestMesh;
let caller: SupervisorWorkload;
let target: SupervisorWorkload;
let door: string;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  await startEcho(mesh, { service: 'target', version: 'v1' });
  caller = await mesh.workload('caller-v1');
  target = await mesh.workload('target-v1');
  door = await mesh.outbound('caller-v1', 'target', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());
beforeEach(async () => {
  await mesh.delete('destinationrule/target');
  await mesh.delete('virtualservice/target');
});

/** @param pool the `connectionPool` in YAML's flow form. */
const withPool = (pool: string): Promise<void> =>
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: target }
spec: { host: target, trafficPolicy: { connectionPool: ${pool} } }
`);

const calls = (count: number, query: string): Promise<Answer[]> =>
  Promise.all(Array.from({ length: count }, () => http(`${door}/${query}`)));
const statuses = (answers: readonly Answer[]): Record<number, number> => {
  const counted: Record<number, number> = {};
  for (const { status } of answers) counted[status] = (counted[status] ?? 0) + 1;
  return counted;
};

/** A figure of the caller's connections to `target`, from its proxy's own page. */
async function figure(name: string): Promise<number> {
  const { body } = await http(`http://${caller.adminAddress}/clusters`);
  return body
    .split('\n')
    .filter((line) => line.startsWith('outbound|8000||target.') && line.includes(`::${name}::`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(':') + 1)), 0);
}
/** How many connections were made meanwhile. */
async function connectionsOf<T>(run: () => Promise<T>): Promise<readonly [number, T]> {
  const before = await figure('cx_total');
  const result = await run();
  return [(await figure('cx_total')) - before, result];
}

describe('RE-05 circuit breakers', () => {
  it('RE-05 connections: more requests than connections wait, and all are answered', async () => {
    await withPool('{ tcp: { maxConnections: 2 } }');
    const [made, answers] = await connectionsOf(() => calls(20, '?delay=50'));
    expect(statuses(answers)).toEqual({ 200: 20 });
    expect(await figure('cx_active')).toBeLessThanOrEqual(2);
    expect(made).toBeLessThanOrEqual(2);
    await withPool('{ tcp: { maxConnections: 1000 } }');
    const [many] = await connectionsOf(() => calls(20, '?delay=300'));
    expect(many).toBeGreaterThan(10);
  });

  it('RE-05 pending: what is more than may wait is refused at once, and says why', async () => {
    await withPool('{ tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 2 } }');
    // Who waits for a connection to be made waits, too.
    expect(statuses(await calls(1, ''))).toEqual({ 200: 1 });
    const answers = await calls(10, '?delay=400');
    expect(statuses(answers)).toEqual({ 200: 3, 503: 7 });
    const servedMs = Math.max(...answers.filter(({ status }) => status === 200).map(({ ms }) => ms));
    for (const answer of answers.filter(({ status }) => status === 503)) {
      expect(answer.headers).toMatchObject({ 'x-weft-reason': 'upstream-overflow', 'x-envoy-overloaded': 'true' });
      expect(answer.ms).toBeLessThan(servedMs);
    }
    expect(statuses(await calls(1, ''))).toEqual({ 200: 1 });
    expect(await stats(caller.adminAddress)).toContain(
      'target.default.svc.cluster.local.upstream_rq_pending_overflow: 7\n',
    );
    const page = await scrape(caller.adminAddress);
    expect(counterSum(page, /^istio_requests_total\{.*response_code="503".*response_flags="UO"/)).toBe(7);
  });

  it('RE-05 requests: no more at one time than the rule says, over either protocol', async () => {
    for (const more of ['', ', h2UpgradePolicy: UPGRADE']) {
      await withPool(`{ http: { http2MaxRequests: 3${more} } }`);
      expect(statuses(await calls(10, '?delay=400'))).toEqual({ 200: 3, 503: 7 });
      expect(statuses(await calls(3, '?delay=50'))).toEqual({ 200: 3 });
    }
  });

  it('RE-05 retries: no more at one time than the rule says', async () => {
    await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: target }
spec:
  hosts: [target]
  http:
    - retries: { attempts: 3, retryOn: 5xx, perTryTimeout: 10s }
      route: [{ destination: { host: target } }]
`);
    const seen = async (): Promise<number> => JSON.parse((await http(`${door}/`)).body).calls as number;
    const during = async (): Promise<number> => {
      const before = await seen();
      expect(statuses(await calls(10, '?status=503&delay=300'))).toEqual({ 503: 10 });
      return (await seen()) - before - 1;
    };
    expect(await during()).toBe(40);
    await withPool('{ http: { maxRetries: 1 } }');
    const limited = await during();
    expect(limited).toBeGreaterThan(10);
    expect(limited).toBeLessThan(20);
  });
});

describe('RE-08 connection pools', () => {
  it('RE-08 maxRequestsPerConnection', async () => {
    const agent = keepAlive(1);
    const five = async (): Promise<void> => {
      for (let i = 0; i < 5; i += 1) expect((await http(`${door}/`, { agent })).status).toBe(200);
    };
    await five();
    expect((await connectionsOf(five))[0]).toBe(0);
    for (const more of ['', ', h2UpgradePolicy: UPGRADE']) {
      await withPool(`{ http: { maxRequestsPerConnection: 1${more} } }`);
      expect((await connectionsOf(five))[0]).toBeGreaterThanOrEqual(5);
    }
    agent.destroy();
  });

  it('RE-08 idleTimeout ends what nobody uses', async () => {
    for (const more of ['', ', h2UpgradePolicy: UPGRADE']) {
      await withPool(`{ http: { idleTimeout: 1s${more} } }`);
      expect(statuses(await calls(3, '?delay=100'))).toEqual({ 200: 3 });
      await waitFor(async () => (await figure('cx_active')) === 0, { timeoutMs: 20_000, what: 'no connection left' });
      expect(statuses(await calls(1, ''))).toEqual({ 200: 1 });
    }
  });

  it('RE-08 maxConnectionDuration changes connections under steady use, and no request notices', async () => {
    await withPool('{ tcp: { maxConnectionDuration: 1s } }');
    const agent = keepAlive(1);
    const [made] = await connectionsOf(async () => {
      const endMs = performance.now() + 4_000;
      while (performance.now() < endMs) expect((await http(`${door}/`, { agent })).status).toBe(200);
    });
    agent.destroy();
    expect(made).toBeGreaterThanOrEqual(2);
  });

  it('RE-08 h2UpgradePolicy: many requests share a connection, as many as maxConcurrentStreams says', async () => {
    await withPool('{ http: { h2UpgradePolicy: UPGRADE } }');
    const [one, answers] = await connectionsOf(() => calls(40, '?delay=200'));
    expect(statuses(answers)).toEqual({ 200: 40 });
    expect(one).toBe(1);
    await withPool('{ http: { h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 10 } }');
    const [several, others] = await connectionsOf(() => calls(40, '?delay=200'));
    expect(statuses(others)).toEqual({ 200: 40 });
    expect(several).toBeGreaterThanOrEqual(3);
    expect(several).toBeLessThanOrEqual(5);
    // The application itself speaks HTTP/1.1, and gets it.
    expect((await http(`${door}/`)).status).toBe(200);
  });

  it('RE-08 useClientProtocol: what comes by HTTP/2 goes on by HTTP/2, what comes by HTTP/1.1 by HTTP/1.1', async () => {
    // With a limit of connections HTTP/1.1 is not carried in HTTP/2 between the sidecars.
    await withPool('{ tcp: { maxConnections: 1000 }, http: { useClientProtocol: true } }');
    const [forOne] = await connectionsOf(() => calls(20, '?delay=200'));
    expect(forOne).toBeGreaterThan(5);
    const session = connectHttp2(door);
    const [forTwo] = await connectionsOf(() =>
      Promise.all(
        Array.from(
          { length: 20 },
          () =>
            new Promise<void>((resolve, reject) => {
              const stream = session.request({ ':path': '/?delay=200' });
              stream.on('close', () => resolve());
              stream.on('error', reject);
              stream.resume();
            }),
        ),
      ),
    );
    session.close();
    expect(forTwo).toBe(1);
  });

  it('RE-08 http2KeepAlive reaches the proxy, and a peer that answers is kept', async () => {
    await withPool('{ http: { h2UpgradePolicy: UPGRADE, http2KeepAlive: { interval: 1s, timeout: 1s } } }');
    expect((await http(`http://${caller.adminAddress}/config_dump`)).body).toContain('"connection_keepalive"');
    const [made] = await connectionsOf(async () => {
      for (let i = 0; i < 4; i += 1) {
        expect(statuses(await calls(1, ''))).toEqual({ 200: 1 });
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    });
    expect(made).toBe(1);
  });

  it('RE-10 a peer that fell silent without a word is given up by http2KeepAlive, and who waits for it hears so', async () => {
    await withPool('{ http: { h2UpgradePolicy: UPGRADE, http2KeepAlive: { interval: 1s, timeout: 1s } } }');
    expect(statuses(await calls(1, ''))).toEqual({ 200: 1 });
    const pid = (await mesh.workload('target-v1')).processes?.proxy ?? 0;
    process.kill(pid, 'SIGSTOP');
    try {
      // Its kernel goes on to acknowledge what comes: nothing but the missing answer tells.
      const answer = await http(`${door}/`, { method: 'POST', body: 'x', timeoutMs: 60_000 });
      expect([answer.status, answer.headers['x-weft-reason']]).toEqual([503, 'upstream-closed']);
      expect(await stats(caller.adminAddress)).toMatch(/^.*http2\.keepalive_timeout: [1-9]/m);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await waitFor(async () => (await http(`${door}/`)).status === 200, { timeoutMs: 30_000, what: 'the peer again' });
  });

  it('RE-08 tcpKeepalive', async () => {
    const sockets = (): string =>
      spawnSync('ss', ['-tnoH', 'state', 'established', 'dst', `${target.address}:8000`], { encoding: 'utf8' }).stdout;
    await withPool('{ tcp: { tcpKeepalive: { time: 77s, interval: 5s, probes: 3 } } }');
    await http(`${door}/`);
    await waitFor(() => /timer:\(keepalive,1min1[0-7]sec,0\)/.test(sockets()), {
      timeoutMs: 10_000,
      what: 'a keepalive timer of 77 s',
    });
    await mesh.delete('destinationrule/target');
  });
});
