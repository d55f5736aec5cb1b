/** Resource names, as Istio writes them (they show in admin pages, metrics, EnvoyFilter and istioctl). */

export type Direction = 'inbound' | 'outbound';

export interface ClusterName {
  readonly direction: Direction;
  readonly port: number;
  /** Empty when the cluster is for the whole service. */
  readonly subset: string;
  /** Empty for inbound clusters. */
  readonly hostname: string;
}

/** `outbound|9080|v1|reviews.default.svc.cluster.local`; inbound clusters have the target port and no host: `inbound|9080||`. */
export function clusterName(direction: Direction, port: number, hostname = '', subset = ''): string {
  return `${direction}|${port}|${subset}|${hostname}`;
}

/** @returns undefined when the name has another form (PassthroughCluster, a foreign control plane's name). */
export function parseClusterName(name: string): ClusterName | undefined {
  const parts = name.split('|');
  const [direction, port, subset, hostname] = parts;
  if (parts.length !== 4 || (direction !== 'inbound' && direction !== 'outbound')) return undefined;
  if (port === undefined || subset === undefined || hostname === undefined || !/^\d+$/.test(port)) return undefined;
  return { direction, port: Number(port), subset, hostname };
}

/** The SNI of mutual TLS between sidecars: `outbound_.9080_.v1_.reviews.default.svc.cluster.local`. */
export function sniName(port: number, hostname: string, subset = ''): string {
  return `outbound_.${port}_.${subset}_.${hostname}`;
}

/** `0.0.0.0_9080`. */
export const listenerName = (bind: string, port: number): string => `${bind}_${port}`;

export const PASSTHROUGH_CLUSTER = 'PassthroughCluster';
export const BLACK_HOLE_CLUSTER = 'BlackHoleCluster';
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster';

/** SDS resources that a workload's agent serves. */
export const SECRET_DEFAULT = 'default';
export const SECRET_ROOT = 'ROOTCA';

/** Namespace in `filter_metadata` for what Envoy's messages can not say. */
export const WEFT_METADATA = 'dev.weft';
/** In a cluster's WEFT_METADATA; `false`: HTTP/1.1 is HTTP/1.1 on the wire, never carried in HTTP/2. */
export const CARRIES_HTTP1 = 'carries_http1';
/** Dynamic metadata of a request: what the peer's sidecar said of itself. Key `workload`: "name;namespace;…". */
export const PEER_METADATA = 'dev.weft.peer';
export const ISTIO_METADATA = 'istio';
export const TRANSPORT_SOCKET_MATCH_METADATA = 'envoy.transport_socket_match';

export interface NodeId {
  readonly type: 'sidecar' | 'router';
  readonly ip: string;
  readonly name: string;
  readonly namespace: string;
  readonly domain: string;
}

/** `sidecar~127.66.3.1~reviews-v1.default~default.svc.cluster.local`. */
export function nodeId(node: Omit<NodeId, 'domain'> & { readonly domain?: string }): string {
  return [
    node.type,
    node.ip,
    `${node.name}.${node.namespace}`,
    node.domain ?? `${node.namespace}.svc.cluster.local`,
  ].join('~');
}

/** @returns undefined when the id does not have Istio's form. */
export function parseNodeId(id: string): NodeId | undefined {
  const [type, ip, nameAndNamespace, domain, ...rest] = id.split('~');
  if ((type !== 'sidecar' && type !== 'router') || !ip || !nameAndNamespace || !domain || rest.length > 0)
    return undefined;
  const dot = nameAndNamespace.lastIndexOf('.');
  if (dot <= 0 || dot === nameAndNamespace.length - 1) return undefined;
  return { type, ip, name: nameAndNamespace.slice(0, dot), namespace: nameAndNamespace.slice(dot + 1), domain };
}
