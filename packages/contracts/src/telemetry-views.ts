/**
 * What the telemetry store answers. Times are epoch milliseconds, durations and window lengths milliseconds, rates per
 * second, sizes bytes. `unknown` stands where a proxy did not know.
 */
export type Reporter = 'source' | 'destination';
export type TrafficProtocol = 'http' | 'grpc' | 'tcp';

/** Estimated inside histogram buckets, so never finer than these are; `undefined` when nothing was observed. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Observations within each bound, each bucket alone; there is one count more than bounds, for the rest. */
export interface LatencyCounts {
  readonly boundsMs: readonly number[];
  readonly counts: readonly number[];
}

/** What went over one edge, or in or out of one workload or service, in the window. */
export interface TrafficRates {
  /** Requests in the window. Whole unless the receiver was away for a while; then what it missed is spread evenly. */
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Requests with 5xx, with a failed gRPC status, or without any answer. */
  readonly errors: number;
  /** 0–1. */
  readonly errorRate: number;
  readonly latencyMs: Percentiles | undefined;
  /** What the percentiles were estimated from; `undefined` when nothing was observed. */
  readonly latency: LatencyCounts | undefined;
  /** HTTP and gRPC bodies. */
  readonly requestBytesPerSecond: number;
  readonly responseBytesPerSecond: number;
  readonly tcp: TcpRates;
  /** Requests and TCP connections by how they ended, most frequent first. */
  readonly codes: readonly CodeRate[];
}

export interface TcpRates {
  readonly sentBytesPerSecond: number;
  readonly receivedBytesPerSecond: number;
  readonly connectionsOpened: number;
  readonly connectionsClosed: number;
}

export interface CodeRate {
  /** `0` when the caller went away first; empty for TCP. */
  readonly responseCode: string;
  /** Envoy's short names joined with commas, `-` for none. */
  readonly responseFlags: string;
  /** Empty unless gRPC. */
  readonly grpcStatus: string;
  readonly requests: number;
  readonly requestsPerSecond: number;
}

export interface WorkloadRef {
  readonly namespace: string;
  readonly name: string;
}

