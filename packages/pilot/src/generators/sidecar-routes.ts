/** RDS for sidecars: a virtual host per service, routed by its virtual service where it has one. */
import { create } from '@bufbuild/protobuf';
import { clusterName, PASSTHROUGH_CLUSTER } from '@weft/contracts';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import {
  RouteSchema,
  VirtualHostSchema,
  type Route,
  type VirtualHost,
} from '@weft/contracts/full/envoy/config/route/v3/route_components';
import type { SourceRef } from '../config-store/config-object.ts';
import { compareText } from '../model/hostname.ts';
import { planCaptured } from './captured-plan.ts';
import type { GeneratorContext } from './context.ts';
import { duration, type Init } from './envoy.ts';
import { importsVirtualService } from '../snapshot/scope.ts';
import { planOutbound, type OutboundHttpListener, type OutboundTarget } from './outbound-plan.ts';
import { generated, type GeneratedRoutes } from './resource.ts';
import { retryPolicy } from './retry.ts';
import { hashPolicyOf, timeLimits } from './route-action.ts';
import { sessionConfig } from './session.ts';
import { createDomainClaims, domainsWithPort, serviceDomains } from './virtual-hosts.ts';
import { hostsOf, virtualServiceFor } from './virtual-service-lookup.ts';
import { virtualServiceRoutes, type MadeRoutes } from './virtual-service-routes.ts';

const MAX_DIRECT_RESPONSE_BYTES = 1 << 20;

type RouteConfigurationInit = Init<typeof RouteConfigurationSchema>;

export const routeConfigurationDefaults = (): RouteConfigurationInit => ({
  // A route to a cluster that is not there yet, or never will be, fails its own requests only.
  validateClusters: false,
  maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE_BYTES,
});

/** All that speak HTTP for the workload, dialled or redirected to. */
export const routedListeners = (context: GeneratorContext): readonly OutboundHttpListener[] => [
  ...planOutbound(context).flatMap((listener) => (listener.kind === 'tcp' ? [] : [listener])),
  ...planCaptured(context).flatMap(({ http }) => (http ? [http] : [])),
];

/** @returns undefined when the proxy has no listener that asks for this name. */
export function sidecarRoutes(context: GeneratorContext, name: string): GeneratedRoutes | undefined {
  const listeners = routedListeners(context).filter((listener) => listener.routeName === name);
  const [first] = listeners;
  if (!first) return undefined;
  const targets = listeners.flatMap((listener) => listener.targets);
  const made = first.hosts === 'service' ? ownedBy(context, first) : byHost(context, first, targets);
  const sidecar = context.scope.sidecar;
  return generated(
    create(RouteConfigurationSchema, {
      ...routeConfigurationDefaults(),
      name,
      ignorePortInHostMatching: first.hosts !== 'proxy',
      virtualHosts: made.virtualHosts,
    }),
    [...made.refs, ...(sidecar ? [sidecar.ref] : [])],
  );
}

interface MadeHosts {
  readonly virtualHosts: VirtualHost[];
  readonly refs: readonly SourceRef[];
}

/** The address is one service's own: whatever Host says, that service is meant. */
function ownedBy(context: GeneratorContext, listener: OutboundHttpListener): MadeHosts {
  const [target] = listener.targets;
  if (!target) return { virtualHosts: [catchAll(context)], refs: [] };
  const { routes, refs } = targetRoutes(context, target);
  const domains = [...serviceDomains(context, target.service), '*'];
  return {
    virtualHosts: [virtualHost(`${target.service.hostname}:${target.port.number}`, domains, routes)],
    refs: [...target.service.refs, ...refs],
  };
}

/** Host chooses among the services of this port (of all ports, for the HTTP proxy). */
function byHost(
  context: GeneratorContext,
  listener: OutboundHttpListener,
  targets: readonly OutboundTarget[],
): MadeHosts {
  const proxy = listener.hosts === 'proxy';
  const withPort = (domains: readonly string[], port: number): readonly string[] =>
    proxy ? domainsWithPort(domains, port) : domains;
  const claims = createDomainClaims(targets.map(({ service }) => service.hostname));
  const virtualHosts: VirtualHost[] = [];
  const refs: SourceRef[] = [];
  for (const target of targets) {
    const domains = claims.claim(
      withPort(serviceDomains(context, target.service), target.port.number),
      target.service.hostname,
    );
    if (domains.length === 0) continue;
    const made = targetRoutes(context, target);
    virtualHosts.push(virtualHost(`${target.service.hostname}:${target.port.number}`, domains, made.routes));
    refs.push(...target.service.refs, ...made.refs);
  }
  for (const { host, port, made } of foreignHosts(context, listener, targets)) {
    const domains = claims.claim(withPort([host], port), host);
    if (domains.length === 0) continue;
    virtualHosts.push(virtualHost(`${host}:${port}`, domains, made.routes));
    refs.push(...made.refs);
  }
  return { virtualHosts: [...virtualHosts.toSorted((a, b) => compareText(a.name, b.name)), catchAll(context)], refs };
}

