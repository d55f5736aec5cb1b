import type { SpanView, TraceView } from '@weft/contracts/console-views';
import { describe, expect, it } from 'vitest';
import { buildBars, extentOf, marksOf } from './waterfall.ts';

const span = (spanId: string, parentId: string | undefined, startedAt: number, durationMs: number): SpanView => ({
  spanId,
  ...(parentId === undefined ? {} : { parentId }),
  name: spanId,
  kind: 'server',
  service: 's',
  startedAt,
  durationMs,
  error: false,
  attributes: [],
});
const trace = (spans: readonly SpanView[]): TraceView => ({
  traceId: 't',
  startedAt: 1_000,
  durationMs: 100,
  services: ['s'],
  spans,
});

describe('buildBars', () => {
  it('places spans by time and depth', () => {
    const bars = buildBars(
      trace([span('a', undefined, 1_000, 100), span('b', 'a', 1_025, 50), span('c', 'b', 1_050, 25)]),
    );
    expect(bars.map(({ depth, left, width }) => [depth, left, width])).toEqual([
      [0, 0, 100],
      [1, 25, 50],
      [2, 50, 25],
    ]);
  });
  it('stretches for a child that outlives the root, and for a clock that runs early', () => {
    const bars = buildBars(trace([span('a', undefined, 1_000, 100), span('b', 'a', 950, 250)]));
    expect(bars[1]).toMatchObject({ left: 0, width: 100 });
    expect(bars[0]?.left).toBeCloseTo(20);
  });
  it('keeps a span whose parent was lost', () => {
    expect(buildBars(trace([span('b', 'gone', 1_000, 10)]))[0]).toMatchObject({ depth: 0 });
  });
  it('survives a trace of no length', () => {
    const empty = { ...trace([span('a', undefined, 1_000, 0)]), durationMs: 0 };
    expect(buildBars(empty)[0]).toMatchObject({ left: 0, width: 0 });
    expect(marksOf(extentOf(empty))).toHaveLength(5);
  });
});
