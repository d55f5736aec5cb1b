import { fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { parseSpiffeId } from '@weft/contracts';
import type { PeerExchange } from '../ports.ts';
import { formatWorkload, workloadOfMetadata, type WorkloadLabels } from './workload-labels.ts';

// Longer values are not read: a peer's labels are a few hundred bytes.
const MAX_LENGTH = 4096;
const REMEMBERED = 1024;
// Each becomes a label set that is kept: an account has some workloads and versions, not thousands.
const MAX_WORKLOADS_OF_ONE = 128;

/**
 * Peer metadata as Istio's sidecars send it: base64 of a Struct with NAMESPACE, WORKLOAD_NAME, LABELS and CLUSTER_ID.
 * What a peer says is believed only as far as its certificate goes: the namespace must be the certificate's, and one
 * account is not endlessly many workloads.
 */
export function createPeerExchange(nodeId: string, self: WorkloadLabels): PeerExchange {
  const remembered = new Map<string, string>();
  const workloadsOf = new Map<string, Set<string>>();
  /** Whether one more workload of this account may be told from the others. */
  const hasRoom = (principal: string, workload: string): boolean => {
    const known = workloadsOf.get(principal) ?? new Set();
    workloadsOf.set(principal, known);
    if (known.size < MAX_WORKLOADS_OF_ONE) known.add(workload);
    return known.has(workload);
  };
  return {
    id: nodeId,
    metadata: encodePeer(self),
    read(metadata, principal) {
      if (metadata === '' || metadata.length > MAX_LENGTH) return '';
      const key = `${principal} ${metadata}`;
      const former = remembered.get(key);
      if (former !== undefined) return former;
      const peer = decodePeer(metadata);
      const believed = peer !== undefined && parseSpiffeId(principal)?.namespace === peer.namespace;
      const claimed = believed ? formatWorkload(peer) : '';
      const text = claimed !== '' && hasRoom(principal, claimed) ? claimed : '';
      if (remembered.size >= REMEMBERED) remembered.clear();
      remembered.set(key, text);
      return text;
    },
  };
}

function encodePeer(self: WorkloadLabels): string {
  const struct = fromJson(StructSchema, {
    NAMESPACE: self.namespace,
    WORKLOAD_NAME: self.workload,
    CLUSTER_ID: self.cluster,
    LABELS: {
      app: self.app,
      version: self.version,
      'service.istio.io/canonical-name': self.canonicalService,
      'service.istio.io/canonical-revision': self.canonicalRevision,
    },
  });
  return Buffer.from(toBinary(StructSchema, struct)).toString('base64');
}

function decodePeer(metadata: string): WorkloadLabels | undefined {
  try {
    const json = toJson(StructSchema, fromBinary(StructSchema, Buffer.from(metadata, 'base64')));
    if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
    const labels = workloadOfMetadata(json);
    // The fields are joined with ";" further on, and become label values.
    const plain = Object.values(labels).every((value: string) => !/[;\0-\x1f]/.test(value) && value.length <= 253);
    return plain ? labels : undefined;
  } catch {
    return undefined;
  }
}
