import { seededRandom } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import type { HeadView } from '../head/head-view.ts';
import type { TracingSettings } from '../ports.ts';
import { RequestRecord } from '../request-record.ts';
import { workloadOfMetadata } from '../stats/workload-labels.ts';
import { readContext } from './trace-context.ts';
import { createTracer, type SpanData } from './tracer.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

/** Headers alone are what a tracer sees of a head. */
function headOf(headers: Record<string, string>): HeadView & { readonly all: ReadonlyMap<string, string> } {
  const all = new Map(Object.entries(headers));
  return {
    all,
    get: (name) => all.get(name),
    has: (name) => all.has(name),
    set: (name, value) => void all.set(name, value),
    add: (name, value) => void all.set(name, value),
    remove: (name) => void all.delete(name),
    forEach: (visit) => all.forEach((value, name) => visit(name, value)),
  };
}
const SETTINGS: TracingSettings = {
  randomSampling: 1,
  overallSampling: 1,
  clientSampling: 1,
  tags: [],
};

function trace(
  headers: Record<string, string>,
  settings: Partial<TracingSettings> = {},
  given: Partial<RequestRecord> = {},
) {
  const spans: SpanData[] = [];
  const tracer = createTracer({
    random: seededRandom(1),
    nodeId: 'sidecar~1~a.b~c',
    meshId: 'mesh',
    self: workloadOfMetadata({
      WORKLOAD_NAME: 'reviews-v1',
      NAMESPACE: 'default',
      LABELS: { app: 'reviews', version: 'v1' },
    }),
    onSpan: (span) => spans.push(span),
  });
  const head = headOf(headers);
  const record = Object.assign(new RequestRecord(), {
    code: 200,
    method: 'GET',
    path: '/',
    authority: 'ratings:9080',
    ...given,
  });
  tracer.start(head, record, { ...SETTINGS, ...settings })?.finish(record);
  return { spans, out: head.all, record };
}

describe('contexts in headers', () => {
  it.each<[string, Record<string, string>, boolean | undefined]>([
    ['W3C, sampled', { traceparent: `00-${TRACE}-${SPAN}-01` }, true],
    ['W3C, not sampled', { traceparent: `00-${TRACE}-${SPAN}-00` }, false],
    ['W3C of a later version', { traceparent: `cc-${TRACE}-${SPAN}-01-what-ever` }, true],
    ['B3 in one', { b3: `${TRACE}-${SPAN}-1-${SPAN}` }, true],
    ['B3 in one, debug', { b3: `${TRACE}-${SPAN}-d` }, true],
    ['B3 in one, undecided', { b3: `${TRACE}-${SPAN}` }, undefined],
    ['B3 in several', { 'x-b3-traceid': TRACE.toUpperCase(), 'x-b3-spanid': SPAN, 'x-b3-sampled': '1' }, true],
    ['B3 in several, debug', { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, 'x-b3-flags': '1' }, true],
  ])('%s', (_, headers, sampled) => {
    expect(readContext(headOf(headers)).context).toEqual({ traceId: TRACE, spanId: SPAN, sampled });
  });
  it.each<[string, Record<string, string>]>([
    ['version ff', { traceparent: `ff-${TRACE}-${SPAN}-01` }],
    ['five fields in version 00', { traceparent: `00-${TRACE}-${SPAN}-01-x` }],
    ['a trace of zeros', { traceparent: `00-${'0'.repeat(32)}-${SPAN}-01` }],
    ['upper case in W3C', { traceparent: `00-${TRACE.toUpperCase()}-${SPAN}-01` }],
    ['no span in B3', { 'x-b3-traceid': TRACE }],
    ['text', { b3: 'hello', traceparent: 'world' }],
  ])('nothing from %s', (_, headers) => {
    expect(readContext(headOf(headers)).context).toBeUndefined();
  });
  it('short ids are made long', () => {
    expect(readContext(headOf({ b3: `${SPAN}-${SPAN}-0` })).context).toEqual({
      traceId: `${'0'.repeat(16)}${SPAN}`,
      spanId: SPAN,
      sampled: false,
    });
  });
});

