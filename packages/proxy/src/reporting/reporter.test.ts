import type { ReportRequest } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { create } from '@bufbuild/protobuf';
import { ReportResponseSchema } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { seededRandom, silentLogger } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import type { RequestLabels } from '../ports.ts';
import { RequestRecord } from '../request-record.ts';
import { createStats } from '../stats/stats.ts';
import { workloadOfMetadata } from '../stats/workload-labels.ts';
import type { SpanData } from '../tracing/tracer.ts';
import { createReporter, type ReportStreamEvents } from './reporter.ts';

const SELF = workloadOfMetadata({ WORKLOAD_NAME: 'a-v1', NAMESPACE: 'default' });
const LABELS: RequestLabels = {
  reporter: 'source',
  sourcePrincipal: '',
  destinationPrincipal: '',
  cluster: 'c',
  destinationService: 's',
  destinationServiceName: 's',
  destinationServiceNamespace: 'default',
  destinationWorkload: '',
  sourceWorkload: '',
  protocol: 'http',
  mutualTls: false,
  listener: 'l',
};
const span = (spanId: string): SpanData => ({
  traceId: 't',
  spanId,
  parentId: '',
  name: 'n',
  kind: 'client',
  startMs: 1,
  durationMs: 2,
  error: false,
  attributes: {},
});
const recordOf = (given: Partial<RequestRecord> = {}): RequestRecord =>
  Object.assign(new RequestRecord(), { code: 200, ...given });

