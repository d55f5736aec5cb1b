/** Everything one proxy has at one moment, by kind and name; a later moment reuses what can not have changed. */
import { parseClusterName } from '@weft/contracts';
import { buildClusters } from '../generators/clusters.ts';
import { generatorContext, type GeneratorContext } from '../generators/context.ts';
import type { Encoder } from '../generators/encoder.ts';
import { buildEndpoints, endpointNames } from '../generators/endpoints.ts';
import { buildListeners } from '../generators/listeners.ts';
import type { Memo } from '../generators/memo.ts';
import { buildNames } from '../generators/names.ts';
import { PUSH_ORDER, type EncodedResource, type ResourceKind } from '../generators/resource.ts';
import { buildRoutes, routeNames } from '../generators/routes.ts';
import type { Affected } from '../push/affected.ts';
import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import type { ProxyView } from '../snapshot/proxy-view.ts';

export type ResourceMap = ReadonlyMap<string, EncodedResource>;

export interface ProxyResources {
  readonly version: number;
  readonly proxy: ProxyView;
  of(kind: ResourceKind): ResourceMap;
}

export interface ResourcesInput {
  readonly snapshot: MeshSnapshot;
  readonly proxy: ProxyView;
  readonly memo: Memo;
  readonly encoder: Encoder;
  /** What the proxy had before, and what may differ from it. */
  readonly former?: { readonly resources: ProxyResources; readonly affected: Affected };
}

export function buildProxyResources({ snapshot, proxy, memo, encoder, former }: ResourcesInput): ProxyResources {
  const context = generatorContext(snapshot, proxy, memo);
  const build = (kind: ResourceKind): ResourceMap => {
    if (!former) return buildKind(kind, context, encoder);
    const { resources, affected } = former;
    if (!affected.kinds.has(kind)) return resources.of(kind);
    if (kind === 'endpoint' && affected.endpointHosts !== 'all')
      return refreshEndpoints(resources.of('endpoint'), affected.endpointHosts, context, encoder);
    return buildKind(kind, context, encoder);
  };
  // All at once: a proxy needs them all, and nothing of the former moment is held on to.
  const maps: Readonly<Record<ResourceKind, ResourceMap>> = {
    cluster: build('cluster'),
    endpoint: build('endpoint'),
    listener: build('listener'),
    route: build('route'),
    nameTable: build('nameTable'),
  };
  return { version: snapshot.version, proxy, of: (kind) => maps[kind] };
}

function buildKind(kind: ResourceKind, context: GeneratorContext, encoder: Encoder): ResourceMap {
  switch (kind) {
    case 'cluster':
      return byName(buildClusters(context).map(encoder.cluster));
    case 'endpoint':
      return byName(buildEndpoints(context, endpointNames(context)).map(encoder.endpoint));
    case 'listener':
      return byName(buildListeners(context).map(encoder.listener));
    case 'route':
      return byName(buildRoutes(context, routeNames(context)).map(encoder.route));
    case 'nameTable':
      return byName(buildNames(context).map(encoder.nameTable));
  }
}

const byName = (resources: readonly EncodedResource[]): ResourceMap =>
  new Map(resources.map((resource) => [resource.name, resource]));

/** The endpoint-only path: just the assignments of these services. */
function refreshEndpoints(
  former: ResourceMap,
  hosts: ReadonlySet<string>,
  context: GeneratorContext,
  encoder: Encoder,
): ResourceMap {
  const names = [...former.keys()].filter((name) => hosts.has(parseClusterName(name)?.hostname ?? ''));
  return new Map([...former, ...byName(buildEndpoints(context, names).map(encoder.endpoint))]);
}

/** The names that differ, by kind, in push order; kinds without any are left out. */
export function diffResources(
  former: ProxyResources,
  next: ProxyResources,
): ReadonlyMap<ResourceKind, ReadonlySet<string>> {
  const changes = new Map<ResourceKind, ReadonlySet<string>>();
  for (const kind of PUSH_ORDER) {
    const [a, b] = [former.of(kind), next.of(kind)];
    if (a === b) continue;
    const names = new Set<string>();
    for (const [name, resource] of b) if (a.get(name)?.version !== resource.version) names.add(name);
    for (const name of a.keys()) if (!b.has(name)) names.add(name);
    if (names.size > 0) changes.set(kind, names);
  }
  return changes;
}
