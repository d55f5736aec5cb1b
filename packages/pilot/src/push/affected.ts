/** What a change can touch: a pure comparison of two snapshots, so that a push makes anew only what may differ. */
import { isDeepStrictEqual } from 'node:util';
import type { RegisteredWorkload } from '@weft/contracts';
import type { MeshConfig } from '../config-store/mesh-config.ts';
import { PUSH_ORDER, type ResourceKind } from '../generators/resource.ts';
import { serviceKey } from '../model/build-model.ts';
import type { Endpoint } from '../model/service.ts';
import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';

export interface Affected {
  /** Kinds that may differ for anybody. */
  readonly kinds: ReadonlySet<ResourceKind>;
  /** When endpoints are among the kinds: of these services only, by host name. */
  readonly endpointHosts: ReadonlySet<string> | 'all';
  /** Proxies whose own workload changed, by `namespace/name`: everything of theirs may differ. */
  readonly workloads: ReadonlySet<string>;
}

export const EVERYTHING: Affected = {
  kinds: new Set(PUSH_ORDER),
  endpointHosts: 'all',
  workloads: new Set(),
};

/** Which resources are made from which kind of configuration. `cluster` and `endpoint` of VirtualService only where Sidecars scope. */
const BY_CONFIG: Readonly<Record<keyof MeshConfig, readonly ResourceKind[]>> = {
  virtualServices: ['listener', 'route'],
  destinationRules: ['cluster', 'endpoint', 'listener', 'route'],
  gateways: ['listener', 'route'],
  serviceEntries: ['cluster', 'endpoint', 'listener', 'route'],
  // Each is an endpoint of the services that select it, and nothing else.
  workloadEntries: [],
  sidecars: ['cluster', 'endpoint', 'listener', 'route', 'nameTable'],
  peerAuthentications: ['endpoint', 'listener'],
  authorizationPolicies: ['listener'],
  localRateLimits: ['listener', 'route'],
  healthCheckPolicies: ['cluster'],
  listenerLimits: ['listener'],
  telemetries: ['listener'],
  proxyConfigs: [],
  services: ['cluster', 'endpoint', 'listener', 'route'],
  settings: ['cluster', 'endpoint', 'listener', 'route'],
  mixerRules: ['listener'],
  mixerHandlers: ['listener'],
  mixerInstances: ['listener'],
};

export function affectedBy(former: MeshSnapshot | undefined, next: MeshSnapshot): Affected {
  if (!former) return EVERYTHING;
  const kinds = new Set<ResourceKind>();
  let allEndpoints = false;
  for (const [kind, resources] of Object.entries(BY_CONFIG) as [keyof MeshConfig, readonly ResourceKind[]][]) {
    if (isDeepStrictEqual(comparable(kind, former.config), comparable(kind, next.config))) continue;
    for (const resource of resources) kinds.add(resource);
    if (kind === 'virtualServices' && next.config.sidecars.length > 0) kinds.add('cluster').add('endpoint');
    allEndpoints ||= kinds.has('endpoint');
  }
  if (!isDeepStrictEqual(former.services, next.services)) {
    for (const resource of EVERYTHING.kinds) kinds.add(resource);
    allEndpoints = true;
  }
  // Rules of Mixer name callers by what the registry knows of them.
  if (next.denials.some(({ readsSource }) => readsSource) && !sameCallers(former, next)) kinds.add('listener');
  const instancesMatter = [...next.workloads.values()].some(({ interception }) => interception.mode === 'redirect');
  const hosts = new Set<string>();
  // Clusters that do not ask for their endpoints have them inside.
  const asked = new Set(next.services.filter(({ resolution }) => resolution === 'eds').map(serviceKey));
  for (const key of new Set([...former.endpoints.keys(), ...next.endpoints.keys()])) {
    const [a = [], b = []] = [former.endpoints.get(key), next.endpoints.get(key)];
    if (a === b || isDeepStrictEqual(a, b)) continue;
    hosts.add(key.slice(key.indexOf('/') + 1));
    kinds.add('endpoint');
    // A name without a virtual address stands for the instances that are well.
    if (instancesMatter) kinds.add('nameTable');
    // Clients verify the accounts of a service's endpoints: who may answer is part of its clusters. So are addresses that DNS resolves.
    if (
      !asked.has(key) ||
      !isDeepStrictEqual(identities(a), identities(b)) ||
      b.some((endpoint) => !isAddress(endpoint.address))
    )
      kinds.add('cluster');
    // A service without a virtual address is called at its instances, each of which has a listener.
    if (instancesMatter && !isDeepStrictEqual(addresses(a), addresses(b))) kinds.add('listener').add('route');
  }
  // Whether a caller's own choice of host is called over mutual TLS depends on what that service's instances take.
  if (kinds.has('endpoint') && choosesHost(next.config)) kinds.add('cluster');
  return {
    kinds,
    endpointHosts: allEndpoints ? 'all' : hosts,
    workloads: changedWorkloads(former.workloads, next.workloads),
  };
}

/** What endpoints a ServiceEntry lists is compared as endpoints: they come and go far more often than the rest changes. */
const comparable = (kind: keyof MeshConfig, config: MeshConfig): readonly unknown[] =>
  kind === 'serviceEntries'
    ? config.serviceEntries.map((entry) => ({ ...entry, spec: { ...entry.spec, endpoints: [] } }))
    : config[kind];

const choosesHost = ({ destinationRules }: MeshConfig): boolean =>
  destinationRules.some(({ spec }) => JSON.stringify(spec).includes('"PASSTHROUGH"'));

const addresses = (endpoints: readonly Endpoint[]): readonly string[] =>
  endpoints.map((endpoint) => `${endpoint.address}:${endpoint.port}`);
/** Health is of no matter to who somebody is. */
const sameCallers = (former: MeshSnapshot, next: MeshSnapshot): boolean =>
  isDeepStrictEqual(callers(former), callers(next));
const callers = ({ workloads }: MeshSnapshot): readonly unknown[] =>
  [...workloads].map(([key, { labels, serviceAccount }]) => [key, labels, serviceAccount]);

const identities = (endpoints: readonly Endpoint[]): readonly string[] =>
  [...new Set(endpoints.map((endpoint) => `${endpoint.identity ?? ''} ${endpoint.hasSidecar}`))].sort();
const isAddress = (address: string): boolean => /^[\d.]+$/.test(address) || address.includes(':') || address === '';

/** Health is for callers: a workload's own configuration does not depend on it. */
function changedWorkloads(
  former: ReadonlyMap<string, RegisteredWorkload>,
  next: ReadonlyMap<string, RegisteredWorkload>,
): ReadonlySet<string> {
  const changed = new Set<string>();
  for (const [key, workload] of next) {
    const known = former.get(key);
    if (!known || !isDeepStrictEqual({ ...known, health: '' }, { ...workload, health: '' })) changed.add(key);
  }
  return changed;
}

/** Two pushes that wait for one proxy as one. */
export function mergeAffected(a: Affected, b: Affected): Affected {
  const endpointHosts =
    a.endpointHosts === 'all' || b.endpointHosts === 'all' ? 'all' : new Set([...a.endpointHosts, ...b.endpointHosts]);
  return {
    kinds: new Set([...a.kinds, ...b.kinds]),
    endpointHosts,
    workloads: new Set([...a.workloads, ...b.workloads]),
  };
}