interface ForeignHost {
  readonly host: string;
  readonly port: number;
  readonly made: MadeRoutes;
}

/** Hosts of virtual services that are no service: on port 80, and on the ports of a wildcard service that covers them. */
function foreignHosts(
  context: GeneratorContext,
  listener: OutboundHttpListener,
  targets: readonly OutboundTarget[],
): readonly ForeignHost[] {
  const { scope, snapshot, proxy } = context;
  const names = new Set(targets.map(({ service }) => service.hostname));
  const { domainSuffix } = snapshot.mesh;
  const seen = new Set<string>();
  const imported = scope.virtualServices.filter(
    (virtualService) =>
      (virtualService.spec.http ?? []).length > 0 &&
      (listener.egressHosts === undefined ||
        importsVirtualService(listener.egressHosts, virtualService, proxy.namespace, domainSuffix)),
  );
  return imported.flatMap((virtualService) =>
    hostsOf(virtualService, domainSuffix).flatMap((host): readonly ForeignHost[] => {
      if (scope.byHostname.has(host) || seen.has(host) || host === '*' || coversSome(host, names)) return [];
      seen.add(host);
      const wildcardPorts = targets
        .filter(({ service }) => service.hostname.startsWith('*') && host.endsWith(service.hostname.slice(1)))
        .map(({ port }) => port.number);
      const http = listener.servicePort === 80 || listener.hosts === 'proxy' ? [80] : [];
      return [...new Set([...wildcardPorts, ...http])].map((port) => ({
        host,
        port,
        made: virtualServiceRoutes(context, virtualService, {
          proxy,
          port,
          gateways: new Set(['mesh']),
          namespace: virtualService.namespace,
        }),
      }));
    }),
  );
}

/** A wildcard host already rules the services that it covers. */
const coversSome = (host: string, names: ReadonlySet<string>): boolean =>
  host.startsWith('*') && [...names].some((name) => name.endsWith(host.slice(1)));

function targetRoutes(context: GeneratorContext, { service, port }: OutboundTarget): MadeRoutes {
  const virtualService = virtualServiceFor(context, service.hostname);
  if (virtualService?.spec.http && virtualService.spec.http.length > 0) {
    return virtualServiceRoutes(context, virtualService, {
      proxy: context.proxy,
      port: port.number,
      gateways: new Set(['mesh']),
      namespace: virtualService.namespace,
    });
  }
  return defaultRoute(context, { service, port });
}

/** No time limit, the mesh's retries, all endpoints of the service. */
function defaultRoute(context: GeneratorContext, { service, port }: OutboundTarget): MadeRoutes {
  const cluster = clusterName('outbound', port.number, service.hostname);
  const hash = hashPolicyOf(context, { cluster, hostname: service.hostname, port: port.number, service });
  const retry = retryPolicy(undefined, context.snapshot.mesh.defaultHttpRetryPolicy, hash.policies.length > 0);
  const route = create(RouteSchema, {
    name: 'default',
    match: { pathSpecifier: { case: 'prefix', value: '/' } },
    decorator: { operation: `${service.hostname}:${port.number}/*` },
    typedPerFilterConfig: sessionConfig(service),
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: cluster },
        ...timeLimits(0),
        ...(retry ? { retryPolicy: retry } : {}),
        ...(hash.policies.length > 0 ? { hashPolicy: [...hash.policies] } : {}),
      },
    },
  });
  return { routes: [route], refs: hash.refs };
}

export const virtualHost = (name: string, domains: readonly string[], routes: readonly Route[]): VirtualHost =>
  create(VirtualHostSchema, { name, domains: [...domains], routes: [...routes], includeRequestAttemptCount: true });

/**
 * Names that no service has. Passing on needs the caller's original destination, which there is none of where programs dial
 * the proxy; so without interception such requests are refused, also under ALLOW_ANY, instead of looping back to the proxy.
 */
function catchAll({ scope, proxy }: GeneratorContext): VirtualHost {
  const allowed = scope.unknownTraffic === 'ALLOW_ANY' && proxy.interception.mode === 'redirect';
  const action: Init<typeof RouteSchema>['action'] = allowed
    ? {
        case: 'route',
        value: { clusterSpecifier: { case: 'cluster', value: PASSTHROUGH_CLUSTER }, timeout: duration(0) },
      }
    : { case: 'directResponse', value: { status: 502 } };
  const name = allowed ? 'allow_any' : 'block_all';
  return virtualHost(
    name,
    ['*'],
    [create(RouteSchema, { name, match: { pathSpecifier: { case: 'prefix', value: '/' } }, action })],
  );
}
