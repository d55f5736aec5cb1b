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
export function peerMode(
  snapshot: MeshSnapshot,
  workload: { readonly namespace: string; readonly labels: Labels },
  port: number,
): PeerMode {
  const { mesh, config } = snapshot;
  const policies = config.peerAuthentications;
  const oldest = (
    matches: (policy: Config<PeerAuthenticationSpec>) => boolean,
  ): Config<PeerAuthenticationSpec> | undefined => policies.find(matches);
  const inNamespace = (namespace: string) => (policy: Config<PeerAuthenticationSpec>) =>
    policy.namespace === namespace && !hasSelector(policy.spec);
  const forWorkload =
    // A selector policy in the root namespace has no effect, also on the workloads of that namespace (Istio).
    workload.namespace === mesh.rootNamespace
      ? undefined
      : oldest(
          (policy) =>
            policy.namespace === workload.namespace &&
            hasSelector(policy.spec) &&
            matchesLabels(policy.spec.selector?.matchLabels, workload.labels),
        );
  const scopes = [forWorkload, oldest(inNamespace(workload.namespace)), oldest(inNamespace(mesh.rootNamespace))];
  const refs = [...new Set(scopes)].flatMap((policy) => (policy ? [policy.ref] : []));
  const mode =
    set(forWorkload?.spec.portLevelMtls?.[String(port)]?.mode) ??
    scopes.map((policy) => set(policy?.spec.mtls?.mode)).find((found) => found !== undefined) ??
    'PERMISSIVE';
  return { mode, refs };
}

export const hasSelector = (spec: PeerAuthenticationSpec): boolean =>
  Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
