import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReportRequest } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { type Logger, silentLogger } from '@weft/kit';
import { FakeClock, tempDir } from '@weft/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_OPTIONS } from '../options.ts';
import { exposition, totals } from '../queries/totals.ts';
import { MetricsStore, ReportRejectedError } from './metrics-store.ts';
import { edge, FakeProxy, logEntry, span } from '../testing/fake-proxy.ts';
import { openTelemetryStore, type TelemetryStore } from './telemetry-store.ts';

const START = 1_000_000;

function open(dir: string | undefined, clock = new FakeClock(START), logger: Logger = silentLogger): TelemetryStore {
  return openTelemetryStore({ dir, clock, logger, options: DEFAULT_OPTIONS.store });
}

function requests(store: TelemetryStore, match: Record<string, string> = {}): number {
  return totals(store.metrics.table, { match, by: [] })[0]?.value ?? 0;
}

const OK = edge({});

describe('counting', () => {
  it('takes differences of cumulative values', () => {
    const store = open(undefined);
    const proxy = new FakeProxy();
    const session = store.session(proxy.hello);
    proxy.request(OK, 3, 5);
    store.accept(session, proxy.report(START));
    proxy.request(OK, 3, 2);
    proxy.request(edge({ response_code: '503', response_flags: 'UH' }), 1);
    store.accept(session, proxy.report(START + 1000));
    expect(requests(store)).toBe(8);
    expect(requests(store, { response_code: '503' })).toBe(1);
    expect(totals(store.metrics.table, { metric: 'istio_request_duration_milliseconds', by: [] })[0]?.value).toBe(8);
  });

  it('counts a repeated message once, and a lost one with the next', () => {
    const store = open(undefined);
    const proxy = new FakeProxy();
    const session = store.session(proxy.hello);
    proxy.request(OK, 3, 5);
    const first = proxy.report(START, { spans: [span()], logs: [logEntry()] });
    store.accept(session, first);
    store.accept(session, first);
    expect([requests(store), store.spans.size, store.logs.size]).toEqual([5, 1, 1]);
    proxy.request(OK, 3, 1);
    proxy.report(START + 1000); // never arrives
    proxy.request(OK, 3, 1);
    store.accept(session, proxy.report(START + 2000));
    expect(requests(store)).toBe(7);
  });

  it('adds up proxies and processes', () => {
    const store = open(undefined);
    for (const startId of ['process-1', 'process-2']) {
      const proxy = new FakeProxy({ startId });
      proxy.request(OK, 1, 10);
      store.accept(store.session(proxy.hello), proxy.report(START));
    }
    expect(requests(store)).toBe(20);
  });

  it('never loses or doubles, however messages repeat, streams break and the store restarts', async () => {
    await using dir = await tempDir();
    let run = 0;
    const steps = fc.array(
      fc.oneof(
        fc.record({ do: fc.constant('send' as const), requests: fc.nat(5), lost: fc.boolean(), twice: fc.boolean() }),
        fc.constant({ do: 'reconnect' as const }),
        fc.constant({ do: 'kill' as const }),
        fc.constant({ do: 'close' as const }),
        fc.constant({ do: 'snapshot' as const }),
      ),
      { maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        run += 1;
        const path = join(dir.path, String(run));
        const clock = new FakeClock(START);
        let store = open(path, clock);
        const proxy = new FakeProxy();
        let session = store.session(proxy.helloMessage().hello ?? proxy.hello);
        const reopen = (): void => {
          store = open(path, clock);
          session = store.session(proxy.helloMessage().hello ?? proxy.hello);
        };
        let made = 0;
        let spans = 0;
        for (const step of list) {
          clock.advance(700);
          if (step.do === 'send') {
            if (step.requests > 0) proxy.request(OK, 3, step.requests);
            made += step.requests;
            const id = (spans + 1).toString(16).padStart(16, '0');
            const message = proxy.report(clock.now(), step.lost ? {} : { spans: [span({ spanId: id })] });
            if (step.lost) {
              // The stream broke: the next one starts over.
              session = store.session(proxy.helloMessage().hello ?? proxy.hello);
              continue;
            }
            spans += 1;
            store.accept(session, message);
            if (step.twice) store.accept(session, message);
          } else if (step.do === 'reconnect') {
            session = store.session(proxy.helloMessage().hello ?? proxy.hello);
          } else if (step.do === 'snapshot') {
            await store.snapshot();
          } else {
            if (step.do === 'close') await store.close();
            reopen(); // without close: as after kill -9
          }
        }
        store.accept(session, proxy.report(clock.now()));
        expect(requests(store)).toBe(made);
        expect(store.spans.size).toBe(spans);
        await store.close();
      }),
      { numRuns: 100 },
    );
  });

  it('refuses what breaks the contract, naming the field, and counts nothing of it', () => {
    const store = open(undefined);
    const proxy = new FakeProxy();
    const session = store.session(proxy.hello);
    proxy.request(OK, 3, 5);
    const good = proxy.report(START);
    const bad: readonly (readonly [ReportRequest, RegExp])[] = [
      [{ ...good, series: [] }, /counters\[0\]: series 1 is not defined/],
      [{ ...good, metrics: [] }, /series\[id 1\]\.metric: 1 is not defined/],
      [{ ...good, series: good.series.map((s) => ({ ...s, labelValues: ['a'] })) }, /label_values: has 1 values/],
      [{ ...good, metrics: good.metrics.map((m) => ({ ...m, name: 'a b' })) }, /metrics\[id 1\]\.name/],
      [{ ...good, histograms: good.histograms.map((h) => ({ ...h, buckets: [-1, 0, 0, 0, 0, 0] })) }, /not negative/],
      [{ ...good, histograms: good.histograms.map((h) => ({ ...h, buckets: [1] })) }, /does not fit/],
    ];
    for (const [report, message] of bad) {
      const fresh = open(undefined);
      const own = fresh.session(proxy.hello);
      expect(() => fresh.accept(own, report)).toThrow(message);
      expect(requests(fresh)).toBe(0);
    }
    store.accept(session, good);
    const other = {
      ...proxy.report(START + 1),
      series: [{ ...good.series[0], id: 1, metric: 1, labelValues: edge({ response_code: '404' }) }],
    };
    expect(() => store.accept(session, other as typeof good)).toThrow(ReportRejectedError);
  });

  it('is bounded in series', () => {
    const metrics = new MetricsStore(2);
    const proxy = new FakeProxy();
    for (const code of ['200', '404', '500']) proxy.request(edge({ response_code: code }), 1);
    metrics.apply(metrics.session(proxy.hello, START), proxy.report(START), START);
    expect(metrics.table.size).toBe(2);
    expect(metrics.table.refused).toBe(4);
  });
});

