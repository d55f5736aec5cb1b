/** Measurements of Bookinfo under a small steady load. */
import type {
  EdgeRates,
  SpanNode,
  StoredLogEntry,
  StoredSpan,
  StoredTrace,
  TimeSeries,
  TrafficSubject,
} from '@weft/contracts';
import type { Clock } from '@weft/kit';
import type { TelemetrySource } from '../ports.ts';
import { hexOf, type Scenario } from './scenario.ts';

const BOUNDS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000];

/** from, to, requests a second, bucket in which most of them end. */
const CALLS = [
  ['unknown', 'weft-gateway', 12, 5],
  ['weft-gateway', 'productpage-v1', 12, 5],
  ['productpage-v1', 'details-v1', 12, 1],
  ['productpage-v1', 'reviews-v1', 4, 2],
  ['productpage-v1', 'reviews-v2', 4, 3],
  ['productpage-v1', 'reviews-v3', 4, 3],
  ['reviews-v2', 'ratings-v1', 4, 1],
  ['reviews-v3', 'ratings-v1', 4, 1],
] as const;

const versionOf = (workload: string): string => /-(v\d+)$/.exec(workload)?.[1] ?? 'unknown';
const appOf = (workload: string): string => workload.replace(/-v\d+$/, '');
const namespaceOf = (workload: string): string =>
  workload === 'unknown' ? 'unknown' : workload === 'weft-gateway' ? 'weft-system' : 'default';
const principalOf = (workload: string): string =>
  workload === 'unknown'
    ? 'unknown'
    : `spiffe://cluster.local/ns/${namespaceOf(workload)}/sa/${workload === 'weft-gateway' ? 'weft-gateway' : `bookinfo-${appOf(workload)}`}`;

