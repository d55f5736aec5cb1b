import type { SourceRef } from '../config-store/config-object.ts';
import type { GeneratorContext } from './context.ts';
import type { OutboundTarget } from './outbound-plan.ts';
import type { ChainInit } from './listener-parts.ts';
import { holdsStatically } from './static-match.ts';
import { tcpProxy } from './tcp-proxy.ts';
import { routeTargets, tcpPrefix } from './tcp-routes.ts';
import { virtualServiceFor } from './virtual-service-lookup.ts';

export interface TlsRoutes {
  readonly chains: readonly ChainInit[];
  readonly refs: readonly SourceRef[];
}

const MESH: ReadonlySet<string> = new Set(['mesh']);

/** The `tls` routes that can apply: TLS that goes through as it is, by the name that the client asks for. The first route that names one has it. */
export function tlsRoutes(context: GeneratorContext, target: OutboundTarget): TlsRoutes {
  const { service, port } = target;
  const virtualService = virtualServiceFor(context, service.hostname);
  if (!virtualService?.spec.tls) return { chains: [], refs: [] };
  const site = { proxy: context.proxy, port: port.number, gateways: MESH, namespace: virtualService.namespace };
  const prefix = tcpPrefix(target);
  const taken = new Set<string>();
  const chains: ChainInit[] = [];
  const refs: SourceRef[] = [];
  for (const [index, route] of virtualService.spec.tls.entries()) {
    const names = route.match
      .filter((match) => holdsStatically(match, site) && (match.destinationSubnets ?? []).length === 0)
      .flatMap(({ sniHosts }) => sniHosts.map((host) => host.toLowerCase()))
      .filter((host) => !taken.has(host));
    if (names.length === 0) continue;
    for (const name of names) taken.add(name);
    const { targets, policy, refs: found } = routeTargets(context, virtualService, route, port.number);
    refs.push(...found);
    chains.push({
      name: `${prefix}_tls_${index}`,
      filterChainMatch: {
        transportProtocol: 'tls',
        // A lone star is every name, and none.
        ...(names.includes('*') ? {} : { serverNames: [...new Set(names)] }),
      },
      filters: [tcpProxy(context.snapshot.mesh, prefix, targets, policy)],
    });
  }
  return { chains, refs };
}
