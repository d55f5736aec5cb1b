/** Log entries of sidecars as the attributes that Mixer's rules read: what a call of Report would have carried. */
import { parseClusterName } from '@weft/contracts';
import { type LogEntry, LogEntry_Direction } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { type AttributeBag, createBag, type Value } from '@weft/expr';
import type { Origin } from '../store/convert.ts';

/** What the registry knows of a workload. */
export interface WorkloadFacts {
  readonly labels: Readonly<Record<string, string>>;
  readonly service: string | undefined;
}

export type FactsOf = (namespace: string, workload: string) => WorkloadFacts | undefined;

interface End {
  readonly workload: string;
  readonly namespace: string;
  readonly principal: string;
}

/** @param origin whose sidecar wrote it. */
export function bagOfLog(entry: LogEntry, origin: Origin, factsOf: FactsOf): AttributeBag {
  const inbound = entry.direction === LogEntry_Direction.INBOUND;
  const own = { workload: origin.workload, namespace: origin.namespace };
  const peer = { workload: entry.peerWorkload, namespace: entry.peerNamespace };
  const source: End = { ...(inbound ? peer : own), principal: entry.sourcePrincipal };
  const destination: End = { ...(inbound ? own : peer), principal: entry.destinationPrincipal };
  const values = new Map<string, Value>();
  const put = (name: string, value: Value | undefined): void => {
    if (value !== undefined && value !== '') values.set(name, value);
  };
  putEnd(put, 'source', source, factsOf);
  putEnd(put, 'destination', destination, factsOf);
  putService(put, entry, destination, inbound, factsOf);
  const tcp = entry.protocol === 'TCP';
  put('context.reporter.kind', inbound ? 'inbound' : 'outbound');
  put('context.protocol', tcp ? 'tcp' : 'http');
  put('context.proxy_error_code', entry.flags || '-');
  put('connection.mtls', entry.mutualTls);
  if (tcp) return createBag(values);
  put('request.time', entry.timeMs);
  put('request.method', entry.method);
  put('request.host', entry.authority);
  put('request.path', entry.path);
  put('request.url_path', entry.path.split('?', 1)[0]);
  put('request.id', entry.requestId);
  put('request.useragent', entry.userAgent);
  put('request.size', Math.round(entry.bytesReceived));
  put('response.code', entry.status);
  put('response.duration', entry.durationMs);
  put('response.size', Math.round(entry.bytesSent));
  put('response.time', entry.timeMs + entry.durationMs);
  return createBag(values);
}

type Put = (name: string, value: Value | undefined) => void;

function putEnd(put: Put, name: 'source' | 'destination', end: End, factsOf: FactsOf): void {
  const { workload, namespace, principal } = end;
  put(`${name}.principal`, principal.replace(/^spiffe:\/\//, ''));
  if (workload === '' || workload === 'unknown') return;
  put(`${name}.namespace`, namespace);
  put(`${name}.workload.name`, workload);
  put(`${name}.workload.namespace`, namespace);
  put(`${name}.workload.uid`, `istio://${namespace}/workloads/${workload}`);
  const facts = factsOf(namespace, workload);
  if (facts) put(`${name}.labels`, new Map(Object.entries(facts.labels)));
}

function putService(put: Put, entry: LogEntry, destination: End, inbound: boolean, factsOf: FactsOf): void {
  const called = inbound ? undefined : parseClusterName(entry.upstreamCluster)?.hostname;
  const own = factsOf(destination.namespace, destination.workload)?.service;
  const host = called ?? (own === undefined ? undefined : `${own}.${destination.namespace}.svc.cluster.local`);
  if (host === undefined) return;
  const [name, namespace, kind] = host.split('.');
  put('destination.service', host);
  put('destination.service.host', host);
  put('destination.service.name', kind === 'svc' ? name : host);
  put('destination.service.namespace', kind === 'svc' ? namespace : undefined);
}
