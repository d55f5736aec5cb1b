/** The traffic graph: workloads (and what is none) as nodes, calls between them as edges. Pure. */
import type { GraphEdge, GraphNode, GraphNodeKind, GraphView, PeerView } from '@weft/contracts/console-views';
import {
  compareHealth,
  edgeHealth,
  requestReasons,
  healthOf,
  serviceHealth,
  workloadHealth,
} from '../health/health.ts';
import { codesOf, mtlsOf, tallyOf, trafficOf } from '../health/traffic.ts';
import type { CallStats } from './calls.ts';
import { endpointCount } from './endpoints.ts';
import { groupBy, keyOf, type Picture, proxiesByWorkload } from './picture.ts';

interface NodeRef {
  readonly id: string;
  readonly kind: GraphNodeKind;
  readonly namespace: string;
  readonly name: string;
  readonly service?: string;
  readonly version?: string;
}

export interface GraphLimits {
  readonly maxNodes: number;
  readonly maxEdges: number;
}

/** @param namespaces only what is in, calls, or is called from these; all when empty. */
export function buildGraph(picture: Picture, limits: GraphLimits, namespaces: readonly string[] = []): GraphView {
  const refs = new Map<string, NodeRef>();
  const note = (ref: NodeRef): NodeRef => {
    const known = refs.get(ref.id);
    if (known) return known;
    refs.set(ref.id, ref);
    return ref;
  };
  for (const ref of registryNodes(picture)) note(ref);
  const pairs = picture.calls.map((call) => ({
    call,
    source: note(sourceNode(call)),
    target: note(targetNode(call)),
  }));

  const inbound = groupBy(pairs, ({ target }) => target.id);
  const outbound = groupBy(pairs, ({ source }) => source.id);
  const callsOf = (group: readonly { readonly call: CallStats }[] | undefined): readonly CallStats[] =>
    (group ?? []).map(({ call }) => call);
  const describe = nodeDescriber(picture);
  const nodes = [...refs.values()].map((ref) =>
    describe(ref, callsOf(inbound.get(ref.id)), callsOf(outbound.get(ref.id))),
  );
  const edges = [
    ...groupBy(pairs, ({ source, target, call }) => `${source.id}>${target.id}>${call.protocol}`).values(),
  ].map((group) => buildEdge(group, picture.measuredMs));
  const inScope = scopeTo(namespaces, nodes, edges);
  return {
    generatedAt: picture.nowMs,
    windowMs: picture.windowMs,
    ...limit(inScope.nodes, inScope.edges, limits),
  };
}

/** Every workload is drawn, busy or not: an idle mesh is a picture too. */
function registryNodes({ workloads }: Picture): readonly NodeRef[] {
  return workloads.map(({ namespace, name, kind, service, labels }) => {
    const version = labels['version'];
    return {
      id: `workload/${keyOf(namespace, name)}`,
      kind: kind === 'gateway' ? 'gateway' : 'workload',
      namespace,
      name,
      ...(service === undefined ? {} : { service }),
      ...(version === undefined ? {} : { version }),
    };
  });
}

function sourceNode({ source: { namespace, workload, version } }: CallStats): NodeRef {
  if (workload === undefined) return { id: 'unknown', kind: 'unknown', namespace: '', name: 'unknown' };
  return workloadNode(namespace, workload, undefined, version);
}

function targetNode({ destination: { namespace, workload, service, version, host } }: CallStats): NodeRef {
  if (workload !== undefined) return workloadNode(namespace, workload, service, version);
  if (service !== undefined)
    return { id: `service/${keyOf(namespace, service)}`, kind: 'service', namespace, name: service, service };
  const name = host ?? 'unknown';
  return { id: `external/${name}`, kind: 'external', namespace: '', name };
}

const workloadNode = (namespace: string, name: string, service?: string, version?: string): NodeRef => ({
  id: `workload/${keyOf(namespace, name)}`,
  kind: 'workload',
  namespace,
  name,
  ...(service === undefined ? {} : { service }),
  ...(version === undefined ? {} : { version }),
});

function nodeDescriber(picture: Picture) {
  const workloads = new Map(picture.workloads.map((workload) => [keyOf(workload.namespace, workload.name), workload]));
  const services = new Map(picture.services.map((service) => [keyOf(service.namespace, service.name), service]));
  const proxies = proxiesByWorkload(picture.proxies);

  return (ref: NodeRef, received: readonly CallStats[], made: readonly CallStats[]): GraphNode => {
    const [inbound, outbound] = [tallyOf(received), tallyOf(made)];
    const key = keyOf(ref.namespace, ref.name);
    const workload = workloads.get(key);
    const service = services.get(key);
    const health = () => {
      if (workload && ref.id.startsWith('workload/'))
        return workloadHealth(workload, proxies.get(key), inbound, outbound, picture.nowMs);
      if (service && ref.kind === 'service')
        return serviceHealth(endpointCount(service, picture.workloads), inbound, service.internal);
      const reasons = [...requestReasons(inbound, 'inbound'), ...requestReasons(outbound, 'outbound')];
      const calm = inbound.requests > 0 ? `No errors in ${inbound.requests} requests.` : undefined;
      return healthOf(reasons, calm, NOT_KNOWN[ref.kind]);
    };
    return {
      ...ref,
      idle: inbound.requests + outbound.requests === 0,
      health: health(),
      inbound: trafficOf(inbound, picture.measuredMs),
      outbound: trafficOf(outbound, picture.measuredMs),
    };
  };
}

