/** Wire messages → what the store keeps. */
import type { StoredLogEntry, StoredSpan } from '@weft/contracts';
import {
  type LogEntry,
  LogEntry_Direction,
  type Span,
  Span_Kind,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';

/** Who reported. */
export interface Origin {
  readonly workload: string;
  readonly namespace: string;
  readonly service: string;
  readonly version: string;
}

const KINDS: Readonly<Record<Span_Kind, StoredSpan['kind']>> = {
  [Span_Kind.INTERNAL]: 'internal',
  [Span_Kind.CLIENT]: 'client',
  [Span_Kind.SERVER]: 'server',
};

/** @returns undefined when the ids are not W3C's. */
export function storedSpan(span: Span, origin: Origin): StoredSpan | undefined {
  const valid = /^[0-9a-f]{32}$/.test(span.traceId) && /^[0-9a-f]{16}$/.test(span.spanId);
  if (!valid || !Number.isFinite(span.startMs) || !Number.isFinite(span.durationMs)) return undefined;
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentId: span.parentId,
    name: span.name,
    kind: KINDS[span.kind] ?? 'internal',
    service: span.service || origin.service,
    workload: origin.workload,
    namespace: origin.namespace,
    version: origin.version,
    startMs: span.startMs,
    durationMs: Math.max(0, span.durationMs),
    error: span.error,
    attributes: span.attributes,
  };
}

export function storedLog(entry: LogEntry, origin: Origin): Omit<StoredLogEntry, 'position'> {
  return {
    timeMs: entry.timeMs,
    namespace: origin.namespace,
    workload: origin.workload,
    service: origin.service,
    version: origin.version,
    direction: entry.direction === LogEntry_Direction.INBOUND ? 'inbound' : 'outbound',
    protocol: entry.protocol,
    method: entry.method,
    authority: entry.authority,
    path: entry.path,
    status: entry.status,
    flags: entry.flags || '-',
    reason: entry.reason,
    details: entry.details,
    durationMs: entry.durationMs,
    upstreamMs: entry.upstreamMs,
    bytesReceived: entry.bytesReceived,
    bytesSent: entry.bytesSent,
    upstreamCluster: entry.upstreamCluster,
    upstreamHost: entry.upstreamHost,
    route: entry.route,
    downstreamAddress: entry.downstreamAddress,
    peerWorkload: entry.peerWorkload,
    peerNamespace: entry.peerNamespace,
    sourcePrincipal: entry.sourcePrincipal,
    destinationPrincipal: entry.destinationPrincipal,
    mutualTls: entry.mutualTls,
    traceId: entry.traceId,
    requestId: entry.requestId,
    userAgent: entry.userAgent,
    attempts: entry.attempts,
  };
}
