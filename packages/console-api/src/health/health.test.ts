import type { RegisteredWorkload } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import type { ProxyRecord } from '../ports.ts';
import type { CallStats } from '../views/calls.ts';
import { edgeHealth, proxyHealth, serviceHealth, workloadHealth } from './health.ts';
import { mergeLatency, mtlsOf, quantile, tallyOf, trafficOf } from './traffic.ts';

function call(codes: Readonly<Record<string, number>>, more: Partial<CallStats> = {}): CallStats {
  const list = Object.entries(codes).map(([key, requests]) => {
    const [code = '', flag = '-', grpcStatus = ''] = key.split('|');
    return { code, flag, grpcStatus, requests };
  });
  const requests = list.reduce((sum, item) => sum + item.requests, 0);
  return {
    source: { namespace: 'default', workload: 'a' },
    destination: { namespace: 'default', workload: 'b' },
    protocol: 'http',
    requests,
    errors: 0,
    codes: list,
    security: { mutualTls: requests, plaintext: 0 },
    bytesPerSecond: 0,
    ...more,
  };
}
const tally = (codes: Readonly<Record<string, number>>) => tallyOf([call(codes)]);
const NONE = tallyOf([]);

describe('request health', () => {
  it.each([
    [{ '200': 1000 }, 'healthy'],
    [{ '200': 999, '500': 1 }, 'degraded'],
    [{ '200': 91, '503': 9 }, 'degraded'],
    [{ '200': 90, '503': 10 }, 'failure'],
    [{ '200': 91, '404': 9 }, 'healthy'],
    [{ '200': 89, '404': 11 }, 'degraded'],
    [{ '200': 80, '404': 20 }, 'failure'],
    [{ '200': 99, '0|DC': 1 }, 'degraded'],
    [{ '200|-|0': 80, '200|-|14': 20 }, 'failure'],
  ])('%j is %s', (codes, status) => expect(edgeHealth(tally(codes)).status).toBe(status));

  it('says the number and the limit', () => {
    expect(edgeHealth(tally({ '200': 88, '503': 12 })).why).toBe(
      '12 % of requests failed with 5xx (12 of 100); the limit is 10 %.',
    );
  });
  it('does not call a service broken over a handful of requests', () => {
    const health = edgeHealth(tally({ '200': 1, '500': 1 }));
    expect(health.status).toBe('healthy');
    expect(health.why).toContain('1 of 2 requests failed with 5xx; fewer than 10');
  });
  it('a failed TCP connection counts as no answer', () => {
    expect(edgeHealth(tally({ '': 50, '|UF': 50 })).status).toBe('failure');
  });
});

describe('service health', () => {
  it('is not ready without workloads when somebody calls it', () => {
    expect(serviceHealth({ ready: 0, total: 0 }, tally({ 200: 20 }), true).status).toBe('not-ready');
  });
  it('counts whole requests, also of a window that cuts one', () => {
    expect(edgeHealth(tally({ 500: 7, 200: 6.297 })).why).toContain('(7 of 13)');
  });
  it.each([
    [{ ready: 3, total: 3 }, 'healthy'],
    [{ ready: 2, total: 3 }, 'degraded'],
    [{ ready: 0, total: 3 }, 'failure'],
    [{ ready: 0, total: 0 }, 'unknown'],
  ] as const)('%j is %s', (endpoints, status) => expect(serviceHealth(endpoints, NONE, true).status).toBe(status));
  it('knows nothing of an outside service that nobody calls', () => {
    expect(serviceHealth({ ready: 0, total: 0 }, NONE, false).status).toBe('unknown');
  });
  it('names the worst first', () => {
    const { why, reasons } = serviceHealth({ ready: 2, total: 3 }, tally({ '500': 100 }), true);
    expect(why).toContain('100 % of requests failed');
    expect(reasons.map(({ code }) => code)).toEqual(['server-errors', 'endpoints-missing']);
  });
});

const PROXY: ProxyRecord = { id: 'p', namespace: 'default', name: 'a', kind: 'sidecar', connected: true, sync: [] };
const sync = (state: 'synced' | 'stale' | 'not-sent' | 'rejected', sinceMs: number) => ({
  type: 'RDS',
  state,
  sinceMs,
});

