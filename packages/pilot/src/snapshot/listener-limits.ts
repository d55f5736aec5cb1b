import type { SourceRef } from '../config-store/config-object.ts';
import type { ListenerLimitsSpec } from '../config-store/kinds.ts';
import { matchesLabels, type Labels } from '../model/labels.ts';
import type { MeshSnapshot } from './mesh-snapshot.ts';

export interface AppliedLimits {
  readonly spec: Omit<ListenerLimitsSpec, 'selector' | 'port'>;
  readonly refs: readonly SourceRef[];
}

/** Those that name the port before those for all, the workload's own namespace before the root's, then the oldest. */
export function limitsOf(
  snapshot: MeshSnapshot,
  workload: { readonly namespace: string; readonly labels: Labels },
  port: number,
): AppliedLimits {
  const { rootNamespace } = snapshot.mesh;
  const applying = snapshot.config.listenerLimits
    .filter(
      ({ namespace, spec }) =>
        (namespace === rootNamespace || namespace === workload.namespace) &&
        (spec.port === undefined || spec.port === port) &&
        matchesLabels(spec.selector?.matchLabels, workload.labels),
    )
    .map((policy) => ({
      policy,
      rank: (policy.spec.port === undefined ? 2 : 0) + (policy.namespace === workload.namespace ? 0 : 1),
    }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ policy }) => policy);
  const parts = <Key extends 'perAddress' | 'http' | 'http2'>(key: Key): NonNullable<ListenerLimitsSpec[Key]> =>
    Object.assign({}, ...applying.toReversed().map(({ spec }) => spec[key])) as NonNullable<ListenerLimitsSpec[Key]>;
  const maxConnections = applying.find(({ spec }) => spec.maxConnections !== undefined)?.spec.maxConnections;
  return {
    spec: {
      ...(maxConnections === undefined ? {} : { maxConnections }),
      perAddress: parts('perAddress'),
      http: parts('http'),
      http2: parts('http2'),
    },
    refs: applying.map(({ ref }) => ref),
  };
}
