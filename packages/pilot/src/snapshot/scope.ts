/** What one proxy may see: services, virtual services and how unknown traffic is treated, by exportTo and Sidecar resources. */
import type { Config } from '../config-store/config-object.ts';
import type { Destination, SidecarEgress, SidecarSpec, VirtualServiceSpec } from '../config-store/kinds.ts';
import { covers, intersects, resolveHost } from '../model/hostname.ts';
import { matchesLabels } from '../model/labels.ts';
import type { Service } from '../model/service.ts';
import { exportToOr, isVisible } from '../model/visibility.ts';
import type { MeshSnapshot } from './mesh-snapshot.ts';
import type { ProxyView } from './proxy-view.ts';

export type VirtualService = Config<VirtualServiceSpec>;

export interface ProxyScope {
  /** One per host name, sorted: those the proxy may address by name. */
  readonly services: readonly Service[];
  /** Beside those, what imported virtual services lead to: they have clusters but no names. */
  readonly clusterServices: readonly Service[];
  readonly byHostname: ReadonlyMap<string, Service>;
  /** For sidecars those of the gateway `mesh`; for gateways all that are visible. Oldest first. */
  readonly virtualServices: readonly VirtualService[];
  readonly unknownTraffic: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly sidecar: Config<SidecarSpec> | undefined;
}

export function buildScope(snapshot: MeshSnapshot, proxy: ProxyView): ProxyScope {
  const sidecar = proxy.type === 'sidecar' ? findSidecar(snapshot, proxy) : undefined;
  const egress = sidecar?.spec.egress ?? [];
  const imports =
    sidecar === undefined || egress.length === 0 ? undefined : egress.flatMap((listener) => listener.hosts);
  const exported = visibleServices(snapshot, proxy.namespace);
  const services = oneByHostname(
    imports === undefined ? exported : exported.filter((service) => isImported(imports, service, proxy.namespace)),
    proxy.namespace,
  );
  const virtualServices = visibleVirtualServices(snapshot, proxy).filter(
    (virtualService) =>
      imports === undefined ||
      importsVirtualService(imports, virtualService, proxy.namespace, snapshot.mesh.domainSuffix),
  );
  const all = oneByHostname(exported, proxy.namespace);
  const allByHostname = new Map(all.map((service) => [service.hostname, service]));
  const clusterServices =
    imports === undefined
      ? services
      : withDestinations(services, virtualServices, allByHostname, snapshot.mesh.domainSuffix);
  return {
    services,
    clusterServices,
    byHostname: new Map(clusterServices.map((service) => [service.hostname, service])),
    virtualServices,
    // REGISTRY_ONLY is the zero of the enum: a block without a mode means it (Istio).
    unknownTraffic: sidecar?.spec.outboundTrafficPolicy
      ? (sidecar.spec.outboundTrafficPolicy.mode ?? 'REGISTRY_ONLY')
      : snapshot.mesh.outboundTrafficPolicy.mode,
    sidecar,
  };
}

/** In the proxy's namespace one whose selector matches, else one without selector, else the root namespace's; the oldest of each. */
export function findSidecar(snapshot: MeshSnapshot, proxy: ProxyView): Config<SidecarSpec> | undefined {
  const { sidecars } = snapshot.config;
  const selects = (sidecar: Config<SidecarSpec>): boolean =>
    Object.keys(sidecar.spec.workloadSelector?.labels ?? {}).length > 0;
  return (
    sidecars.find(
      (sidecar) =>
        sidecar.namespace === proxy.namespace &&
        selects(sidecar) &&
        matchesLabels(sidecar.spec.workloadSelector?.labels, proxy.labels),
    ) ??
    sidecars.find((sidecar) => sidecar.namespace === proxy.namespace && !selects(sidecar)) ??
    sidecars.find((sidecar) => sidecar.namespace === snapshot.mesh.rootNamespace && !selects(sidecar))
  );
}

export const visibleServices = (snapshot: MeshSnapshot, namespace: string): readonly Service[] =>
  snapshot.services.filter((service) => isVisible(service.exportTo, service.namespace, namespace));

