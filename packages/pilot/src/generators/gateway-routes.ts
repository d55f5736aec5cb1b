/** RDS for gateways: the virtual services that name a Gateway, joined per host. */
import { create } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import {
  VirtualHost_TlsRequirementType,
  type Route,
  type VirtualHost,
} from '@weft/contracts/full/envoy/config/route/v3/route_components';
import type { SourceRef } from '../config-store/config-object.ts';
import { compareText, intersects, moreSpecific } from '../model/hostname.ts';
import type { VirtualService } from '../snapshot/scope.ts';
import type { GeneratorContext } from './context.ts';
import { planGateway, type BoundServer, type GatewayListener } from './gateway-plan.ts';
import { limitFilters } from './local-rate-limit.ts';
import { generated, type GeneratedRoutes } from './resource.ts';
import { isCatchAll } from './route-match.ts';
import { routeConfigurationDefaults, virtualHost } from './sidecar-routes.ts';
import { gatewayKey } from './static-match.ts';
import { hostsOf } from './virtual-service-lookup.ts';
import { virtualServiceRoutes } from './virtual-service-routes.ts';

/** @returns undefined when the gateway has no listener that asks for this name. */
export function gatewayRoutes(context: GeneratorContext, name: string): GeneratedRoutes | undefined {
  const listeners = planGateway(context).filter((listener) => listener.routeName === name);
  const [first] = listeners;
  if (!first) return undefined;
  const hosts = new Map<string, JoinedHost>();
  const refs: SourceRef[] = [];
  for (const server of listeners.flatMap((listener) => listener.servers)) {
    refs.push(server.gateway.ref);
    if (server.server.tls?.httpsRedirect)
      for (const { dnsName } of server.hosts) hostOf(hosts, dnsName).requireTls = true;
    for (const virtualService of context.scope.virtualServices)
      refs.push(...addVirtualService(context, first, server, virtualService, hosts));
  }
  const virtualHosts = [...hosts.entries()]
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([host, joined]) => toVirtualHost(host, first.gatewayPort, joined));
  // Nothing is routed yet: every request gets 404.
  const limits = limitFilters(context, 'gateway', first.gatewayPort);
  for (const host of virtualHosts) host.rateLimits = [...limits.rateLimits];
  const all = virtualHosts.length > 0 ? virtualHosts : [virtualHost(`blackhole:${first.gatewayPort}`, ['*'], [])];
  return generated(
    create(RouteConfigurationSchema, {
      ...routeConfigurationDefaults(),
      name,
      ignorePortInHostMatching: true,
      virtualHosts: all,
    }),
    [...refs, ...limits.refs],
  );
}

interface JoinedHost {
  readonly routes: Route[];
  /** Virtual services already in, so that two servers of one port do not double their routes. */
  readonly from: Set<VirtualService>;
  requireTls: boolean;
}

function hostOf(hosts: Map<string, JoinedHost>, host: string): JoinedHost {
  const known = hosts.get(host) ?? { routes: [], from: new Set<VirtualService>(), requireTls: false };
  hosts.set(host, known);
  return known;
}

function addVirtualService(
  context: GeneratorContext,
  listener: GatewayListener,
  { gateway, hosts: serverHosts }: BoundServer,
  virtualService: VirtualService,
  joined: Map<string, JoinedHost>,
): readonly SourceRef[] {
  const key = `${gateway.namespace}/${gateway.name}`;
  const named = (virtualService.spec.gateways ?? []).some((name) => gatewayKey(name, virtualService.namespace) === key);
  if (!named) return [];
  const bound = new Set(
    hostsOf(virtualService, context.snapshot.mesh.domainSuffix).flatMap((host) =>
      serverHosts
        .filter(
          ({ namespace, dnsName }) =>
            (namespace === '*' || namespace === virtualService.namespace) && intersects(dnsName, host),
        )
        .map(({ dnsName }) => moreSpecific(dnsName, host)),
    ),
  );
  if (bound.size === 0) return [];
  const site = {
    proxy: context.proxy,
    port: listener.gatewayPort,
    gateways: new Set([key]),
    namespace: virtualService.namespace,
  };
  const made = virtualServiceRoutes(context, virtualService, site);
  for (const host of bound) {
    const target = hostOf(joined, host);
    if (target.from.has(virtualService)) continue;
    target.from.add(virtualService);
    target.routes.push(...made.routes);
  }
  return made.refs;
}

/** Oldest virtual service first; routes that take everything go behind all others. */
function toVirtualHost(host: string, port: number, { routes, requireTls }: JoinedHost): VirtualHost {
  const takesAll = (route: Route): boolean => route.match !== undefined && isCatchAll(route.match);
  const ordered = [...routes.filter((route) => !takesAll(route)), ...routes.filter(takesAll).slice(0, 1)];
  const built = virtualHost(`${host}:${port}`, [host], ordered);
  if (requireTls) built.requireTls = VirtualHost_TlsRequirementType.ALL;
  return built;
}
