import { parseClusterName } from '@weft/contracts';
import type { Random } from '@weft/kit';
import type { HeadView } from '../head/head-view.ts';
import { hex32 } from '../hex.ts';
import type { Tracer, TraceSpan, TracingSettings } from '../ports.ts';
import type { RequestRecord } from '../request-record.ts';
import { formatFlags } from '../response-flags.ts';
import type { WorkloadLabels } from '../stats/workload-labels.ts';
import { readContext, writeContext } from './trace-context.ts';

/** One finished span. */
export interface SpanData {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentId: string;
  readonly name: string;
  readonly kind: 'client' | 'server';
  /** Epoch milliseconds. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly error: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface TracerDeps {
  readonly random: Random;
  readonly nodeId: string;
  readonly meshId: string;
  readonly self: WorkloadLabels;
  readonly onSpan: (span: SpanData) => void;
}

const MAX_PATH_LENGTH = 256;

/**
 * One span for each sampled request of a listener: server where it comes in to its workload, client everywhere else (a
 * gateway calls, too), so that each hop has one of both. A decision that came with the request is kept; otherwise chance decides, at the listener's share.
 * Requests that are not sampled get a context as well, so that nobody behind decides anew.
 */
export function createTracer({ random, nodeId, meshId, self, onSpan }: TracerDeps): Tracer {
  // Ids must differ, not be secret: the fast generator serves.
  const word = (): string => hex32(random.int(0x1_0000_0000));
  const newId = (words: number): string => {
    let id = word();
    for (let i = 1; i < words; i += 1) id += word();
    return id;
  };
  return {
    start(head, record, settings): TraceSpan | undefined {
      const carried = readContext(head);
      const sampled = decide(head, carried.sampled, settings, random);
      const traceId = carried.context?.traceId ?? newId(4);
      const spanId = newId(2);
      const parentId = carried.context?.spanId ?? '';
      // The parent of what comes behind is our span; without one of ours the caller's stays.
      if (sampled || carried.context === undefined) {
        writeContext(head, { traceId, spanId, parentId: sampled ? parentId : '', sampled }, carried);
      }
      if (!sampled) return undefined;
      record.traceId = traceId;
      record.spanId = spanId;
      return {
        finish(done) {
          onSpan({
            traceId,
            spanId,
            parentId,
            name: done.operation || defaultName(done),
            kind: done.direction === 'inbound' ? 'server' : 'client',
            startMs: done.startMs,
            durationMs: done.durationMs,
            error: done.code >= 500 || done.code === 0,
            attributes: attributesOf(done, settings),
          });
        },
      };
    },
  };

  function attributesOf(record: RequestRecord, { tags }: TracingSettings): Record<string, string> {
    const attributes: Record<string, string> = {
      component: 'proxy',
      node_id: nodeId,
      'http.method': record.method,
      'http.url': `${record.scheme}://${record.authority}${record.path.slice(0, MAX_PATH_LENGTH)}`,
      'http.protocol': record.protocol,
      'http.status_code': String(record.code),
      request_size: String(record.requestBytes),
      response_size: String(record.responseBytes),
      response_flags: formatFlags(record.flags),
      upstream_cluster: record.cluster,
      'upstream_cluster.name': record.cluster,
      'peer.address': record.direction === 'inbound' ? record.downstreamRemoteAddress : record.upstreamHost,
      user_agent: record.userAgent,
      'guid:x-request-id': record.requestId,
      'istio.canonical_service': self.canonicalService,
      'istio.canonical_revision': self.canonicalRevision,
      'istio.mesh_id': meshId,
      'istio.namespace': self.namespace,
      'istio.cluster_id': self.cluster,
    };
    if (record.code >= 500 || record.code === 0) attributes['error'] = 'true';
    if (record.reason !== '') attributes['weft.reason'] = record.reason;
    if (record.attempts > 1) attributes['retry.count'] = String(record.attempts - 1);
    for (const [name, value] of tags) attributes[name] = value;
    for (const [name, value] of Object.entries(attributes)) if (value === '') delete attributes[name];
    return attributes;
  }
}

/** Istio's operation name where a route has none: `reviews.default.svc.cluster.local:9080/*`. */
function defaultName(record: RequestRecord): string {
  const cluster = parseClusterName(record.cluster);
  if (cluster !== undefined && cluster.hostname !== '') return `${cluster.hostname}:${cluster.port}/*`;
  return record.authority || record.listener;
}

function decide(
  head: HeadView,
  carried: boolean | undefined,
  { overallSampling, clientSampling, randomSampling }: TracingSettings,
  random: Random,
): boolean {
  if (carried === false) return false;
  const share = carried === true ? 1 : head.has('x-client-trace-id') ? clientSampling : randomSampling;
  const cap = Math.min(share, overallSampling);
  if (cap >= 1) return true;
  return cap > 0 && random.next() < cap;
}
