import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  LogEntry_Direction as Direction,
  type LogEntrySchema,
  type SpanSchema,
  Span_Kind as SpanKind,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import type { RequestRecord } from '../request-record.ts';
import { formatFlags, NO_FLAGS } from '../response-flags.ts';
import { parseWorkload } from '../stats/workload-labels.ts';
import type { SpanData } from '../tracing/tracer.ts';

export type LogEntryInit = MessageInitShape<typeof LogEntrySchema>;
export type SpanInit = MessageInitShape<typeof SpanSchema>;

// What peers send is cut, so that an entry stays small.
const MAX_TEXT = 1024;
const cut = (text: string): string => (text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text);

/** A copy of what telemetry keeps; the record may be used again afterwards. */
export function logEntryOf(record: RequestRecord): LogEntryInit {
  const inbound = record.direction === 'inbound';
  const peer = parseWorkload(inbound ? record.sourceWorkload : record.destinationWorkload);
  return {
    timeMs: record.startMs,
    direction: inbound ? Direction.INBOUND : Direction.OUTBOUND,
    protocol: record.protocol,
    method: cut(record.method),
    authority: cut(record.authority),
    path: cut(record.path),
    status: record.code,
    flags: formatFlags(record.flags),
    reason: record.reason,
    details: record.details,
    durationMs: record.durationMs,
    upstreamMs: record.upstreamMs,
    bytesReceived: record.requestBytes,
    bytesSent: record.responseBytes,
    upstreamCluster: record.cluster,
    upstreamHost: record.upstreamHost,
    route: record.routeName,
    downstreamAddress: record.downstreamRemoteAddress,
    peerWorkload: peer.workload,
    peerNamespace: peer.namespace,
    sourcePrincipal: record.sourcePrincipal,
    destinationPrincipal: record.destinationPrincipal,
    mutualTls: record.mutualTls,
    traceId: record.traceId,
    requestId: cut(record.requestId),
    userAgent: cut(record.userAgent),
    attempts: record.attempts,
  };
}

/** Whether something went wrong in the mesh or behind it: such entries go before the others. */
export const isNotable = (record: RequestRecord): boolean =>
  record.code >= 500 || record.code === 0 || record.flags !== NO_FLAGS;

export const spanInitOf = (span: SpanData): SpanInit => ({
  ...span,
  kind: span.kind === 'client' ? SpanKind.CLIENT : SpanKind.SERVER,
});