describe('restart', () => {
  async function filled(dir: string): Promise<FakeProxy> {
    const store = open(dir);
    const proxy = new FakeProxy();
    const session = store.session(proxy.hello);
    proxy.request(OK, 3, 5);
    store.accept(session, proxy.report(START, { spans: [span()], logs: [logEntry({ path: '/a' })] }));
    await store.snapshot();
    proxy.request(OK, 3, 4);
    store.accept(session, proxy.report(START + 1000, { logs: [logEntry({ path: '/b' })] }));
    return proxy;
  }

  it('finds everything again after a kill', async () => {
    await using dir = await tempDir();
    const proxy = await filled(dir.path);
    const store = open(dir.path, new FakeClock(START + 2000));
    expect([requests(store), store.spans.size]).toEqual([9, 1]);
    expect([...store.logs.newestFirst()].map((entry) => entry.path)).toEqual(['/b', '/a']);
    proxy.request(OK, 3, 1);
    const session = store.session(proxy.helloMessage().hello ?? proxy.hello);
    expect(session.batchSequence).toBe(2);
    store.accept(session, proxy.report(START + 3000));
    expect(requests(store)).toBe(10);
    await store.close();
  });

  it('uses what comes before a torn record', async () => {
    await using dir = await tempDir();
    await filled(dir.path);
    const journals = readdirSync(dir.path).filter((file) => file.startsWith('journal-'));
    const last = join(dir.path, journals.at(-1) ?? '');
    appendFileSync(last, Uint8Array.of(200, 0, 0, 0, 1, 2, 3));
    expect(requests(open(dir.path))).toBe(9);
    truncateSync(last, readFileSync(last).length - 20);
    expect(requests(open(dir.path))).toBe(5);
  });

  it('is usable however many bytes of a write arrived', async () => {
    await using dir = await tempDir();
    await filled(dir.path);
    const files = readdirSync(dir.path).filter((file) => file.endsWith('.log'));
    const whole = new Map(files.map((file) => [file, readFileSync(join(dir.path, file))]));
    for (const [file, data] of whole) {
      for (let length = 0; length < data.length; length += 13) {
        await using copy = await tempDir();
        for (const [name, content] of whole)
          writeFileSync(join(copy.path, name), name === file ? content.subarray(0, length) : content);
        writeFileSync(join(copy.path, 'metrics.snapshot'), readFileSync(join(dir.path, 'metrics.snapshot')));
        const store = open(copy.path);
        expect([5, 9]).toContain(requests(store));
        const proxy = new FakeProxy({ startId: 'another-process' });
        proxy.request(OK, 1, 3);
        const before = requests(store);
        store.accept(store.session(proxy.hello), proxy.report(START + 5000));
        expect(requests(store)).toBe(before + 3);
      }
    }
  });

  it('sets a damaged snapshot aside, says so, and begins empty', async () => {
    await using dir = await tempDir();
    await filled(dir.path);
    const path = join(dir.path, 'metrics.snapshot');
    const data = readFileSync(path);
    data[data.length - 3] = (data[data.length - 3] ?? 0) ^ 0xff;
    writeFileSync(path, data);
    const messages: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (fields, text) => void messages.push(`${text} ${JSON.stringify(fields)}`),
    };
    const store = open(dir.path, new FakeClock(START), logger);
    expect(requests(store)).toBe(0);
    expect(store.spans.size).toBe(1);
    expect(messages.join()).toMatch(/set aside.*checksum/);
    expect(readdirSync(dir.path).some((file) => file.startsWith('metrics.snapshot.unusable-'))).toBe(true);
    await store.close();
    expect(requests(open(dir.path))).toBe(0);
  });

  it('keeps a bounded number of files', async () => {
    await using dir = await tempDir();
    const clock = new FakeClock(START);
    const options = { ...DEFAULT_OPTIONS.store, maxBatchBytes: 6 * 64 * 1024, maxJournalBytes: 4096 };
    const store = openTelemetryStore({ dir: dir.path, clock, logger: silentLogger, options });
    const proxy = new FakeProxy();
    const session = store.session(proxy.hello);
    for (let i = 0; i < 300; i += 1) {
      proxy.request(OK, 3);
      const logs = Array.from({ length: 20 }, () => logEntry({ userAgent: 'x'.repeat(100) }));
      store.accept(session, proxy.report(START + i, { logs }));
      if (i % 50 === 0) await store.snapshot();
    }
    await store.close();
    const files = readdirSync(dir.path);
    expect(store.diskBytes()).toBeLessThan(2 * options.maxBatchBytes);
    expect(files.filter((file) => file.startsWith('journal-')).length).toBeLessThanOrEqual(2);
    const again = openTelemetryStore({ dir: dir.path, clock, logger: silentLogger, options });
    expect(requests(again)).toBe(300);
    expect(again.logs.size).toBeGreaterThan(1000);
  });
});

it('writes totals in the form of Prometheus', () => {
  const store = open(undefined);
  const proxy = new FakeProxy();
  proxy.request(edge({ source_workload: 'a"b\\c' }), 3, 2);
  store.accept(store.session(proxy.hello), proxy.report(START));
  const text = exposition(store.metrics.table);
  expect(text).toContain('# TYPE istio_requests_total counter');
  expect(text).toMatch(/istio_requests_total\{reporter="source",source_workload="a\\"b\\\\c",.*\} 2\n/);
  expect(text).toMatch(/istio_request_duration_milliseconds_bucket\{.*le="5"\} 2\n/);
  expect(text).toMatch(/istio_request_duration_milliseconds_bucket\{.*le="\+Inf"\} 2\n/);
  expect(text).toMatch(/istio_request_duration_milliseconds_sum\{.*\} 6\n/);
});
