/** Traces, logs and charts in the words of the API. Pure. */
import type { LogEntry, MetricsView, SpanView, TraceSummary, TraceView } from '@weft/contracts/console-views';
import type {
  SpanNode,
  StoredLogEntry,
  StoredSpan,
  StoredTrace,
  StoredTraceSummary,
  TimeSeries,
} from '@weft/contracts';

export const buildTraceSummary = (trace: StoredTraceSummary): TraceSummary => ({
  traceId: trace.traceId,
  startedAt: trace.startMs,
  durationMs: trace.durationMs,
  rootService: trace.rootService,
  rootOperation: trace.rootName,
  spans: trace.spans,
  services: trace.services,
  errors: trace.errors,
});

/** Spans in reading order: each before what it caused, siblings by start. */
export function buildTrace(trace: StoredTrace): TraceView {
  const spans: SpanView[] = [];
  const visit = ({ span, children }: SpanNode): void => {
    spans.push(buildSpan(span));
    for (const child of children) visit(child);
  };
  for (const root of trace.roots) visit(root);
  const { traceId, startMs, durationMs, services } = trace;
  return { traceId, startedAt: startMs, durationMs, services, spans };
}

const given = (value: string): string | undefined =>
  value === '' || value === 'unknown' || value === '-' ? undefined : value;

function buildSpan(span: StoredSpan): SpanView {
  const { spanId, name, kind, service, startMs, durationMs, error } = span;
  return {
    spanId,
    ...optional('parentId', given(span.parentId)),
    name,
    kind,
    service,
    ...optional('namespace', given(span.namespace)),
    ...optional('workload', given(span.workload)),
    startedAt: startMs,
    durationMs,
    error,
    attributes: Object.entries(span.attributes)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => ({ key, value })),
  };
}

export function buildLogEntry(entry: StoredLogEntry): LogEntry {
  return {
    at: entry.timeMs,
    namespace: entry.namespace,
    workload: entry.workload,
    direction: entry.direction,
    protocol: entry.protocol,
    ...optional('method', given(entry.method)),
    ...optional('authority', given(entry.authority)),
    ...optional('path', given(entry.path)),
    status: entry.status,
    flag: given(entry.flags) ?? '-',
    ...optional('reason', given(entry.reason)),
    durationMs: entry.durationMs,
    bytesReceived: entry.bytesReceived,
    bytesSent: entry.bytesSent,
    ...optional('peer', given(entry.peerWorkload)),
    ...optional('upstreamCluster', given(entry.upstreamCluster)),
    ...optional('traceId', given(entry.traceId)),
    ...optional('requestId', given(entry.requestId)),
  };
}

const optional = <K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } =>
  value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: string });

export function buildMetrics(
  requests: TimeSeries | undefined,
  errors: TimeSeries | undefined,
  latency: readonly TimeSeries[],
  asked: { readonly fromMs: number; readonly stepMs: number },
): MetricsView {
  const rates = requests?.points ?? [];
  const failed = errors?.points ?? [];
  const percent = rates.map((rate, i) => (rate > 0 ? Number((((failed[i] ?? 0) / rate) * 100).toFixed(2)) : 0));
  return {
    fromMs: requests?.fromMs ?? asked.fromMs,
    stepMs: requests?.stepMs ?? asked.stepMs,
    charts: [
      { metric: 'requests', unit: 'rps', series: [{ name: 'requests', points: rates }] },
      { metric: 'errors', unit: 'percent', series: [{ name: 'errors', points: percent }] },
      { metric: 'latency', unit: 'ms', series: latency.map(({ name, points }) => ({ name, points })) },
    ],
  };
}
