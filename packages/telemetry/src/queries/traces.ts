import type { SpanNode, StoredSpan, StoredTrace, StoredTraceSummary, TraceQuery } from '@weft/contracts';
import type { SpanStore, TraceEntry } from '../store/span-store.ts';

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1_000;

export function summarize({ traceId, spans }: TraceEntry): StoredTraceSummary {
  const ids = new Set(spans.map((span) => span.spanId));
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const endMs = Math.max(...spans.map((span) => span.startMs + span.durationMs));
  const root = spans.filter((span) => span.parentId === '' || !ids.has(span.parentId)).toSorted(byStart)[0];
  return {
    traceId,
    startMs,
    durationMs: endMs - startMs,
    rootService: root?.service ?? '',
    rootName: root?.name ?? '',
    spans: spans.length,
    errors: spans.filter((span) => span.error).length,
    services: [...new Set(spans.map((span) => span.service))].sort(),
  };
}

/** Newest first. */
export function findTraces(
  store: SpanStore,
  query: TraceQuery,
): { traces: readonly StoredTraceSummary[]; total: number } {
  const {
    service,
    workload,
    namespace,
    sinceMs = 0,
    untilMs = Number.POSITIVE_INFINITY,
    minDurationMs = 0,
    error,
  } = query;
  const inSpans = (test: (span: StoredSpan) => boolean, traceId: string): boolean =>
    store.trace(traceId)?.spans.some(test) ?? false;
  const found = store
    .summaries(summarize)
    .filter(
      (trace) =>
        trace.startMs >= sinceMs &&
        trace.startMs <= untilMs &&
        trace.durationMs >= minDurationMs &&
        (error === undefined || trace.errors > 0 === error) &&
        (service === undefined || trace.services.includes(service)) &&
        ((workload === undefined && namespace === undefined) ||
          inSpans(
            (span) =>
              (workload === undefined || span.workload === workload) &&
              (namespace === undefined || span.namespace === namespace),
            trace.traceId,
          )),
    );
  const offset = Math.max(0, query.offset ?? 0);
  const limit = Math.min(MAX_LIMIT, Math.max(0, query.limit ?? DEFAULT_LIMIT));
  const sorted = found.toSorted((a, b) => b.startMs - a.startMs);
  return { traces: sorted.slice(offset, offset + limit), total: found.length };
}

/** The spans of one trace as a tree: what has no parent here is a root. */
export function traceTree(store: SpanStore, traceId: string): StoredTrace | undefined {
  const entry = store.trace(traceId);
  if (!entry) return undefined;
  const nodes = entry.spans.map((span) => ({ span, children: [] as SpanNode[] }));
  const roots: (typeof nodes)[number][] = [];
  for (const node of nodes) {
    const parent = parentOf(node, nodes);
    if (parent) parent.children.push(node);
    else roots.push(node);
  }
  for (const node of nodes) node.children.sort((a, b) => byStart(a.span, b.span));
  return { ...summarize(entry), roots: roots.sort((a, b) => byStart(a.span, b.span)) };
}

/**
 * B3 may give a client and a server span one id: the server's is then the client's child, and what has that id as its
 * parent hangs below the server's.
 */
function parentOf<N extends { readonly span: StoredSpan }>(node: N, nodes: readonly N[]): N | undefined {
  const { spanId, parentId, kind } = node.span;
  if (kind === 'server') {
    const sameId = nodes.find((other) => other.span.spanId === spanId && other.span.kind === 'client');
    if (sameId) return sameId;
  }
  if (parentId === '' || parentId === spanId) return undefined;
  const candidates = nodes.filter((other) => other !== node && other.span.spanId === parentId);
  return candidates.find((other) => other.span.kind === 'server') ?? candidates[0];
}

const byStart = (a: StoredSpan, b: StoredSpan): number => a.startMs - b.startMs || (a.spanId < b.spanId ? -1 : 1);