describe('tracer', () => {
  it('begins a trace and tells the next about it in W3C and B3', () => {
    const { spans, out, record } = trace({});
    const [span] = spans;
    expect(span).toMatchObject({ parentId: '', kind: 'client', error: false, name: 'ratings:9080' });
    expect(span?.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect([record.traceId, record.spanId]).toEqual([span?.traceId, span?.spanId]);
    expect(Object.fromEntries(out)).toEqual({
      traceparent: `00-${span?.traceId}-${span?.spanId}-01`,
      'x-b3-traceid': span?.traceId,
      'x-b3-spanid': span?.spanId,
      'x-b3-sampled': '1',
    });
  });
  it('goes on with the trace that came, and answers in its form', () => {
    const { spans, out } = trace(
      { b3: `${TRACE}-${SPAN}-1` },
      {},
      { direction: 'inbound', operation: 'reviews:9080/*' },
    );
    const [span] = spans;
    expect(span).toMatchObject({ traceId: TRACE, parentId: SPAN, kind: 'server', name: 'reviews:9080/*' });
    expect(out.get('b3')).toBe(`${TRACE}-${span?.spanId}-1-${SPAN}`);
    expect(out.get('traceparent')).toBe(`00-${TRACE}-${span?.spanId}-01`);
    expect(out.has('x-b3-traceid')).toBe(false);
  });
  it.each([
    ['inbound', 'server'],
    ['outbound', 'client'],
    ['gateway', 'client'],
  ] as const)('the span of a request that is %s is of the kind %s', (direction, kind) => {
    expect(trace({}, {}, { direction }).spans).toMatchObject([{ kind }]);
  });
  it('keeps the decision that came', () => {
    const headers = { traceparent: `00-${TRACE}-${SPAN}-00`, tracestate: 'a=b' };
    const { spans, out } = trace(headers);
    expect(spans).toEqual([]);
    expect(Object.fromEntries(out)).toEqual(headers);
    expect(trace({ traceparent: `00-${TRACE}-${SPAN}-01` }, { randomSampling: 0 }).spans).toHaveLength(1);
    expect(trace({ b3: '0' }).spans).toEqual([]);
    expect(trace({ 'x-b3-sampled': '1' }, { randomSampling: 0 }).spans).toHaveLength(1);
  });
  it('tells the next that nobody traces', () => {
    const { spans, out } = trace({}, { randomSampling: 0 });
    expect(spans).toEqual([]);
    expect(out.get('traceparent')).toMatch(/-00$/);
    expect(out.get('x-b3-sampled')).toBe('0');
  });
  it('samples the share that the listener says, under its cap', () => {
    const random = seededRandom(5);
    let spans = 0;
    const tracer = createTracer({
      random,
      nodeId: '',
      meshId: '',
      self: workloadOfMetadata({}),
      onSpan: () => (spans += 1),
    });
    for (let i = 0; i < 4000; i += 1) {
      tracer
        .start(headOf({}), new RequestRecord(), { ...SETTINGS, randomSampling: 0.5, overallSampling: 0.25 })
        ?.finish(new RequestRecord());
    }
    expect(Math.abs(spans - 1000)).toBeLessThan(100);
  });
  it('a client may ask, as far as the listener allows', () => {
    expect(trace({ 'x-client-trace-id': 'x' }, { randomSampling: 0 }).spans).toHaveLength(1);
    expect(trace({ 'x-client-trace-id': 'x' }, { clientSampling: 0 }).spans).toHaveLength(0);
  });
  it('names the span by the service and tells what went wrong', () => {
    const { spans } = trace(
      {},
      { tags: [['zone', 'a']] },
      {
        cluster: 'outbound|9080|v1|reviews.default.svc.cluster.local',
        code: 503,
        reason: 'no-healthy-upstream',
        attempts: 3,
        path: `/${'x'.repeat(500)}`,
      },
    );
    const [span] = spans;
    expect(span).toMatchObject({ name: 'reviews.default.svc.cluster.local:9080/*', error: true });
    expect(span?.attributes).toMatchObject({
      error: 'true',
      'weft.reason': 'no-healthy-upstream',
      'retry.count': '2',
      zone: 'a',
      'istio.canonical_service': 'reviews',
      'http.status_code': '503',
    });
    expect(span?.attributes['http.url']).toHaveLength('http://ratings:9080'.length + 256);
    expect(span?.attributes).not.toHaveProperty('user_agent');
  });
});
