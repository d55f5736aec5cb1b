import type { Config, SourceRef } from '../config-store/config-object.ts';
import type { MtlsMode, PeerAuthenticationSpec } from '../config-store/kinds.ts';
import { matchesLabels, type Labels } from '../model/labels.ts';
import type { MeshSnapshot } from './mesh-snapshot.ts';

export interface PeerMode {
  readonly mode: Exclude<MtlsMode, 'UNSET'>;
  /** The policies that were looked at and had a say. */
  readonly refs: readonly SourceRef[];
}

const set = (mode: MtlsMode | undefined): Exclude<MtlsMode, 'UNSET'> | undefined =>
  mode === undefined || mode === 'UNSET' ? undefined : mode;

/** What a server's port takes: the narrowest scope that is not UNSET wins; in one scope the oldest policy; PERMISSIVE without any. @param port the workload's own port. */
export function peerMode(snapshot: MeshSnapshot, workload: Peer, port: number): PeerMode {
  const { mesh, config } = snapshot;
  const inNamespace = (namespace: string): Config<PeerAuthenticationSpec> | undefined =>
    config.peerAuthentications.find((policy) => policy.namespace === namespace && !hasSelector(policy.spec));
  const forWorkload = workloadPolicy(snapshot, workload);
  const scopes = [forWorkload, inNamespace(workload.namespace), inNamespace(mesh.rootNamespace)];
  const refs = [...new Set(scopes)].flatMap((policy) => (policy ? [policy.ref] : []));
  const mode =
    set(forWorkload?.spec.portLevelMtls?.[String(port)]?.mode) ??
    scopes.map((policy) => set(policy?.spec.mtls?.mode)).find((found) => found !== undefined) ??
    'PERMISSIVE';
  return { mode, refs };
}

interface Peer {
  readonly namespace: string;
  readonly labels: Labels;
}

function workloadPolicy({ mesh, config }: MeshSnapshot, workload: Peer): Config<PeerAuthenticationSpec> | undefined {
  // A selector policy in the root namespace has no effect, also on the workloads of that namespace (Istio).
  if (workload.namespace === mesh.rootNamespace) return undefined;
  return config.peerAuthentications.find(
    (policy) =>
      policy.namespace === workload.namespace &&
      hasSelector(policy.spec) &&
      matchesLabels(policy.spec.selector?.matchLabels, workload.labels),
  );
}

/** Ports that have a mode of their own, sorted. */
export const portsWithMode = (snapshot: MeshSnapshot, workload: Peer): readonly number[] =>
  Object.entries(workloadPolicy(snapshot, workload)?.spec.portLevelMtls ?? {})
    .filter(([, { mode }]) => set(mode) !== undefined)
    .map(([port]) => Number(port))
    .sort((a, b) => a - b);

export const hasSelector = (spec: PeerAuthenticationSpec): boolean =>
  Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
