/** EDS: one assignment per outbound cluster name that a proxy asks for; unknown names get an empty one, so that nobody waits. */
import { create } from '@bufbuild/protobuf';
import { ISTIO_METADATA, parseClusterName, TRANSPORT_SOCKET_MATCH_METADATA, WEFT_METADATA } from '@weft/contracts';
import { HealthStatus } from '@weft/contracts/full/envoy/config/core/v3/health_check';
import {
  ClusterLoadAssignmentSchema,
  type ClusterLoadAssignment,
} from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { LbEndpointSchema, type LbEndpoint } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint_components';
import { serviceKey } from '../model/build-model.ts';
import { compareText } from '../model/hostname.ts';
import { canonicalName, canonicalRevision } from '../model/labels.ts';
import type { Endpoint, Service } from '../model/service.ts';
import { effectivePolicy, findDestinationRule } from '../snapshot/destination-rules.ts';
import { endpointsOf, type MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import { peerMode } from '../snapshot/peer-authentication.ts';
import type { GeneratorContext } from './context.ts';
import { pipeAddress, socketAddress } from './envoy.ts';
import { ALIKE, localityView, type LocalityView } from './locality.ts';
import type { GeneratedEndpoints } from './resource.ts';
import { uniqueRefs } from '../config-store/config-object.ts';

/** The EDS names that a proxy's clusters have, sorted: what a fresh proxy is going to ask for. */
export function endpointNames(context: GeneratorContext): readonly string[] {
  const { snapshot, scope, proxy } = context;
  return scope.clusterServices
    .filter((service) => service.resolution === 'eds')
    .flatMap((service) => {
      const subsets = findDestinationRule(snapshot, proxy, service)?.subsets ?? [];
      return service.ports.flatMap((port) =>
        ['', ...subsets.map((subset) => subset.name)].map(
          (subset) => `outbound|${port.number}|${subset}|${service.hostname}`,
        ),
      );
    })
    .toSorted(compareText);
}

export function buildEndpoints(context: GeneratorContext, names: readonly string[]): readonly GeneratedEndpoints[] {
  return names.toSorted(compareText).map((name) => buildOne(context, name));
}

function buildOne({ snapshot, scope, proxy, memo }: GeneratorContext, name: string): GeneratedEndpoints {
  const parsed = parseClusterName(name);
  const service = parsed?.direction === 'outbound' ? scope.byHostname.get(parsed.hostname) : undefined;
  if (!parsed || !service || service.resolution !== 'eds') return emptyEndpoints(name);
  const rule = findDestinationRule(snapshot, proxy, service);
  const subset = parsed.subset === '' ? undefined : rule?.subsets.find((candidate) => candidate.name === parsed.subset);
  if (parsed.subset !== '' && !subset) return emptyEndpoints(name);
  const rules = (rule?.refs ?? []).map((ref) => `${ref.namespace}/${ref.name}`).join(',');
  const policy = effectivePolicy(rule, parsed.port, subset);
  const view = localityView({ labels: proxy.labels, clusterId: snapshot.mesh.clusterId }, policy, service);
  return memo.once(`endpoints|${serviceKey(service)}|${name}|${rules}|${view.key}`, () => {
    const outlier = policy.outlierDetection;
    const endpoints = endpointsOf(snapshot, service).filter(
      (endpoint) =>
        endpoint.servicePort === parsed.port &&
        Object.entries(subset?.labels ?? {}).every(([key, value]) => endpoint.labels[key] === value) &&
        // In panic a cluster uses the unhealthy too; so those that are known to be dead are not told of at all.
        (endpoint.health === 'healthy' || !outlier?.minHealthPercent),
    );
    const message = buildAssignment(snapshot, name, endpoints, true, view);
    return {
      name,
      message,
      sources: uniqueRefs([...service.refs, ...(rule?.refs ?? []), ...policyRefs(snapshot, service)]),
    };
  });
}

/** For names that no visible service has. */
export const emptyEndpoints = (name: string): GeneratedEndpoints => ({
  name,
  message: create(ClusterLoadAssignmentSchema, { clusterName: name }),
  sources: [],
});

/** Peer authentication decides whether an endpoint is called over mutual TLS. */
function policyRefs(snapshot: MeshSnapshot, service: Service): ReturnType<typeof peerMode>['refs'] {
  return endpointsOf(snapshot, service)
    .slice(0, 1)
    .flatMap((endpoint) => (endpoint.hasSidecar ? peerMode(snapshot, endpoint, endpoint.workloadPort).refs : []));
}

/** Grouped by locality, as the client looks at places. */
export function buildAssignment(
  snapshot: MeshSnapshot,
  name: string,
  endpoints: readonly Endpoint[],
  metadata: boolean,
  view: LocalityView = ALIKE,
): ClusterLoadAssignment {
  return create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: view.group(endpoints).map((group) => ({
      ...(group.locality.region === '' ? {} : { locality: group.locality }),
      priority: group.priority,
      loadBalancingWeight: group.weight,
      lbEndpoints: group.endpoints.map((endpoint) => lbEndpoint(snapshot, endpoint, metadata)),
    })),
  });
}

const HEALTH: Readonly<Record<Endpoint['health'], HealthStatus>> = {
  healthy: HealthStatus.HEALTHY,
  unhealthy: HealthStatus.UNHEALTHY,
  draining: HealthStatus.DRAINING,
};

function lbEndpoint(snapshot: MeshSnapshot, endpoint: Endpoint, metadata: boolean): LbEndpoint {
  const address = endpoint.address.startsWith('unix://')
    ? pipeAddress(endpoint.address.slice('unix://'.length))
    : socketAddress(endpoint.address, endpoint.port);
  return create(LbEndpointSchema, {
    hostIdentifier: { case: 'endpoint', value: { address } },
    healthStatus: HEALTH[endpoint.health],
    loadBalancingWeight: endpoint.weight,
    ...(metadata ? { metadata: { filterMetadata: endpointMetadata(snapshot, endpoint) } } : {}),
  });
}

export const takesMutualTls = (snapshot: MeshSnapshot, endpoint: Endpoint): boolean =>
  endpoint.hasSidecar && peerMode(snapshot, endpoint, endpoint.workloadPort).mode !== 'DISABLE';

/** Whether to speak mutual TLS, and who it is, for the labels of metrics: `name;namespace;canonical name;revision;cluster`. */
function endpointMetadata(snapshot: MeshSnapshot, endpoint: Endpoint): Record<string, Record<string, string>> {
  const { labels, workload, namespace } = endpoint;
  const takesTls = takesMutualTls(snapshot, endpoint);
  const canonical = canonicalName(labels, workload);
  const revision = canonicalRevision(labels);
  const app = labels['app'] ?? canonical;
  const version = labels['version'] ?? revision;
  return {
    ...(takesTls ? { [TRANSPORT_SOCKET_MATCH_METADATA]: { tlsMode: 'istio' } } : {}),
    ...(workload === ''
      ? {}
      : {
          [ISTIO_METADATA]: { workload: [workload, namespace, canonical, revision, snapshot.mesh.clusterId].join(';') },
        }),
    ...(app === canonical && version === revision ? {} : { [WEFT_METADATA]: { app, version } }),
  };
}
