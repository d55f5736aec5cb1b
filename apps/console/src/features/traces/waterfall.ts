/** Where each span of a trace stands: its depth in the tree and its place on the time line. Pure. */
import type { SpanView, TraceView } from '@weft/contracts/console-views';

export interface Bar {
  readonly span: SpanView;
  readonly depth: number;
  /** 0–100, percent of the trace's length. */
  readonly left: number;
  readonly width: number;
}

const MIN_LENGTH_MS = 0.001;

export interface Extent {
  readonly startMs: number;
  readonly lengthMs: number;
}

/** From the first start to the last end: a late child may outlive the root. */
export function extentOf({ spans, startedAt, durationMs }: TraceView): Extent {
  const startMs = Math.min(startedAt, ...spans.map((span) => span.startedAt));
  const endMs = Math.max(startedAt + durationMs, ...spans.map((span) => span.startedAt + span.durationMs));
  return { startMs, lengthMs: Math.max(MIN_LENGTH_MS, endMs - startMs) };
}

/** In the order of the answer, which is parents before children. A span whose parent is missing stands at the left. */
export function buildBars(trace: TraceView): readonly Bar[] {
  const { startMs, lengthMs } = extentOf(trace);
  const depths = new Map<string, number>();
  return trace.spans.map((span) => {
    const above = span.parentId === undefined ? undefined : depths.get(span.parentId);
    const depth = above === undefined ? 0 : above + 1;
    depths.set(span.spanId, depth);
    return {
      span,
      depth,
      left: ((span.startedAt - startMs) / lengthMs) * 100,
      width: (span.durationMs / lengthMs) * 100,
    };
  });
}

/** Evenly spaced marks from 0 to the end, in milliseconds. */
export const marksOf = ({ lengthMs }: Extent, count = 5): readonly number[] =>
  Array.from({ length: count }, (_, i) => (lengthMs * i) / (count - 1));
