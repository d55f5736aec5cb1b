import { clusterName } from '@weft/contracts';
import type { SourceRef } from '../config-store/config-object.ts';
import { durationMs } from '../model/duration.ts';
import { effectivePolicy, findDestinationRule, type EffectivePolicy } from '../snapshot/destination-rules.ts';
import type { GeneratorContext } from './context.ts';
import { resolveDestination } from './destinations.ts';
import type { OutboundTarget } from './outbound-plan.ts';
import { holdsStatically } from './static-match.ts';
import type { WeightedName } from './tcp-proxy.ts';
import { virtualServiceFor } from './virtual-service-lookup.ts';

export interface TcpTargets {
  readonly targets: readonly WeightedName[];
  readonly idleMs: number | undefined;
  /** A caller's address decides which instance it gets. */
  readonly hashSourceIp: boolean;
  readonly refs: readonly SourceRef[];
}

/** The first `tcp` route that applies, else the service itself. Routes by destination subnet need the caller's own destination, which a bound listener has not. */
export function tcpTargets(context: GeneratorContext, { service, port }: OutboundTarget): TcpTargets {
  const { snapshot, proxy } = context;
  const virtualService = virtualServiceFor(context, service.hostname);
  const site = { proxy, port: port.number, gateways: new Set(['mesh']), namespace: virtualService?.namespace ?? '' };
  const route = virtualService?.spec.tcp?.find(
    ({ match }) =>
      match === undefined ||
      match.length === 0 ||
      match.some((candidate) => (candidate.destinationSubnets ?? []).length === 0 && holdsStatically(candidate, site)),
  );
  if (!virtualService || !route) {
    const rule = findDestinationRule(snapshot, proxy, service);
    return {
      targets: [{ name: clusterName('outbound', port.number, service.hostname), weight: 1 }],
      ...tcpPolicy(effectivePolicy(rule, port.number)),
      refs: rule?.refs ?? [],
    };
  }
  const resolved = (route.route ?? []).map((target) => ({
    ...resolveDestination(context, target.destination, virtualService.namespace, port.number),
    weight: target.weight ?? 0,
    subset: target.destination.subset,
  }));
  const first = resolved[0];
  const rule = first?.service ? findDestinationRule(snapshot, proxy, first.service) : undefined;
  const subset = rule?.subsets.find((candidate) => candidate.name === first?.subset);
  return {
    targets: resolved.map(({ cluster, weight }) => ({ name: cluster, weight })),
    ...tcpPolicy(first ? effectivePolicy(rule, first.port, subset) : {}),
    refs: [virtualService.ref, ...(rule?.refs ?? [])],
  };
}

const tcpPolicy = (policy: EffectivePolicy): Pick<TcpTargets, 'idleMs' | 'hashSourceIp'> => ({
  idleMs: durationMs(policy.connectionPool?.tcp?.idleTimeout),
  hashSourceIp: policy.loadBalancer?.consistentHash?.useSourceIp === true,
});
