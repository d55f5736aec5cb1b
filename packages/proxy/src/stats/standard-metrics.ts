// Istio's standard metrics: names, labels in their order, buckets.
import { formatFlags, NO_FLAGS, type FlagSet } from '../response-flags.ts';
import { NO_GRPC_STATUS, NOT_GRPC } from '../filters/http/grpc.ts';
import type { RequestLabels } from '../ports.ts';
import { parseWorkload, type WorkloadLabels } from './workload-labels.ts';

export const PEER_LABELS = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'source_canonical_service',
  'source_canonical_revision',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_cluster',
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
  'request_protocol',
  'connection_security_policy',
] as const;

/** HTTP metrics have three more. */
export const REQUEST_LABELS = [...PEER_LABELS, 'response_code', 'grpc_response_status', 'response_flags'] as const;
export const TCP_LABELS = [...PEER_LABELS, 'response_flags'] as const;

/** Upper bounds; one more bucket takes the rest. */
export const BUCKET_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

export const REQUEST_COUNTER = 'istio_requests_total';
/** In the order of their cells in a series. */
export const REQUEST_HISTOGRAMS = [
  'istio_request_duration_milliseconds',
  'istio_request_bytes',
  'istio_response_bytes',
] as const;
/** In the order of their cells behind the histograms; of gRPC alone. */
export const MESSAGE_COUNTERS = ['istio_request_messages_total', 'istio_response_messages_total'] as const;
/** In the order of their cells. */
export const TCP_COUNTERS = [
  'istio_tcp_connections_opened_total',
  'istio_tcp_connections_closed_total',
  'istio_tcp_received_bytes_total',
  'istio_tcp_sent_bytes_total',
] as const;

const known = (value: string): string => (value === '' ? 'unknown' : value);

/**
 * Values of PEER_LABELS: one end is the proxy's own workload, the other what its peer or the endpoint tells.
 * @param ownPrincipal what this proxy shows of itself on mutual TLS.
 */
export function peerLabelValues(labels: RequestLabels, self: WorkloadLabels, ownPrincipal: string): string[] {
  const shown = labels.mutualTls ? ownPrincipal : '';
  const atSource = labels.reporter === 'source';
  const source = atSource ? self : parseWorkload(labels.sourceWorkload);
  const destination = atSource ? parseWorkload(labels.destinationWorkload) : self;
  return [
    labels.reporter,
    known(source.workload),
    known(source.namespace),
    known(source.canonicalService),
    known(source.canonicalRevision),
    known(labels.sourcePrincipal || (atSource ? shown : '')),
    known(source.app),
    known(source.version),
    known(source.cluster),
    known(destination.workload),
    known(destination.namespace),
    known(labels.destinationPrincipal || (atSource ? '' : shown)),
    known(destination.app),
    known(destination.version),
    known(destination.canonicalService),
    known(destination.canonicalRevision),
    known(destination.cluster),
    known(labels.destinationService),
    known(labels.destinationServiceName),
    known(labels.destinationServiceNamespace),
    labels.protocol,
    securityPolicy(labels),
  ];
}

// Istio leaves it to the server to say whether the connection was secure.
function securityPolicy({ reporter, mutualTls }: RequestLabels): string {
  if (reporter === 'source') return 'unknown';
  return mutualTls ? 'mutual_tls' : 'none';
}

const PROTOCOL = PEER_LABELS.indexOf('request_protocol');

export function requestLabelValues(
  peer: readonly string[],
  code: number,
  flags: FlagSet,
  grpcStatus: number,
): string[] {
  if (grpcStatus === NOT_GRPC) return [...peer, String(code), '', formatFlags(flags)];
  const status = grpcStatus === NO_GRPC_STATUS ? '' : String(grpcStatus);
  return [...peer.with(PROTOCOL, 'grpc'), String(code), status, formatFlags(flags)];
}

/** Whether the series is of gRPC, and so has messages. */
export const hasMessages = (labels: readonly string[]): boolean => labels[PROTOCOL] === 'grpc';

export const tcpLabelValues = (peer: readonly string[]): string[] => [...peer, formatFlags(NO_FLAGS)];

/** What takes the place of label sets beyond the limit: sums stay right, details do not. */
export const overflowLabelValues = (labels: RequestLabels): string[] =>
  PEER_LABELS.map((name) => {
    if (name === 'reporter') return labels.reporter;
    if (name === 'request_protocol') return labels.protocol;
    return 'other';
  });
