import { clusterName } from '@weft/contracts';
import type { SourceRef } from '../config-store/config-object.ts';
import type { VirtualServiceSpec } from '../config-store/kinds.ts';
import { effectivePolicy, findDestinationRule } from '../snapshot/destination-rules.ts';
import type { VirtualService } from '../snapshot/scope.ts';
import type { GeneratorContext } from './context.ts';
import { resolveDestination } from './destinations.ts';
import type { OutboundTarget } from './outbound-plan.ts';
import { holdsStatically } from './static-match.ts';
import { tcpPolicy, type TcpPolicy, type WeightedName } from './tcp-proxy.ts';
import { virtualServiceFor } from './virtual-service-lookup.ts';

export interface TcpTargets {
  readonly targets: readonly WeightedName[];
  readonly policy: TcpPolicy;
  readonly refs: readonly SourceRef[];
}

/** Of connections that were going to an address in one of these ranges; none = whatever the address. */
export interface SubnetTargets extends TcpTargets {
  readonly subnets: readonly string[];
}

/** For listeners that callers dial: their own address says nothing, so routes by destination subnet are passed over. */
export function tcpTargets(context: GeneratorContext, target: OutboundTarget): TcpTargets {
  return tcpTargetsBySubnet(context, target).at(-1) ?? serviceTargets(context, target);
}

/** The `tcp` routes that can apply, in order, the service itself behind them; the last takes what is left. */
export function tcpTargetsBySubnet(context: GeneratorContext, target: OutboundTarget): readonly SubnetTargets[] {
  const { service, port } = target;
  const virtualService = virtualServiceFor(context, service.hostname);
  const made: SubnetTargets[] = [];
  if (virtualService) {
    const site = { proxy: context.proxy, port: port.number, gateways: MESH, namespace: virtualService.namespace };
    for (const route of virtualService.spec.tcp ?? []) {
      const holding = (route.match ?? []).filter((match) => holdsStatically(match, site));
      const everywhere =
        (route.match ?? []).length === 0 ||
        holding.some(({ destinationSubnets = [] }) => destinationSubnets.length === 0);
      const subnets = everywhere ? [] : holding.flatMap(({ destinationSubnets = [] }) => destinationSubnets);
      if (!everywhere && subnets.length === 0) continue;
      made.push({ subnets, ...routeTargets(context, virtualService, route, port.number) });
      if (everywhere) return made;
    }
  }
  return [...made, { subnets: [], ...serviceTargets(context, target) }];
}

/** Of statistics and names of chains. */
export const tcpPrefix = ({ service, port }: OutboundTarget): string => `outbound|${port.number}||${service.hostname}`;

const MESH: ReadonlySet<string> = new Set(['mesh']);

function serviceTargets({ snapshot, proxy }: GeneratorContext, { service, port }: OutboundTarget): TcpTargets {
  const rule = findDestinationRule(snapshot, proxy, service);
  return {
    targets: [{ name: clusterName('outbound', port.number, service.hostname), weight: 1 }],
    policy: tcpPolicy(effectivePolicy(rule, port.number)),
    refs: rule?.refs ?? [],
  };
}

export function routeTargets(
  context: GeneratorContext,
  virtualService: VirtualService,
  route: Pick<NonNullable<VirtualServiceSpec['tcp']>[number], 'route'>,
  port: number,
): TcpTargets {
  const resolved = (route.route ?? []).map((target) => ({
    ...resolveDestination(context, target.destination, virtualService.namespace, port),
    weight: target.weight ?? 0,
    subset: target.destination.subset,
  }));
  const first = resolved[0];
  const rule = first?.service ? findDestinationRule(context.snapshot, context.proxy, first.service) : undefined;
  const subset = rule?.subsets.find((candidate) => candidate.name === first?.subset);
  return {
    targets: resolved.map(({ cluster, weight }) => ({ name: cluster, weight })),
    policy: tcpPolicy(first ? effectivePolicy(rule, first.port, subset) : {}),
    refs: [virtualService.ref, ...(rule?.refs ?? [])],
  };
}
