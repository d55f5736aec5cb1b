import type { SourceRef } from '../config-store/config-object.ts';
import type { RequestLimit } from '../config-store/kinds.ts';
import { matchesLabels, type Labels } from '../model/labels.ts';
import type { MeshSnapshot } from './mesh-snapshot.ts';

export interface AttachedLimit {
  readonly limit: RequestLimit;
  /** Of the limit, among all of the mesh. */
  readonly name: string;
  readonly ref: SourceRef;
}

/** The limits of the root namespace and the workload's own that select it, oldest policy first. Each counts by itself. */
export function attachedLimits(
  snapshot: MeshSnapshot,
  workload: { readonly namespace: string; readonly labels: Labels },
): readonly AttachedLimit[] {
  return snapshot.config.localRateLimits
    .filter(
      (policy) =>
        (policy.namespace === snapshot.mesh.rootNamespace || policy.namespace === workload.namespace) &&
        matchesLabels(policy.spec.selector?.matchLabels, workload.labels),
    )
    .flatMap(({ ref, name, namespace, spec }) =>
      spec.limits.map((limit, i) => ({ limit, name: `${namespace}.${name}.${i}`, ref })),
    );
}
