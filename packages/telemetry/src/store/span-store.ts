import type { StoredSpan, StoredTraceSummary } from '@weft/contracts';

/** The spans of one trace that are still held. */
export interface TraceEntry {
  readonly traceId: string;
  readonly spans: StoredSpan[];
}

/** Spans in order of arrival, the oldest dropped first. */
export class SpanStore {
  readonly #limit: number;
  readonly #traces = new Map<string, TraceEntry>();
  readonly #summaries = new Map<string, StoredTraceSummary>();
  #ring: StoredSpan[] = [];
  #head = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#ring.length - this.#head;
  }

  add(span: StoredSpan): void {
    const trace = this.#traces.get(span.traceId);
    // A batch may come twice when a crash fell between storing and acknowledging it.
    if (trace?.spans.some((known) => known.spanId === span.spanId && known.kind === span.kind)) return;
    this.#ring.push(span);
    if (trace) trace.spans.push(span);
    else this.#traces.set(span.traceId, { traceId: span.traceId, spans: [span] });
    this.#summaries.delete(span.traceId);
    if (this.size > this.#limit) this.#dropOldest();
  }

  #dropOldest(): void {
    const oldest = this.#ring[this.#head];
    this.#head += 1;
    if (this.#head > this.#limit) {
      this.#ring = this.#ring.slice(this.#head);
      this.#head = 0;
    }
    const trace = oldest && this.#traces.get(oldest.traceId);
    if (!trace) return;
    trace.spans.splice(trace.spans.indexOf(oldest), 1);
    this.#summaries.delete(trace.traceId);
    if (trace.spans.length === 0) this.#traces.delete(trace.traceId);
  }

  trace(traceId: string): TraceEntry | undefined {
    return this.#traces.get(traceId);
  }

  /** Of all traces, in no order. */
  summaries(summarize: (trace: TraceEntry) => StoredTraceSummary): readonly StoredTraceSummary[] {
    return [...this.#traces.values()].map((trace) => {
      let summary = this.#summaries.get(trace.traceId);
      if (!summary) {
        summary = summarize(trace);
        this.#summaries.set(trace.traceId, summary);
      }
      return summary;
    });
  }
}