/** A receiver in memory that takes differences of cumulative values, as the real one does. */
function setUp() {
  const clock = new FakeClock(1_000_000);
  const stats = createStats(SELF);
  const slot = stats.requestSlot(LABELS);
  const sent: ReportRequest[] = [];
  const streams: ReportStreamEvents[] = [];
  let refuses = false;
  const reporter = createReporter({
    open: (events) => {
      if (refuses) throw new Error('no control plane');
      streams.push(events);
      return { send: (request) => void sent.push(request), close: () => {} };
    },
    stats,
    nodeId: 'sidecar~1~a.default~d',
    self: SELF,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  return {
    clock,
    stats,
    reporter,
    sent,
    streams,
    request: (code = 200) => stats.recordRequest(slot, code, 0, 3, 0, 10, -1),
    last: () => sent.at(-1),
    ack: (sequence = sent.at(-1)?.sequence ?? 0, intervalMs = 1000) =>
      streams.at(-1)?.onResponse(create(ReportResponseSchema, { intervalMs, ackedSequence: sequence })),
    refuse: (value: boolean) => {
      refuses = value;
    },
  };
}

describe('reporter', () => {
  it('introduces itself, defines what it names, and then tells only what changed', () => {
    const { reporter, request, last, sent, ack, clock } = setUp();
    request();
    reporter.start();
    expect(last()?.hello).toMatchObject({
      proxy: 'sidecar~1~a.default~d',
      workload: 'a-v1',
      namespace: 'default',
      startMs: 1_000_000,
    });
    expect(last()?.metrics.map(({ name }) => name)).toContain('istio_requests_total');
    expect(last()?.series).toHaveLength(4);
    expect(last()?.counters).toMatchObject({ series: [0], values: [1] });
    expect(last()?.histograms).toHaveLength(3);
    expect(last()?.histograms[0]).toMatchObject({ series: 1, sum: 3 });
    expect(last()?.histograms[0]?.buckets.reduce((a, b) => a + b)).toBe(1);
    ack();
    clock.advance(5_000);
    expect(sent).toHaveLength(1);
    request();
    request(503);
    clock.advance(1_000);
    expect(last()).toMatchObject({ sequence: 2, metrics: [] });
    expect(last()?.hello).toBeUndefined();
    expect(last()?.series).toHaveLength(4);
    expect(last()?.counters).toMatchObject({ series: [0, 4], values: [2, 1] });
  });
  it('keeps the distance that the receiver asks for', () => {
    const { reporter, request, sent, ack, clock } = setUp();
    reporter.start();
    ack(1, 3_000);
    request();
    clock.advance(2_900);
    expect(sent).toHaveLength(1);
    clock.advance(200);
    expect(sent).toHaveLength(2);
  });
  it('repeats under the same number what nobody acknowledged, and then all values', () => {
    const { reporter, request, last, ack, clock, streams, sent } = setUp();
    reporter.start();
    ack();
    request();
    reporter.span(span('one'));
    reporter.log(recordOf({ path: '/one' }));
    clock.advance(1_000);
    expect(last()).toMatchObject({ sequence: 2 });
    streams.at(-1)?.onEnd('control plane killed');
    reporter.span(span('two'));
    request();
    clock.advance(2_000);
    expect(streams).toHaveLength(2);
    expect(last()?.hello?.startId).toBe(sent[0]?.hello?.startId);
    expect(last()).toMatchObject({ sequence: 2, spans: [{ spanId: 'one' }], logs: [{ path: '/one' }] });
    expect(last()?.series).toHaveLength(4);
    ack(2);
    clock.advance(1_000);
    expect(last()).toMatchObject({ sequence: 3, spans: [{ spanId: 'two' }] });
    expect(last()?.counters).toMatchObject({ series: [0], values: [2] });
  });
  it('tries again with a growing pause while there is nobody to tell', () => {
    const { reporter, refuse, clock, streams, sent, request } = setUp();
    refuse(true);
    reporter.start();
    request();
    clock.advance(60_000);
    expect(reporter.counters().connected).toBe(false);
    refuse(false);
    clock.advance(16_000);
    expect(streams).toHaveLength(1);
    expect(sent.at(-1)?.counters?.values).toEqual([1]);
    expect(reporter.counters().connected).toBe(true);
  });
  it('gives up a stream that does not answer', () => {
    const { reporter, clock, streams } = setUp();
    reporter.start();
    clock.advance(60_000);
    expect(streams.length).toBeGreaterThan(1);
  });
  it('bounds what waits, and counts what it let go', () => {
    const { reporter, sent, ack, clock } = setUp();
    for (let i = 0; i < 5_000; i += 1) reporter.span(span(String(i)));
    for (let i = 0; i < 300; i += 1) reporter.log(recordOf({ startMs: 5_000 }));
    for (let i = 0; i < 50; i += 1) reporter.log(recordOf({ startMs: 5_000, code: 503, path: '/failed' }));
    reporter.start();
    ack();
    clock.advance(10_000);
    expect(reporter.counters()).toMatchObject({ droppedSpans: 5_000 - 4_096, droppedLogs: 200 });
    expect(sent[0]?.spans).toHaveLength(1_024);
    expect(sent[0]?.logs.filter(({ path }) => path === '/failed')).toHaveLength(50);
    expect(sent[0]).toMatchObject({ droppedSpans: 904, droppedLogs: 200 });
  });
  it('tells who was at the other end', () => {
    const { reporter, last } = setUp();
    reporter.log(
      recordOf({ direction: 'inbound', sourceWorkload: 'caller;ns1;c;v1;k', destinationWorkload: 'me;ns2;c;v1;k' }),
    );
    reporter.log(recordOf({ direction: 'outbound', destinationWorkload: 'callee;ns2;c;v1;k', path: 'x'.repeat(3000) }));
    reporter.start();
    expect(
      last()?.logs.map(({ peerWorkload, peerNamespace, direction }) => [peerWorkload, peerNamespace, direction]),
    ).toEqual([
      ['caller', 'ns1', 0],
      ['callee', 'ns2', 1],
    ]);
    expect(last()?.logs[1]?.path).toHaveLength(1024);
  });
  it('sends the rest when it closes, and waits no longer than a moment', async () => {
    const { reporter, request, last, ack, clock } = setUp();
    reporter.start();
    ack();
    request();
    const closed = reporter.close();
    expect(last()?.counters?.values).toEqual([1]);
    clock.advance(1_000);
    await closed;
  });
});
