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

/** A proxy may speak only for its own namespace. @returns why it may not. */
export function refusalOf(hello: Hello, peer: Peer, requireIdentity: boolean): string | undefined {
  if (peer.type === 'rejected') return peer.reason;
  if (peer.type === 'plain') return requireIdentity ? 'a client certificate of the mesh is needed' : undefined;
  const { namespace } = peer.identity;
  const node: NodeId | undefined = parseNodeId(hello.proxy);
  if (!node) return `${JSON.stringify(hello.proxy)} is no node id`;
  if (node.namespace !== namespace || hello.namespace !== namespace) {
    return `the certificate is of namespace ${namespace}, the report of ${hello.namespace} by ${hello.proxy}`;
  }
  return undefined;
}
