import type { Config } from '../config-store/config-object.ts';
import type { AuthorizationPolicySpec } from '../config-store/kinds.ts';
import { matchesLabels, type Labels } from '../model/labels.ts';
import type { MeshSnapshot } from './mesh-snapshot.ts';

export interface AttachedPolicies {
  readonly deny: readonly Config<AuthorizationPolicySpec>[];
  readonly allow: readonly Config<AuthorizationPolicySpec>[];
}

/** The policies of the root namespace and the workload's own that select it. Those with targetRefs are for waypoints only. */
export function attachedPolicies(
  snapshot: MeshSnapshot,
  workload: { readonly namespace: string; readonly labels: Labels },
): AttachedPolicies {
  const attached = snapshot.config.authorizationPolicies.filter(
    (policy) =>
      (policy.namespace === snapshot.mesh.rootNamespace || policy.namespace === workload.namespace) &&
      policy.spec.targetRef === undefined &&
      (policy.spec.targetRefs ?? []).length === 0 &&
      policy.annotations['istio.io/dry-run'] !== 'true' &&
      matchesLabels(policy.spec.selector?.matchLabels, workload.labels),
  );
  return {
    // CUSTOM asks somebody who can not be asked yet: what it would have asked about is denied, as for an unknown provider.
    deny: attached.filter(({ spec }) => spec.action === 'DENY' || spec.action === 'CUSTOM'),
    allow: attached.filter(({ spec }) => spec.action === undefined || spec.action === 'ALLOW'),
  };
}