export function bookinfoTelemetry(
  clock: Clock,
  { traffic = true, trouble = false, empty = false }: Scenario,
): TelemetrySource {
  const busy = traffic && !empty;
  /** The load swings by a tenth over a minute. */
  const swing = (atMs: number): number => 1 + Math.sin((atMs / 60_000) * 2 * Math.PI) / 10;
  const fails = (to: string): boolean => trouble && to === 'ratings-v1';

  const edge = ([from, to, rps, bucket]: (typeof CALLS)[number], windowMs: number, atMs: number): EdgeRates => {
    const requests = Math.round(rps * swing(atMs) * (windowMs / 1000));
    const errors = fails(to) ? Math.round(requests * 0.12) : 0;
    const counts = BOUNDS_MS.map((_, i) =>
      i === bucket ? Math.round(requests * 0.9) : i === bucket + 1 ? Math.round(requests * 0.1) : 0,
    );
    const perSecond = (count: number): number => count / (windowMs / 1000);
    const code = (responseCode: string, responseFlags: string, count: number) => ({
      responseCode,
      responseFlags,
      grpcStatus: '',
      requests: count,
      requestsPerSecond: perSecond(count),
    });
    const gateway = to === 'weft-gateway';
    return {
      reporter: gateway ? 'source' : 'destination',
      preferred: true,
      source: { namespace: namespaceOf(from), name: from },
      sourceApp: appOf(from),
      sourceVersion: versionOf(from),
      destination: { namespace: namespaceOf(to), name: to },
      destinationApp: appOf(to),
      destinationVersion: versionOf(to),
      service: gateway
        ? { host: 'localhost:8080', name: 'unknown', namespace: 'unknown' }
        : { host: `${appOf(to)}.default.svc.cluster.local`, name: appOf(to), namespace: 'default' },
      protocol: 'http',
      security: gateway ? { mutualTls: 0, plaintext: requests } : { mutualTls: requests, plaintext: 0 },
      sourcePrincipal: gateway ? 'unknown' : principalOf(from),
      destinationPrincipal: gateway ? 'unknown' : principalOf(to),
      requests,
      requestsPerSecond: perSecond(requests),
      errors,
      errorRate: requests === 0 ? 0 : errors / requests,
      latencyMs: undefined,
      latency: { boundsMs: BOUNDS_MS, counts: [...counts, 0] },
      requestBytesPerSecond: 0,
      responseBytesPerSecond: perSecond(requests) * 2_048,
      tcp: { sentBytesPerSecond: 0, receivedBytesPerSecond: 0, connectionsOpened: 0, connectionsClosed: 0 },
      codes: [code('200', '-', requests - errors), ...(errors > 0 ? [code('503', 'UF', errors)] : [])],
    };
  };

  const rateOf = (subject: TrafficSubject, atMs: number): number => {
    const { workload, service, direction = 'inbound' } = subject;
    return CALLS.filter(([from, to]) => {
      if (service) return appOf(to) === service.name;
      if (workload) return (direction === 'inbound' ? to : from) === workload.name;
      return from === 'unknown';
    }).reduce((sum, [, , rps]) => sum + rps * swing(atMs), 0);
  };
  const traces = (): readonly StoredTrace[] =>
    busy ? Array.from({ length: 12 }, (_, i) => bookinfoTrace(clock.now() - 3_000 - i * 4_100, i, trouble)) : [];

  return {
    covered: ({ windowMs }) => windowMs,
    rates: ({ windowMs, atMs = clock.now() }) => (busy ? CALLS.map((call) => edge(call, windowMs, atMs)) : []),
    series: ({ subject, metric, fromMs, toMs, stepMs }) => {
      const steps = Math.ceil((toMs - fromMs) / stepMs);
      const line = (name: string, value: (rate: number) => number): TimeSeries => ({
        name,
        fromMs,
        stepMs,
        points: Array.from({ length: steps }, (_, i) => (busy ? value(rateOf(subject, fromMs + i * stepMs)) : 0)),
      });
      const failing = trouble && (subject.service?.name === 'ratings' || subject.workload?.name === 'ratings-v1');
      if (metric === 'errors') return [line('errors', (rate) => (failing ? rate * 0.12 : 0))];
      if (metric === 'latency')
        return [line('p50', () => 4.2), line('p95', (rate) => 9 + rate / 10), line('p99', (rate) => 18 + rate / 5)];
      return [line(metric, (rate) => rate)];
    },
    trends: ({ of, fromMs, toMs, steps }) => {
      const stepMs = (toMs - fromMs) / steps;
      const names = of === 'service' ? ['productpage', 'details', 'reviews', 'ratings'] : CALLS.map(([, to]) => to);
      return new Map(
        names.map((name) => {
          const namespace = name === 'weft-gateway' ? 'weft-system' : 'default';
          const subject = of === 'service' ? { service: { namespace, name } } : { workload: { namespace, name } };
          const points = Array.from({ length: steps }, (_, i) => (busy ? rateOf(subject, fromMs + i * stepMs) : 0));
          return [`${namespace}/${name}`, points] as const;
        }),
      );
    },
    traces: (query = {}) => {
      const { service, minDurationMs = 0, error, offset = 0, limit = 100 } = query;
      const found = traces()
        .filter((trace) => service === undefined || trace.services.includes(service))
        .filter((trace) => trace.durationMs >= minDurationMs && (error === undefined || trace.errors > 0 === error));
      return { traces: found.slice(offset, offset + limit), total: found.length };
    },
    trace: (traceId) => traces().find((trace) => trace.traceId === traceId),
    logs: (query = {}) => {
      const { limit = 100, workload, traceId, minStatus = 0, maxStatus = 599 } = query;
      const entries = traces()
        .flatMap((trace, i) => logsOf(trace, i))
        .filter((entry) => workload === undefined || entry.workload === workload)
        .filter((entry) => traceId === undefined || entry.traceId === traceId)
        .filter(({ status }) => status >= minStatus && status <= maxStatus);
      return { entries: entries.slice(0, limit), more: entries.length > limit };
    },
  };
}

