import { silentLogger } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Span_Kind } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { DEFAULT_OPTIONS } from '../options.ts';
import { edge, FakeProxy, logEntry, span } from '../testing/fake-proxy.ts';
import { openTelemetryStore } from '../store/telemetry-store.ts';
import { percentiles, quantile } from './percentiles.ts';
import { createQueries } from './telemetry-queries.ts';

const START = 1_000_000_000;

function setup() {
  const clock = new FakeClock(START);
  const store = openTelemetryStore({ dir: undefined, clock, logger: silentLogger, options: DEFAULT_OPTIONS.store });
  const queries = createQueries({ store, clock, connected: () => new Set() });
  const send = (proxy: FakeProxy, more: Parameters<FakeProxy['report']>[1] = {}): void =>
    store.accept(store.session(proxy.hello), proxy.report(clock.now(), more));
  return { clock, store, queries, send };
}

const caller = () => new FakeProxy({ startMs: START });
const callee = () =>
  new FakeProxy({
    proxy: 'sidecar~127.1.3.1~reviews-v1.default~default.svc.cluster.local',
    workload: 'reviews-v1',
    service: 'reviews',
    startMs: START,
  });

describe('rates', () => {
  it('shows each edge from both sides, each request once among the preferred', () => {
    const { clock, queries, send } = setup();
    const [client, server] = [caller(), callee()];
    for (let second = 0; second < 20; second += 1) {
      clock.advance(1000);
      client.request(edge({}), 3, 9);
      client.request(edge({ response_code: '503', response_flags: 'URX' }), 30, 1);
      server.request(edge({ reporter: 'destination' }), 3, 9);
      send(client);
      send(server);
    }
    const rates = queries.rates({ windowMs: 10_000 });
    expect(rates.map((rate) => [rate.reporter, rate.preferred])).toEqual([
      ['source', true],
      ['destination', false],
    ]);
    const [source, destination] = rates;
    expect(source).toMatchObject({
      source: { namespace: 'default', name: 'productpage-v1' },
      destination: { namespace: 'default', name: 'reviews-v1' },
      service: { name: 'reviews', host: 'reviews.default.svc.cluster.local' },
      protocol: 'http',
      errorRate: 0.1,
    });
    expect(source?.requestsPerSecond).toBeCloseTo(10, 9);
    expect(source?.codes.map((code) => [code.responseCode, code.responseFlags])).toEqual([
      ['200', '-'],
      ['503', 'URX'],
    ]);
    expect(source?.latencyMs?.p50).toBeGreaterThan(1);
    expect(source?.latencyMs?.p50).toBeLessThan(5);
    expect(source?.latencyMs?.p99).toBeGreaterThan(10);
    expect(source?.security).toEqual(destination?.security);
    expect(source?.security.mutualTls).toBe(destination?.requests);
    expect(destination?.errors).toBe(0);
  });

  it('prefers the callee where the caller is not in the mesh', () => {
    const { queries, send } = setup();
    const server = callee();
    server.request(
      edge({ reporter: 'destination', source_workload: 'unknown', connection_security_policy: 'none' }),
      3,
      4,
    );
    send(server);
    expect(queries.rates({ windowMs: 60_000 })).toMatchObject([
      { preferred: true, requests: 4, security: { mutualTls: 0, plaintext: 4 } },
    ]);
    expect(queries.signals({ service: { name: 'reviews', namespace: 'default' } }, { windowMs: 60_000 }).requests).toBe(
      4,
    );
  });

  it('forgets what left the window, but not the totals', () => {
    const { clock, queries, send } = setup();
    const client = caller();
    client.request(edge({}), 3, 5);
    send(client);
    clock.advance(120_000);
    expect(queries.rates({ windowMs: 60_000 })).toEqual([]);
    expect(queries.rates({ windowMs: 300_000 })[0]?.requests).toBe(5);
    clock.advance(3_600_000);
    expect(queries.rates({ windowMs: 2 * 3_600_000 })[0]?.requests).toBe(5);
    expect(queries.totals({ by: ['response_code'] })).toEqual([{ labels: { response_code: '200' }, value: 5 }]);
  });

  it('spreads evenly what was counted while the receiver was away', () => {
    const { clock, queries, send } = setup();
    const client = caller();
    client.request(edge({}), 3, 1);
    send(client);
    clock.advance(60_000);
    client.request(edge({}), 3, 600);
    send(client);
    const rate = queries.rates({ windowMs: 10_000 })[0]?.requestsPerSecond ?? 0;
    expect(rate).toBeGreaterThan(9);
    expect(rate).toBeLessThan(11);
    expect(queries.totals({ by: [] })[0]?.value).toBe(601);
  });

  it('is per second of what was measured, while the mesh is younger than the window', () => {
    const { clock, queries, send } = setup();
    const client = caller();
    const later = (ms: number, requests: number): void => {
      clock.advance(ms);
      client.request(edge({}), 3, requests);
      send(client);
    };
    const perSecond = () => queries.rates({ windowMs: 60_000 })[0]?.requestsPerSecond;
    expect(queries.covered({ windowMs: 60_000 })).toBe(60_000);
    later(500, 5);
    // A moment is no time to divide by.
    expect([queries.covered({ windowMs: 60_000 }), perSecond()]).toEqual([2_000, 2.5]);
    for (let ms = 1_000; ms < 20_000; ms += 1_000) later(1_000, 10);
    expect([queries.covered({ windowMs: 60_000 }), perSecond()]).toEqual([19_500, 10]);
    expect(queries.signals({ service: { name: 'reviews', namespace: 'default' } }, { windowMs: 60_000 })).toMatchObject(
      { requests: 195, requestsPerSecond: 10, codes: [{ requestsPerSecond: 10 }] },
    );
    expect(queries.covered({ windowMs: 10_000 })).toBe(10_000);
    for (let ms = 0; ms < 60_000; ms += 1_000) later(1_000, 10);
    expect(queries.covered({ windowMs: 60_000 })).toBe(60_000);
    expect(perSecond()).toBeCloseTo(10, 0);
  });

  it('a mesh that begins again counts from there: nobody measured what was between', () => {
    const { clock, queries, send } = setup();
    const before = caller();
    before.request(edge({}), 3, 600);
    send(before);
    clock.advance(3_600_000);
    const after = new FakeProxy({ startId: 'start-000002', startMs: clock.now() });
    for (let second = 0; second < 10; second += 1) {
      clock.advance(1_000);
      after.request(edge({}), 3, 7);
      send(after);
    }
    expect(queries.covered({ windowMs: 60_000 })).toBe(10_000);
    expect(queries.rates({ windowMs: 60_000 })[0]?.requestsPerSecond).toBe(7);
  });

  it('equals the counters, whatever was counted', () => {
    const codes = fc.constantFrom('200', '404', '500', '503', '0');
    const sides = fc.constantFrom('source', 'destination');
    fc.assert(
      fc.property(fc.array(fc.tuple(codes, sides, fc.nat(100), fc.nat(5000)), { maxLength: 40 }), (list) => {
        const { clock, queries, send } = setup();
        const proxies = { source: caller(), destination: callee() };
        for (const [code, reporter, times, advance] of list) {
          clock.advance(advance);
          if (times > 0) proxies[reporter as 'source'].request(edge({ reporter, response_code: code }), 3, times);
          send(proxies[reporter as 'source']);
        }
        const counted = queries.totals({ by: ['reporter'] });
        for (const rate of queries.rates({ windowMs: 14 * 60_000 })) {
          const total = counted.find(({ labels }) => labels['reporter'] === rate.reporter);
          expect(rate.requests).toBeCloseTo(total?.value ?? 0, 6);
          const latency = rate.latency?.counts.reduce((sum, count) => sum + count, 0);
          // Buckets are kept in 24 bits of precision.
          expect(Math.abs((latency ?? 0) - rate.requests)).toBeLessThan(0.01);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('charts', () => {
  it('gives evenly spaced points that add up', () => {
    const { clock, queries, send } = setup();
    const client = caller();
    for (let i = 0; i < 60; i += 1) {
      clock.advance(1000);
      client.request(edge({ response_code: i < 30 ? '200' : '500' }), 3, 4);
      send(client);
    }
    const query = {
      subject: { service: { name: 'reviews', namespace: 'default' } },
      fromMs: START,
      toMs: START + 60_000,
      stepMs: 10_000,
    };
    const [requests] = queries.series({ ...query, metric: 'requests' });
    expect(requests?.stepMs).toBe(10_000);
    expect(requests?.points).toHaveLength(6);
    expect((requests?.points ?? []).reduce((sum, value) => sum + value * 10, 0)).toBe(4 * 60);
    const [errors] = queries.series({ ...query, metric: 'errors' });
    expect(errors?.points[0]).toBe(0);
    expect(errors?.points[4]).toBe(4);
    expect(queries.series({ ...query, metric: 'latency' }).map((series) => series.name)).toEqual(['p50', 'p95', 'p99']);
    const trend = queries.trends({ of: 'workload', fromMs: START, toMs: START + 60_000, steps: 6 });
    expect(trend.get('default/reviews-v1')).toEqual(requests?.points);
    // 24 steps of a minute do not fit slots of 2 s: they are widened, and none lies in the future.
    const wide = queries.trends({ of: 'workload', fromMs: START, toMs: START + 60_000, steps: 24 });
    expect(wide.get('default/reviews-v1')).toHaveLength(24);
    expect(wide.get('default/reviews-v1')?.at(-1)).toBe(4);
  });
});

describe('quantile', () => {
  it('lies inside the bucket of its rank and rises with the share', () => {
    const bounds = [1, 5, 10, 50];
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 5, maxLength: 5 }), (counts) => {
        const values = [0.1, 0.5, 0.9, 0.99].map((share) => quantile(share, bounds, counts));
        expect(values.toSorted((a, b) => a - b)).toEqual(values);
        expect(Math.max(...values)).toBeLessThanOrEqual(50);
      }),
    );
    expect(quantile(0.5, bounds, [0, 10, 0, 0, 0])).toBe(3);
    expect(quantile(0.99, bounds, [0, 0, 0, 0, 7])).toBe(50);
    expect(percentiles(bounds, [0, 0, 0, 0, 0])).toBeUndefined();
  });
});

describe('traces', () => {
  const ids = ['1', '2', '3', '4'].map((digit) => digit.repeat(16));
  const [a, b, c, d] = ids as [string, string, string, string];

  it('makes a tree', () => {
    const { queries, send } = setup();
    send(caller(), {
      spans: [
        span({ spanId: a, kind: Span_Kind.CLIENT, service: 'gateway', startMs: START, durationMs: 50 }),
        span({
          spanId: c,
          parentId: b,
          kind: Span_Kind.CLIENT,
          service: 'productpage',
          startMs: START + 10,
          durationMs: 20,
        }),
      ],
    });
    send(callee(), {
      spans: [
        span({
          spanId: b,
          parentId: a,
          kind: Span_Kind.SERVER,
          service: 'productpage',
          startMs: START + 1,
          durationMs: 48,
        }),
        // B3: the server's span has the caller's id.
        span({ spanId: c, parentId: b, kind: Span_Kind.SERVER, startMs: START + 11, durationMs: 18, error: true }),
        span({ spanId: d, parentId: c, kind: Span_Kind.CLIENT, startMs: START + 12, durationMs: 5 }),
      ],
    });
    const trace = queries.trace(span().traceId);
    const shape = (node: { span: { kind: string; service: string }; children: readonly unknown[] }): unknown => [
      `${node.span.service}/${node.span.kind}`,
      ...(node.children as (typeof node)[]).map(shape),
    ];
    expect(trace?.roots.map(shape)).toEqual([
      ['gateway/client', ['productpage/server', ['productpage/client', ['reviews/server', ['reviews/client']]]]],
    ]);
    expect(trace).toMatchObject({ spans: 5, errors: 1, durationMs: 50, rootService: 'gateway' });
  });

  it('finds by service, time, duration and failure', () => {
    const { queries, send } = setup();
    const proxy = caller();
    const spans = Array.from({ length: 30 }, (_, i) =>
      span({
        traceId: String(i).padStart(32, '0'),
        startMs: START + i,
        durationMs: i,
        error: i % 10 === 0,
        service: i % 2 === 0 ? 'even' : 'odd',
      }),
    );
    send(proxy, { spans });
    expect(queries.traces().traces).toHaveLength(20);
    expect(queries.traces({ limit: 3 }).traces.map((trace) => trace.startMs)).toEqual([
      START + 29,
      START + 28,
      START + 27,
    ]);
    expect(queries.traces({ error: true }).total).toBe(3);
    expect(queries.traces({ service: 'odd', minDurationMs: 20 }).total).toBe(5);
    expect(queries.traces({ sinceMs: START + 28 }).total).toBe(2);
    expect(queries.traces({ workload: 'nobody' }).total).toBe(0);
    expect(queries.trace('f'.repeat(32))).toBeUndefined();
  });

  it('keeps a bounded number of spans', () => {
    const clock = new FakeClock(START);
    const options = { ...DEFAULT_OPTIONS.store, maxSpans: 10 };
    const store = openTelemetryStore({ dir: undefined, clock, logger: silentLogger, options });
    const proxy = caller();
    for (let i = 0; i < 100; i += 1) {
      const traceId = String(Math.floor(i / 3)).padStart(32, '0');
      store.accept(
        store.session(proxy.hello),
        proxy.report(START, { spans: [span({ traceId, spanId: String(i).padStart(16, '0') })] }),
      );
    }
    const queries = createQueries({ store, clock, connected: () => new Set() });
    expect(store.spans.size).toBe(10);
    expect(queries.traces({ limit: 100 }).traces.reduce((sum, trace) => sum + trace.spans, 0)).toBe(10);
  });
});

describe('logs', () => {
  it('filters, pages and follows', () => {
    const { queries, send } = setup();
    const proxy = caller();
    send(proxy, {
      logs: [
        logEntry({ path: '/a', status: 200 }),
        logEntry({ path: '/b', status: 503, flags: 'UF,URX', reason: 'no-healthy-upstream' }),
        logEntry({ path: '/C', status: 404 }),
      ],
    });
    expect(queries.logs().entries.map((entry) => entry.path)).toEqual(['/C', '/b', '/a']);
    expect(queries.logs({ limit: 2 })).toMatchObject({ more: true, entries: [{ path: '/C' }, { path: '/b' }] });
    expect(queries.logs({ flag: 'URX' }).entries).toHaveLength(1);
    expect(queries.logs({ reason: 'no-healthy-upstream', workload: 'productpage-v1' }).entries).toHaveLength(1);
    expect(queries.logs({ minStatus: 400, maxStatus: 499 }).entries).toHaveLength(1);
    expect(queries.logs({ text: 'c' }).entries).toHaveLength(1);
    expect(queries.logs({ after: 1 }).entries.map((entry) => entry.path)).toEqual(['/b', '/C']);
    expect(queries.logs({ namespace: 'other' }).entries).toHaveLength(0);
  });
});

it('tells listeners once per turn', async () => {
  const { queries, send } = setup();
  let calls = 0;
  const stop = queries.onChange(() => (calls += 1));
  const proxy = caller();
  proxy.request(edge({}), 1);
  send(proxy);
  send(proxy);
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toBe(1);
  stop();
  send(proxy);
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toBe(1);
});