describe('proxy health', () => {
  it('is healthy when all is confirmed, or was never needed', () => {
    const health = proxyHealth({ ...PROXY, sync: [sync('synced', 0), sync('not-sent', 0)] }, 60_000);
    expect(health.status).toBe('healthy');
  });
  it('forgives a lag of seconds and reports a longer one', () => {
    expect(proxyHealth({ ...PROXY, sync: [sync('stale', 55_000)] }, 60_000).status).toBe('healthy');
    const late = proxyHealth({ ...PROXY, sync: [sync('stale', 20_000)] }, 60_000);
    expect(late).toMatchObject({
      status: 'degraded',
      why: 'Its proxy has not confirmed RDS for 40 s; the limit is 10 s.',
    });
  });
  it('gives the reason of a rejection', () => {
    const rejected = { ...sync('rejected', 0), rejection: { message: 'weights add up to 0', at: 0 } };
    expect(proxyHealth({ ...PROXY, sync: [rejected] }, 1).why).toBe('Its proxy rejected RDS: weights add up to 0.');
  });
  it('says that a disconnected proxy goes on with what it has', () => {
    expect(proxyHealth({ ...PROXY, connected: false }, 1).why).toContain('last good configuration');
  });
});

describe('workload health', () => {
  const workload: RegisteredWorkload = {
    name: 'a',
    namespace: 'default',
    kind: 'sidecar',
    serviceAccount: 'a',
    labels: {},
    address: '127.66.2.1',
    ports: [],
    interception: { mode: 'redirect' },
    health: 'healthy',
    adminAddress: '127.66.2.1:15000',
    startedAt: 0,
  };
  const at = (health: RegisteredWorkload['health'], proxy: ProxyRecord | undefined = PROXY) =>
    workloadHealth({ ...workload, health }, proxy, NONE, NONE, 60_000).status;
  it('follows the process', () => {
    expect([at('healthy'), at('starting'), at('unhealthy'), at('draining')]).toEqual([
      'healthy',
      'not-ready',
      'failure',
      'not-ready',
    ]);
  });
  it('misses a proxy that never came', () => {
    expect(workloadHealth(workload, undefined, NONE, NONE, 60_000).status).toBe('degraded');
    expect(workloadHealth(workload, undefined, NONE, NONE, 1_000).status).toBe('healthy');
  });
  it('counts the calls that it makes too', () => {
    const health = workloadHealth(workload, PROXY, NONE, tally({ '503': 20 }), 60_000);
    expect(health.why).toContain('calls that it makes');
    expect(health.reasons[0]?.direction).toBe('outbound');
  });
});

describe('traffic', () => {
  it('interpolates quantiles inside a bucket', () => {
    const latency = { boundsMs: [10, 20, 40], counts: [0, 100, 0, 0] };
    expect(quantile(latency, 0.5)).toBe(15);
    expect(quantile({ boundsMs: [10], counts: [0, 5] }, 0.99)).toBe(10);
    expect(quantile({ boundsMs: [10], counts: [0, 0] }, 0.5)).toBe(0);
  });
  it('does not mix histograms of different bounds', () => {
    const merged = mergeLatency([
      { boundsMs: [1, 2], counts: [1, 2, 3] },
      { boundsMs: [1, 2], counts: [1, 1, 1] },
      { boundsMs: [5], counts: [9, 9] },
    ]);
    expect(merged?.counts).toEqual([2, 3, 4]);
  });
  it('has no latency where nothing was observed', () => {
    expect(trafficOf(NONE, 60_000)).toEqual({ requestsPerSecond: 0, requests: 0, errorPercent: 0 });
  });
  it('tells mutual TLS from mixed and plaintext, and from not known', () => {
    const of = (mutualTls: number, plaintext: number) =>
      mtlsOf(tallyOf([call({ '200': 4 }, { security: { mutualTls, plaintext } })])).mtls;
    expect([of(4, 0), of(3, 1), of(0, 4), of(0, 0)]).toEqual(['mutual', 'mixed', 'plaintext', 'unknown']);
  });
});