export interface ServiceRef {
  /** FQDN, or what the caller asked for when the mesh does not know it. */
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

/** Between whom a directed edge of the graph runs, as one of the two proxies saw it. */
export interface EdgeEnds {
  readonly reporter: Reporter;
  readonly source: WorkloadRef;
  readonly sourceApp: string;
  readonly sourceVersion: string;
  readonly destination: WorkloadRef;
  readonly destinationApp: string;
  readonly destinationVersion: string;
  readonly service: ServiceRef;
  readonly protocol: TrafficProtocol;
  /** SPIFFE ids; `unknown` without mutual TLS. */
  readonly sourcePrincipal: string;
  readonly destinationPrincipal: string;
}

/** One directed edge of the graph. Callers that want each request once use `preferred`. */
export interface EdgeRates extends TrafficRates, EdgeEnds {
  /** False on the `destination` view of an edge that the caller reported too, and so would count its requests twice. */
  readonly preferred: boolean;
  /** Requests (TCP: opened connections) whose security is known, as the receiving proxy saw it. */
  readonly security: { readonly mutualTls: number; readonly plaintext: number };
}

export interface RatesQuery {
  readonly windowMs: number;
  /** End of the window; default now. */
  readonly atMs?: number;
}

/** Names what golden signals or charts are about. All given fields must match; none given is the whole mesh. */
export interface TrafficSubject {
  readonly workload?: WorkloadRef;
  readonly service?: { readonly name: string; readonly namespace: string };
  /** From the subject's side; default `inbound`. */
  readonly direction?: 'inbound' | 'outbound';
}

export interface SeriesQuery {
  readonly subject: TrafficSubject;
  readonly metric: 'requests' | 'errors' | 'latency' | 'bytes';
  readonly fromMs: number;
  readonly toMs: number;
  /** Rounded up to what the store keeps at that age. */
  readonly stepMs: number;
}

/** Points are evenly spaced: point i covers [fromMs + i·stepMs, fromMs + (i+1)·stepMs). */
export interface TimeSeries {
  /** `requests`, `errors`, `bytes` (all per second); `p50`, `p95`, `p99` (milliseconds, 0 without traffic). */
  readonly name: string;
  readonly fromMs: number;
  readonly stepMs: number;
  readonly points: readonly number[];
}

export interface TrendsQuery {
  readonly of: 'service' | 'workload';
  readonly fromMs: number;
  readonly toMs: number;
  readonly steps: number;
}

export interface TotalsQuery {
  /** Default `istio_requests_total`. */
  readonly metric?: string;
  /** Labels that must be equal. */
  readonly match?: Readonly<Record<string, string>>;
  /** Labels to keep; the rest is summed. Default all. */
  readonly by?: readonly string[];
}

/** Since the store was created: exactly what the proxies counted. For histograms the number of observations. */
export interface LabelledTotal {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface TraceQuery {
  /** Canonical service of any of its spans. */
  readonly service?: string;
  /** Workload and namespace of any of its spans. */
  readonly workload?: string;
  readonly namespace?: string;
  readonly limit?: number;
  readonly offset?: number;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly minDurationMs?: number;
  /** True: with a failed span only; false: without. */
  readonly error?: boolean;
}

export interface StoredSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentId: string;
  readonly name: string;
  readonly kind: 'client' | 'server' | 'internal';
  readonly service: string;
  readonly workload: string;
  readonly namespace: string;
  readonly version: string;
  /** With fractions. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly error: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface StoredTraceSummary {
  readonly traceId: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly rootService: string;
  readonly rootName: string;
  readonly spans: number;
  readonly errors: number;
  readonly services: readonly string[];
}

/** A span and what it caused, by start time. */
export interface SpanNode {
  readonly span: StoredSpan;
  readonly children: readonly SpanNode[];
}

export interface StoredTrace extends StoredTraceSummary {
  /** One root in a whole trace; more when spans between were lost or not sampled. */
  readonly roots: readonly SpanNode[];
}

export interface LogQuery {
  readonly limit?: number;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  readonly namespace?: string;
  readonly workload?: string;
  readonly direction?: 'inbound' | 'outbound';
  /** Inclusive. */
  readonly minStatus?: number;
  readonly maxStatus?: number;
  /** One of the entry's response flags. */
  readonly flag?: string;
  readonly reason?: string;
  /** Start of the path. */
  readonly pathPrefix?: string;
  readonly authority?: string;
  /** Part of the path, any case. */
  readonly text?: string;
  readonly traceId?: string;
  readonly requestId?: string;
  /** Entries stored after this position, oldest first: how to follow. */
  readonly after?: number;
}

export interface StoredLogEntry {
  /** Rises with each stored entry. */
  readonly position: number;
  readonly timeMs: number;
  /** Who reported. */
  readonly namespace: string;
  readonly workload: string;
  readonly service: string;
  readonly version: string;
  readonly direction: 'inbound' | 'outbound';
  readonly protocol: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly status: number;
  readonly flags: string;
  readonly reason: string;
  readonly details: string;
  readonly durationMs: number;
  /** -1 when there was no upstream. */
  readonly upstreamMs: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly upstreamCluster: string;
  readonly upstreamHost: string;
  readonly route: string;
  readonly downstreamAddress: string;
  readonly peerWorkload: string;
  readonly peerNamespace: string;
  readonly sourcePrincipal: string;
  readonly destinationPrincipal: string;
  readonly mutualTls: boolean;
  readonly traceId: string;
  readonly requestId: string;
  readonly userAgent: string;
  readonly attempts: number;
}

export interface LogResult {
  /** Newest first, or oldest first when `after` was given. */
  readonly entries: readonly StoredLogEntry[];
  /** More entries match than `limit`. */
  readonly more: boolean;
}

/** A proxy that has reported. */
export interface ReportingProxy {
  readonly proxy: string;
  readonly startId: string;
  readonly workload: string;
  readonly namespace: string;
  readonly connected: boolean;
  readonly lastReportMs: number;
  readonly droppedSpans: number;
  readonly droppedLogs: number;
}

export interface StoreUsage {
  readonly series: number;
  readonly seriesLimit: number;
  /** Series that were turned away at the limit. */
  readonly refusedSeries: number;
  readonly spans: number;
  readonly logs: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly oldestSampleMs: number | undefined;
}

/** The read side of telemetry. Answers come from memory, at once. */
export interface TelemetryQueries {
  /** Milliseconds of the window that were measured: all of it, but for a mesh that is younger. Rates are per second of these. */
  covered(query: RatesQuery): number;
  rates(query: RatesQuery): readonly EdgeRates[];
  /** Golden signals of one subject, each request counted once. */
  signals(subject: TrafficSubject, query: RatesQuery): TrafficRates;
  /** One series, or three for `latency`. The last point ends at `toMs`. */
  series(query: SeriesQuery): readonly TimeSeries[];
  /**
   * Inbound requests per second of every service or workload, keyed `namespace/name`, in even steps that end at `toMs`.
   * Steps finer than the store keeps are widened, and then begin before `fromMs`.
   */
  trends(query: TrendsQuery): ReadonlyMap<string, readonly number[]>;
  totals(query?: TotalsQuery): readonly LabelledTotal[];
  traces(query?: TraceQuery): { readonly traces: readonly StoredTraceSummary[]; readonly total: number };
  trace(traceId: string): StoredTrace | undefined;
  logs(query?: LogQuery): LogResult;
  proxies(): readonly ReportingProxy[];
  usage(): StoreUsage;
  /** Called after new data came in, at most once per turn. @returns what stops it. */
  onChange(listener: () => void): () => void;
}
