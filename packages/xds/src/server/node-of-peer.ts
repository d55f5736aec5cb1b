/** Whether a node says of itself what its certificate says. */
import { parseNodeId } from '@weft/contracts';
import type { XdsNode } from '../resource.ts';
import type { PeerIdentity } from '../transport/peer.ts';

/**
 * Namespace (in id and metadata) and service account (in metadata) must equal the verified identity; both must be given.
 * @returns what differs, or undefined when the peer may be this node.
 */
export function nodeOfPeer(node: XdsNode, peer: PeerIdentity): string | undefined {
  const { namespace, serviceAccount } = peer.identity;
  const id = parseNodeId(node.id);
  if (!id) return `node id "${node.id}" does not have the form type~ip~name.namespace~domain`;
  if (id.namespace !== namespace) return differs('the namespace in the node id', id.namespace, peer);
  const { NAMESPACE, SERVICE_ACCOUNT } = node.metadata as { NAMESPACE?: unknown; SERVICE_ACCOUNT?: unknown };
  if (NAMESPACE !== namespace) return differs('NAMESPACE in the node metadata', NAMESPACE, peer);
  if (SERVICE_ACCOUNT !== serviceAccount) return differs('SERVICE_ACCOUNT in the node metadata', SERVICE_ACCOUNT, peer);
  return undefined;
}

const differs = (what: string, value: unknown, peer: PeerIdentity): string =>
  `${what} is ${value === undefined ? 'missing' : JSON.stringify(value)}, but the certificate is of ${peer.spiffeId}`;
