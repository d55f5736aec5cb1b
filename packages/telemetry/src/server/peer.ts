import { type NodeId, parseNodeId, readSvid, type WorkloadIdentity } from '@weft/contracts';
import type { Hello } from '@weft/contracts/full/weft/telemetry/v1/telemetry';

/** How a connection identified itself. */
export type Peer =
  | { readonly type: 'plain' }
  | { readonly type: 'identity'; readonly identity: WorkloadIdentity }
  | { readonly type: 'rejected'; readonly reason: string };

/** @param der the client's certificate, whose chain the TLS layer has verified. */
export function peerOf(der: Uint8Array | undefined): Peer {
  if (!der || der.length === 0) return { type: 'plain' };
  const verdict = readSvid(der);
  return verdict.ok ? { type: 'identity', identity: verdict.identity } : { type: 'rejected', reason: verdict.reason };
}

export interface PeerRules {
  readonly requireIdentity: boolean;
  /** The service account that a workload runs as; undefined when it is not known (any more). */
  readonly accountOf?: ((namespace: string, workload: string) => string | undefined) | undefined;
}

/** A proxy may speak only for its own workload: that of its namespace and service account. @returns why it may not. */
export function refusalOf(hello: Hello, peer: Peer, { requireIdentity, accountOf }: PeerRules): string | undefined {
  if (peer.type === 'rejected') return peer.reason;
  if (peer.type === 'plain') return requireIdentity ? 'a client certificate of the mesh is needed' : undefined;
  const { namespace, serviceAccount } = peer.identity;
  const node: NodeId | undefined = parseNodeId(hello.proxy);
  if (!node) return `${JSON.stringify(hello.proxy)} is no node id`;
  if (node.namespace !== namespace || hello.namespace !== namespace) {
    return `the certificate is of namespace ${namespace}, the report of ${hello.namespace} by ${hello.proxy}`;
  }
  const foreign = [node.name, hello.workload].find((workload) => {
    const account = accountOf?.(namespace, workload);
    return account !== undefined && account !== serviceAccount;
  });
  return foreign === undefined
    ? undefined
    : `the certificate is of service account ${serviceAccount}, which is not that of workload ${namespace}/${foreign}`;
}