function bookinfoTrace(startMs: number, n: number, trouble: boolean): StoredTrace {
  const traceId = hexOf(`trace-${n}`, 32);
  const reviews = `reviews-v${(n % 3) + 1}`;
  const failed = trouble && n % 4 === 2;
  const span = (
    workload: string,
    kind: StoredSpan['kind'],
    parentId: string,
    to: string,
    offsetMs: number,
    durationMs: number,
    error = false,
  ): StoredSpan => ({
    traceId,
    spanId: hexOf(`${n}-${workload}-${kind}-${to}`, 16),
    parentId,
    name: `${to}.default.svc.cluster.local:9080/*`,
    kind,
    service: appOf(workload),
    workload,
    namespace: namespaceOf(workload),
    version: versionOf(workload),
    startMs: startMs + offsetMs,
    durationMs,
    error,
    attributes: {
      'http.method': 'GET',
      'http.status_code': error ? '503' : '200',
      'http.url': `http://${to}:9080/`,
      ...(error ? { response_flags: 'UF', 'weft.reason': 'upstream-connect-failure' } : { response_flags: '-' }),
    },
  });
  const root = span('weft-gateway', 'client', '', 'productpage', 0, 41.2 + n);
  const page = span('productpage-v1', 'server', root.spanId, 'productpage', 0.6, 40.1 + n);
  const toDetails = span('productpage-v1', 'client', page.spanId, 'details', 3.1, 4.4);
  const details = span('details-v1', 'server', toDetails.spanId, 'details', 3.9, 2.8);
  const toReviews = span('productpage-v1', 'client', page.spanId, 'reviews', 9.2, 27 + n);
  const reviewed = span(reviews, 'server', toReviews.spanId, 'reviews', 10.1, 25.2 + n);
  const rated = reviews !== 'reviews-v1';
  const toRatings = span(reviews, 'client', reviewed.spanId, 'ratings', 14.3, 6.1, failed);
  const ratings = span('ratings-v1', 'server', toRatings.spanId, 'ratings', 15.2, 4.2);
  const node = (of: StoredSpan, ...children: SpanNode[]): SpanNode => ({ span: of, children });
  const ratingsNode = failed ? node(toRatings) : node(toRatings, node(ratings));
  const roots = [
    node(
      root,
      node(page, node(toDetails, node(details)), node(toReviews, rated ? node(reviewed, ratingsNode) : node(reviewed))),
    ),
  ];
  return {
    traceId,
    startMs,
    durationMs: root.durationMs,
    rootService: root.service,
    rootName: root.name,
    spans: rated ? (failed ? 7 : 8) : 6,
    errors: failed && rated ? 1 : 0,
    services: ['weft-gateway', 'productpage', 'details', 'reviews', ...(rated ? ['ratings'] : [])],
    roots,
  };
}

function logsOf(trace: StoredTrace, n: number): readonly StoredLogEntry[] {
  const entries: StoredLogEntry[] = [];
  const visit = ({ span, children }: SpanNode): void => {
    const to = span.name.split('.')[0] ?? '';
    entries.push({
      position: n * 10 + entries.length,
      timeMs: span.startMs,
      namespace: span.namespace,
      workload: span.workload,
      service: span.service,
      version: span.version,
      direction: span.kind === 'server' ? 'inbound' : 'outbound',
      protocol: 'HTTP/1.1',
      method: 'GET',
      authority: `${to}:9080`,
      path: to === 'productpage' ? '/productpage' : `/${to}/0`,
      status: span.error ? 503 : 200,
      flags: span.error ? 'UF' : '-',
      reason: span.error ? 'upstream-connect-failure' : '',
      details: '',
      durationMs: span.durationMs,
      upstreamMs: span.durationMs,
      bytesReceived: 0,
      bytesSent: 2_048,
      upstreamCluster: span.kind === 'server' ? 'inbound|9080||' : `outbound|9080||${to}.default.svc.cluster.local`,
      upstreamHost: '',
      route: 'default',
      downstreamAddress: '',
      peerWorkload: span.kind === 'server' ? 'productpage-v1' : `${to}-v1`,
      peerNamespace: 'default',
      sourcePrincipal: '',
      destinationPrincipal: '',
      mutualTls: true,
      traceId: span.traceId,
      requestId: hexOf(span.spanId, 32),
      userAgent: 'curl/8.5.0',
      attempts: 1,
    });
    for (const child of children) visit(child);
  };
  for (const root of trace.roots) visit(root);
  return entries;
}