const NOT_KNOWN: Readonly<Record<GraphNodeKind, string>> = {
  unknown: 'Callers without a sidecar: nothing is known of them.',
  external: 'Outside the mesh.',
  service: 'Not in the registry any more.',
  workload: 'Not in the registry any more.',
  gateway: 'Not in the registry any more.',
};

function buildEdge(
  group: readonly { readonly call: CallStats; readonly source: NodeRef; readonly target: NodeRef }[],
  measuredMs: number,
): GraphEdge {
  const calls = group.map(({ call }) => call);
  const tally = tallyOf(calls);
  const [first] = group;
  if (!first) throw new RangeError('an edge has at least one call');
  const { source, target, call } = first;
  const host = call.destination.host;
  const sourcePrincipal = calls.find(({ source: { principal } }) => principal)?.source.principal;
  const destinationPrincipal = calls.find(({ destination: { principal } }) => principal)?.destination.principal;
  return {
    id: `${source.id}>${target.id}>${call.protocol}`,
    source: source.id,
    target: target.id,
    protocol: call.protocol,
    ...(host === undefined ? {} : { service: host }),
    traffic: trafficOf(tally, measuredMs),
    ...mtlsOf(tally),
    ...(sourcePrincipal === undefined ? {} : { sourcePrincipal }),
    ...(destinationPrincipal === undefined ? {} : { destinationPrincipal }),
    codes: codesOf(tally, measuredMs),
    health: edgeHealth(tally),
  };
}

function scopeTo(namespaces: readonly string[], nodes: readonly GraphNode[], edges: readonly GraphEdge[]) {
  if (namespaces.length === 0) return { nodes, edges };
  const wanted = new Set(namespaces);
  const inside = new Set(nodes.filter(({ namespace }) => wanted.has(namespace)).map(({ id }) => id));
  const kept = edges.filter(({ source, target }) => inside.has(source) || inside.has(target));
  const touched = new Set(kept.flatMap(({ source, target }) => [source, target]));
  return { nodes: nodes.filter(({ id }) => inside.has(id) || touched.has(id)), edges: kept };
}

/** Troubled ones stay, then the busy; what is left out is counted, and no edge loses an end. */
function limit(nodes: readonly GraphNode[], edges: readonly GraphEdge[], { maxNodes, maxEdges }: GraphLimits) {
  const traffic = (node: GraphNode): number => node.inbound.requestsPerSecond + node.outbound.requestsPerSecond;
  const keptNodes = nodes
    .toSorted((a, b) => compareHealth(a.health.status, b.health.status) || traffic(b) - traffic(a) || byId(a, b))
    .slice(0, maxNodes);
  const ids = new Set(keptNodes.map(({ id }) => id));
  const keptEdges = edges
    .filter(({ source, target }) => ids.has(source) && ids.has(target))
    .toSorted(
      (a, b) =>
        compareHealth(a.health.status, b.health.status) ||
        b.traffic.requestsPerSecond - a.traffic.requestsPerSecond ||
        byId(a, b),
    )
    .slice(0, maxEdges);
  // By id in the end, so that equal traffic gives an equal picture and nothing jumps between two ticks.
  return {
    nodes: keptNodes.sort(byId),
    edges: keptEdges.sort(byId),
    hidden: { nodes: nodes.length - keptNodes.length, edges: edges.length - keptEdges.length },
  };
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number =>
  a.id < b.id ? -1 : a.id > b.id ? 1 : 0;

/** The other ends of a node's calls, busiest first. @param toward `callers` or `callees` of the node. */
export function peersOf(graph: GraphView, nodeId: string, toward: 'callers' | 'callees'): readonly PeerView[] {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  return graph.edges
    .filter((edge) => (toward === 'callers' ? edge.target : edge.source) === nodeId)
    .flatMap((edge): PeerView[] => {
      const node = nodes.get(toward === 'callers' ? edge.source : edge.target);
      if (!node) return [];
      const { id, kind, namespace, name, version } = node;
      const { protocol, traffic, mtls, health } = edge;
      return [
        { id, kind, namespace, name, ...(version === undefined ? {} : { version }), protocol, traffic, mtls, health },
      ];
    })
    .toSorted((a, b) => b.traffic.requestsPerSecond - a.traffic.requestsPerSecond);
}
