/** A proxy's side of the reporting protocol, in a few lines. For tests. */
import { create } from '@bufbuild/protobuf';
import {
  type Hello,
  HelloSchema,
  type LogEntry,
  LogEntrySchema,
  MetricDefinition_Kind,
  type ReportRequest,
  ReportRequestSchema,
  type Span,
  SpanSchema,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';

export const BOUNDS = [1, 5, 10, 50, 100];
export const LABELS = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'destination_workload',
  'destination_workload_namespace',
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
  'request_protocol',
  'response_code',
  'response_flags',
  'connection_security_policy',
] as const;
type Fields<T> = Partial<Omit<T, '$typeName' | '$unknown'>>;
type Labels = Readonly<Partial<Record<(typeof LABELS)[number], string>>>;

/** Labels of one edge; what is not given has a usual value. */
export function edge(labels: Labels): readonly string[] {
  const service = labels.destination_service_name ?? 'reviews';
  const usual: Labels = {
    reporter: 'source',
    source_workload: 'productpage-v1',
    source_workload_namespace: 'default',
    destination_workload: 'reviews-v1',
    destination_workload_namespace: 'default',
    destination_service: `${service}.default.svc.cluster.local`,
    destination_service_name: service,
    destination_service_namespace: 'default',
    request_protocol: 'http',
    response_code: '200',
    response_flags: '-',
    connection_security_policy: labels.reporter === 'destination' ? 'mutual_tls' : 'unknown',
  };
  return LABELS.map((name) => labels[name] ?? usual[name] ?? '');
}

export function hello(over: Fields<Hello> = {}): Hello {
  return create(HelloSchema, {
    proxy: 'sidecar~127.1.2.1~productpage-v1.default~default.svc.cluster.local',
    startId: 'start-000001',
    startMs: 1_000_000,
    workload: 'productpage-v1',
    namespace: 'default',
    service: 'productpage',
    version: 'v1',
    ...over,
  });
}

/** Counts like a proxy, and makes the messages that a proxy would send. */
export class FakeProxy {
  readonly hello: Hello;
  #sequence = 0;
  #ids = new Map<string, number>();
  #counters = new Map<number, number>();
  #histograms = new Map<number, { sum: number; buckets: number[] }>();
  #defined = new Set<number>();
  #metricsDefined = false;
  #changed = new Set<number>();

  constructor(over: Fields<Hello> = {}) {
    this.hello = hello(over);
  }

  helloMessage(): ReportRequest {
    // A new stream: the dictionary and all values go out again.
    this.#defined.clear();
    this.#metricsDefined = false;
    this.#changed = new Set([...this.#counters.keys(), ...this.#histograms.keys()]);
    return create(ReportRequestSchema, { hello: this.hello });
  }

  #id(metric: 1 | 2, labels: readonly string[]): number {
    const key = JSON.stringify([metric, labels]);
    const id = this.#ids.get(key) ?? this.#ids.size + 1;
    this.#ids.set(key, id);
    return id;
  }

  request(labels: readonly string[], durationMs: number, times = 1): void {
    const counter = this.#id(1, labels);
    this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + times);
    const id = this.#id(2, labels);
    const value = this.#histograms.get(id) ?? { sum: 0, buckets: Array.from({ length: BOUNDS.length + 1 }, () => 0) };
    const at = BOUNDS.findIndex((bound) => durationMs <= bound);
    const bucket = at < 0 ? BOUNDS.length : at;
    value.buckets[bucket] = (value.buckets[bucket] ?? 0) + times;
    value.sum += durationMs * times;
    this.#histograms.set(id, value);
    this.#changed.add(counter).add(id);
  }

  report(timeMs: number, more: { spans?: Span[]; logs?: LogEntry[] } = {}): ReportRequest {
    this.#sequence += 1;
    const labelNames = [...LABELS];
    const metrics = this.#metricsDefined
      ? []
      : [
          { id: 1, name: 'istio_requests_total', kind: MetricDefinition_Kind.COUNTER, labelNames },
          {
            id: 2,
            name: 'istio_request_duration_milliseconds',
            kind: MetricDefinition_Kind.HISTOGRAM,
            labelNames,
            bounds: BOUNDS,
          },
        ];
    this.#metricsDefined = true;
    const series = [...this.#ids]
      .filter(([, id]) => !this.#defined.has(id))
      .map(([key, id]) => {
        const [metric, labelValues] = JSON.parse(key) as [number, string[]];
        this.#defined.add(id);
        return { id, metric, labelValues };
      });
    const changed = [...this.#changed];
    this.#changed.clear();
    const counters = changed.filter((id) => this.#counters.has(id));
    return create(ReportRequestSchema, {
      sequence: this.#sequence,
      timeMs,
      metrics,
      series,
      counters: { series: counters, values: counters.map((id) => this.#counters.get(id) ?? 0) },
      histograms: changed.flatMap((id) => {
        const value = this.#histograms.get(id);
        return value ? [{ series: id, sum: value.sum, buckets: value.buckets }] : [];
      }),
      ...more,
    });
  }
}

export function span(over: Fields<Span> = {}): Span {
  return create(SpanSchema, {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    name: 'reviews.default.svc.cluster.local:9080/*',
    startMs: 1_000_000,
    durationMs: 10,
    ...over,
  });
}

export function logEntry(over: Fields<LogEntry> = {}): LogEntry {
  return create(LogEntrySchema, {
    timeMs: 1_000_000,
    method: 'GET',
    path: '/reviews/1',
    status: 200,
    flags: '-',
    ...over,
  });
}
