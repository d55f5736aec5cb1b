/** Series sorted by the edge they are about: the index that all traffic queries share. */
import type { EdgeEnds, Reporter, TrafficProtocol, TrafficSubject } from '@weft/contracts';
import type { Series, SeriesTable } from '../store/series-table.ts';

export const METRIC = {
  requests: 'istio_requests_total',
  duration: 'istio_request_duration_milliseconds',
  requestBytes: 'istio_request_bytes',
  responseBytes: 'istio_response_bytes',
  tcpOpened: 'istio_tcp_connections_opened_total',
  tcpClosed: 'istio_tcp_connections_closed_total',
  tcpSent: 'istio_tcp_sent_bytes_total',
  tcpReceived: 'istio_tcp_received_bytes_total',
} as const;
export type TrafficMetric = keyof typeof METRIC;
const METRIC_OF = new Map(Object.entries(METRIC).map(([key, name]) => [name as string, key as TrafficMetric]));

/** A series with what a traffic query asks of its labels. */
export interface EdgeSeries {
  readonly series: Series;
  readonly code: string;
  readonly flags: string;
  readonly grpcStatus: string;
  readonly mutualTls: boolean | undefined;
  readonly error: boolean;
}

/** One edge as one side reports it. */
export interface EdgeGroup extends EdgeEnds {
  readonly series: Readonly<Record<TrafficMetric, EdgeSeries[]>>;
  /** Equal on the two sides' reports of the same traffic. */
  readonly pair: string;
}

const UNKNOWN = 'unknown';

/** Gives the groups of a table, and again only when a series was added. */
export function createEdgeIndex(table: SeriesTable): () => readonly EdgeGroup[] {
  let version = -1;
  let groups: readonly EdgeGroup[] = [];
  return () => {
    if (version !== table.version) {
      groups = buildGroups(table.all());
      version = table.version;
    }
    return groups;
  };
}

function buildGroups(all: Iterable<Series>): readonly EdgeGroup[] {
  const groups = new Map<string, { -readonly [K in keyof EdgeGroup]: EdgeGroup[K] }>();
  for (const series of all) {
    const metric = METRIC_OF.get(series.metric.name);
    if (!metric) continue;
    const label = labelsOf(series);
    const reporter: Reporter = label('reporter') === 'source' ? 'source' : 'destination';
    const protocol = protocolOf(label('request_protocol'), metric);
    const source = { namespace: label('source_workload_namespace', UNKNOWN), name: label('source_workload', UNKNOWN) };
    const destination = {
      namespace: label('destination_workload_namespace', UNKNOWN),
      name: label('destination_workload', UNKNOWN),
    };
    const service = {
      host: label('destination_service', UNKNOWN),
      name: label('destination_service_name', UNKNOWN),
      namespace: label('destination_service_namespace', UNKNOWN),
    };
    // The two sides may name the service differently (a caller uses an alias), but not the workload that was reached.
    const reached = destination.name === UNKNOWN ? [service.name, service.namespace] : [];
    const pair = JSON.stringify([source, destination, ...reached, protocol]);
    const key = JSON.stringify([reporter, service, pair]);
    let group = groups.get(key);
    if (!group) {
      group = {
        reporter,
        source,
        sourceApp: label('source_app', UNKNOWN),
        sourceVersion: label('source_version', UNKNOWN),
        destination,
        destinationApp: label('destination_app', UNKNOWN),
        destinationVersion: label('destination_version', UNKNOWN),
        service,
        protocol,
        sourcePrincipal: label('source_principal', UNKNOWN),
        destinationPrincipal: label('destination_principal', UNKNOWN),
        series: {
          requests: [],
          duration: [],
          requestBytes: [],
          responseBytes: [],
          tcpOpened: [],
          tcpClosed: [],
          tcpSent: [],
          tcpReceived: [],
        },
        pair,
      };
      groups.set(key, group);
    }
    if (group.sourcePrincipal === UNKNOWN) group.sourcePrincipal = label('source_principal', UNKNOWN);
    if (group.destinationPrincipal === UNKNOWN) group.destinationPrincipal = label('destination_principal', UNKNOWN);
    group.series[metric].push(edgeSeries(series, label, reporter));
  }
  return [...groups.values()].sort((a, b) => (a.pair < b.pair ? -1 : a.pair > b.pair ? 1 : 0));
}

type Label = (name: string, fallback?: string) => string;

function labelsOf(series: Series): Label {
  const { labelNames } = series.metric;
  return (name, fallback = '') => {
    const at = labelNames.indexOf(name);
    return (at < 0 ? '' : (series.labelValues[at] ?? '')) || fallback;
  };
}

function protocolOf(label: string, metric: TrafficMetric): TrafficProtocol {
  if (metric.startsWith('tcp') || label === 'tcp') return 'tcp';
  return label === 'grpc' ? 'grpc' : 'http';
}

function edgeSeries(series: Series, label: Label, reporter: Reporter): EdgeSeries {
  const code = label('response_code');
  const grpcStatus = label('grpc_response_status');
  const policy = label('connection_security_policy');
  const known = reporter === 'destination' && (policy === 'mutual_tls' || policy === 'none');
  return {
    series,
    code,
    flags: label('response_flags', '-'),
    grpcStatus,
    mutualTls: known ? policy === 'mutual_tls' : undefined,
    error: code.startsWith('5') || code === '0' || (grpcStatus !== '' && grpcStatus !== '0'),
  };
}

/** Whether the traffic of an edge is the subject's, seen from the direction asked for. */
export function concerns(group: EdgeGroup, subject: TrafficSubject): boolean {
  const outbound = subject.direction === 'outbound';
  const { workload, service } = subject;
  const side = outbound ? group.source : group.destination;
  if (workload && (side.name !== workload.name || side.namespace !== workload.namespace)) return false;
  if (!service) return true;
  return outbound
    ? group.sourceApp === service.name && group.source.namespace === service.namespace
    : group.service.name === service.name && group.service.namespace === service.namespace;
}