/** The services that one egress listener of a Sidecar names. */
export function egressServices(scope: ProxyScope, egress: SidecarEgress, namespace: string): readonly Service[] {
  return scope.services.filter((service) => isImported(egress.hosts, service, namespace));
}

function visibleVirtualServices(snapshot: MeshSnapshot, proxy: ProxyView): readonly VirtualService[] {
  return snapshot.config.virtualServices.filter(
    ({ spec, namespace }) =>
      isVisible(exportToOr(spec.exportTo, snapshot.mesh.defaultVirtualServiceExportTo), namespace, proxy.namespace) &&
      (proxy.type === 'router' ||
        spec.gateways === undefined ||
        spec.gateways.length === 0 ||
        spec.gateways.includes('mesh')),
  );
}

/** Same host name in several namespaces: the proxy's own, then one that a platform declares, then the oldest. */
function oneByHostname(services: readonly Service[], namespace: string): readonly Service[] {
  const chosen = new Map<string, Service>();
  const rank = (service: Service): number =>
    service.namespace === namespace ? 0 : service.origin === 'service-entry' ? 2 : 1;
  for (const service of services) {
    const known = chosen.get(service.hostname);
    const better =
      known === undefined ||
      rank(service) < rank(known) ||
      (rank(service) === rank(known) && (service.createdAt ?? 0) < (known.createdAt ?? 0));
    if (better) chosen.set(service.hostname, service);
  }
  return [...chosen.values()];
}

interface EgressHost {
  readonly namespace: string;
  readonly dnsName: string;
}

function parseEgressHost(host: string, own: string): EgressHost {
  const slash = host.indexOf('/');
  const namespace = slash < 0 ? '*' : host.slice(0, slash);
  return { namespace: namespace === '.' ? own : namespace, dnsName: host.slice(slash + 1).toLowerCase() };
}

const inNamespace = (wanted: string, actual: string): boolean => wanted === '*' || wanted === actual;

function isImported(hosts: readonly string[], service: Service, own: string): boolean {
  return hosts.some((host) => {
    const { namespace, dnsName } = parseEgressHost(host, own);
    return namespace !== '~' && inNamespace(namespace, service.namespace) && covers(dnsName, service.hostname);
  });
}

/** True when a Sidecar's egress hosts name one of the virtual service's. */
export function importsVirtualService(
  hosts: readonly string[],
  virtualService: VirtualService,
  own: string,
  domainSuffix: string,
): boolean {
  return hosts.some((host) => {
    const { namespace, dnsName } = parseEgressHost(host, own);
    if (namespace === '~' || !inNamespace(namespace, virtualService.namespace)) return false;
    return (virtualService.spec.hosts ?? []).some((name) =>
      intersects(dnsName, resolveHost(name, virtualService.namespace, domainSuffix)),
    );
  });
}

function withDestinations(
  services: readonly Service[],
  virtualServices: readonly VirtualService[],
  known: ReadonlyMap<string, Service>,
  domainSuffix: string,
): readonly Service[] {
  const byHostname = new Map(services.map((service) => [service.hostname, service]));
  for (const virtualService of virtualServices) {
    for (const { host } of destinationsOf(virtualService.spec)) {
      const service = known.get(resolveHost(host, virtualService.namespace, domainSuffix));
      if (service && !byHostname.has(service.hostname)) byHostname.set(service.hostname, service);
    }
  }
  return [...byHostname.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, service]) => service);
}

/** Every destination that a virtual service names, mirrors too. */
export function destinationsOf(spec: VirtualServiceSpec): readonly Destination[] {
  return [
    ...(spec.http ?? []).flatMap((route) => [
      ...(route.route ?? []).map((target) => target.destination),
      ...(route.mirror ? [route.mirror] : []),
      ...(route.mirrors ?? []).map((mirror) => mirror.destination),
    ]),
    ...(spec.tls ?? []).flatMap((route) => (route.route ?? []).map((target) => target.destination)),
    ...(spec.tcp ?? []).flatMap((route) => (route.route ?? []).map((target) => target.destination)),
  ];
}
