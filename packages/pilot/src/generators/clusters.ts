/** CDS: outbound clusters for what a proxy may call, inbound clusters for its own ports. */
import { create } from '@bufbuild/protobuf';
import {
  BLACK_HOLE_CLUSTER,
  CARRIES_HTTP1,
  clusterName,
  INBOUND_PASSTHROUGH_CLUSTER,
  INBOUND_SOURCE_ADDRESS,
  ISTIO_METADATA,
  LOCAL_CLUSTER,
  PASSTHROUGH_CLUSTER,
  WEFT_METADATA,
} from '@weft/contracts';
import {
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  ClusterSchema,
} from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { MetadataSchema, type Metadata } from '@weft/contracts/full/envoy/config/core/v3/base';
import { refPath } from '../config-store/config-object.ts';
import type { Subset } from '../config-store/kinds.ts';
import { serviceKey } from '../model/build-model.ts';
import { durationMs } from '../model/duration.ts';
import { compareText } from '../model/hostname.ts';
import { matchesLabels } from '../model/labels.ts';
import type { Service, ServicePort } from '../model/service.ts';
import {
  effectivePolicy,
  findDestinationRule,
  type DestinationRule,
  type EffectivePolicy,
} from '../snapshot/destination-rules.ts';
import { endpointsOf, type MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import {
  circuitBreakers,
  commonLbConfig,
  HTTP_PROTOCOL_OPTIONS,
  httpProtocolOptions,
  loadBalancer,
  needsAutoTlsNames,
  originalDestination,
  outlierDetection,
  spokenHttp,
  tcpKeepalive,
  type ClusterInit,
} from './cluster-policy.ts';
import type { GeneratorContext } from './context.ts';
import { buildAssignment, takesMutualTls } from './endpoints.ts';
import { adsSource, duration } from './envoy.ts';
import { findHealthCheck, healthCheck } from './health-checks.ts';
import { inboundPorts, type InboundPort } from './inbound-plan.ts';
import { ALIKE, localityView, type LocalityView } from './locality.ts';
import { withProxyHeader } from './proxy-header.ts';
import { generated, type GeneratedCluster } from './resource.ts';
import { meshClientTls, originateTls, rawBuffer } from './tls.ts';

/** A cluster per visible service port and subset, sorted by name so that equal input gives equal bytes. */
export function buildClusters(context: GeneratorContext): readonly GeneratedCluster[] {
  const { snapshot, scope, proxy } = context;
  const outbound = scope.clusterServices.flatMap((service) => {
    const rule = findDestinationRule(snapshot, proxy, service);
    return service.ports
      .filter((port) => port.protocol !== 'udp')
      .flatMap((port) =>
        [undefined, ...(rule?.subsets ?? [])].map((subset) =>
          outboundCluster(context, { service, port, rule, subset }),
        ),
      );
  });
  const inbound = proxy.type === 'sidecar' ? inboundPorts(context).map((port) => inboundCluster(context, port)) : [];
  const redirected = proxy.interception.mode === 'redirect';
  return [
    ...outbound,
    ...inbound,
    ...localCluster(context),
    blackHole(snapshot),
    passthrough(snapshot, PASSTHROUGH_CLUSTER, redirected),
    ...(redirected ? [inboundPassthrough(snapshot)] : []),
  ].toSorted((a, b) => compareText(a.name, b.name));
}

/** All that a service port's cluster is made from. */
export interface ClusterTarget {
  readonly service: Service;
  readonly port: ServicePort;
  readonly rule: DestinationRule | undefined;
  readonly subset: Subset | undefined;
}

function outboundCluster(context: GeneratorContext, target: ClusterTarget): GeneratedCluster {
  const { service, port, rule, subset } = target;
  const rules = (rule?.refs ?? []).map((ref) => `${ref.namespace}/${ref.name}`).join(',');
  const redirected = context.proxy.interception.mode === 'redirect';
  const check = findHealthCheck(context.snapshot, context.proxy.namespace, {
    service,
    port: port.number,
    subset: subset?.name,
  });
  const policy = effectivePolicy(rule, port.number, subset);
  // What EDS does not tell a proxy by itself is in the cluster: there its place matters.
  const view =
    service.resolution === 'dns'
      ? localityView({ labels: context.proxy.labels, clusterId: context.snapshot.mesh.clusterId }, policy, service)
      : ALIKE;
  const checked = check ? `${check.namespace}/${check.name}` : '';
  const key = `cluster|${context.proxy.type}|${redirected}|${serviceKey(service)}|${port.number}|${subset?.name ?? ''}|${rules}|${checked}|${view.key}`;
  return context.memo.once(key, () => {
    const original = toOriginal(service, policy, redirected);
    const name = clusterName('outbound', port.number, service.hostname, subset?.name);
    const pool = policy.connectionPool;
    const message = create(ClusterSchema, {
      name,
      altStatName: `${name};`,
      connectTimeout: duration(durationMs(pool?.tcp?.connectTimeout) ?? context.snapshot.mesh.connectTimeoutMs),
      ...(original
        ? originalDestination()
        : { ...discovery(context.snapshot, target, name, view), ...loadBalancer(policy.loadBalancer) }),
      circuitBreakers: circuitBreakers(pool, policy.retryBudget),
      ...(policy.outlierDetection ? { outlierDetection: outlierDetection(policy.outlierDetection) } : {}),
      ...(check && !original ? { healthChecks: [healthCheck(check.spec, service)] } : {}),
      commonLbConfig: commonLbConfig(service, policy),
      ...tcpKeepalive(pool),
      ...protocolOptions(service, port, policy),
      ...withProxyHeader(transportSockets(context.snapshot, target, policy, original), policy.proxyProtocol),
      metadata: outboundMetadata(target, policy),
    });
    return generated(message, [...service.refs, ...(rule?.refs ?? []), ...(check ? [check.ref] : [])]);
  });
}

/** Which endpoints of a service a subset chooses. */
export const inSubset =
  (subset: Subset | undefined) =>
  (endpoint: { readonly labels: Readonly<Record<string, string>> }): boolean =>
    matchesLabels(subset?.labels, endpoint.labels);

function discovery(
  snapshot: MeshSnapshot,
  { service, port, subset }: ClusterTarget,
  name: string,
  view: LocalityView,
): ClusterInit {
  switch (service.resolution) {
    case 'eds':
      return {
        clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
        edsClusterConfig: { edsConfig: adsSource(), serviceName: name },
      };
    case 'dns':
    case 'dns-round-robin': {
      const endpoints = endpointsOf(snapshot, service).filter(
        (endpoint) => endpoint.servicePort === port.number && inSubset(subset)(endpoint),
      );
      const logical = service.resolution === 'dns-round-robin';
      return {
        clusterDiscoveryType: {
          case: 'type',
          value: logical ? Cluster_DiscoveryType.LOGICAL_DNS : Cluster_DiscoveryType.STRICT_DNS,
        },
        dnsLookupFamily: Cluster_DnsLookupFamily.V4_ONLY,
        respectDnsTtl: true,
        dnsRefreshRate: duration(60_000),
        loadAssignment: buildAssignment(snapshot, name, logical ? endpoints.slice(0, 1) : endpoints, false, view),
      };
    }
    case 'passthrough':
      return originalDestination();
  }
}

/** The caller chose the host. Who dials the proxy chose none, so there a rule's PASSTHROUGH leaves the choice to the balancer. */
const toOriginal = (service: Service, { loadBalancer: balancing }: EffectivePolicy, redirected: boolean): boolean =>
  service.resolution === 'passthrough' || (redirected && balancing?.simple === 'PASSTHROUGH');

function protocolOptions(service: Service, port: ServicePort, policy: EffectivePolicy): ClusterInit {
  const options = httpProtocolOptions(
    port.protocol,
    policy.connectionPool,
    needsAutoTlsNames(policy.tls, service.subjectAltNames),
  );
  return options ? { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: options } } : {};
}

/** A rule's `tls` rules; else mutual TLS to every endpoint that takes it, plaintext to the others. */
function transportSockets(
  snapshot: MeshSnapshot,
  { service, port, subset }: ClusterTarget,
  policy: EffectivePolicy,
  original: boolean,
): ClusterInit {
  const mode = policy.tls?.mode;
  const mutual = (): ReturnType<typeof meshClientTls> =>
    meshClientTls({
      hostname: service.hostname,
      port: port.number,
      subset: subset?.name ?? '',
      speaks: spokenHttp(port.protocol, policy.connectionPool) ?? 'tcp',
      identities: identitiesOf(snapshot, service),
      resumes: snapshot.mesh.tlsResumption,
    });
  if (policy.tls) {
    if (mode === 'ISTIO_MUTUAL') return { transportSocket: mutual() };
    if (mode === 'SIMPLE' || mode === 'MUTUAL')
      return { transportSocket: originateTls(policy.tls, service.subjectAltNames, port.protocol) };
    return {};
  }
  if (!snapshot.mesh.enableAutoMtls || service.external || service.resolution !== 'eds') return {};
  if (original) {
    // Nothing is known of the host but its address: mutual TLS only where it can not be wrong.
    const endpoints = endpointsOf(snapshot, service).filter((endpoint) => endpoint.servicePort === port.number);
    const all = endpoints.length > 0 && endpoints.every((endpoint) => takesMutualTls(snapshot, endpoint));
    return all ? { transportSocket: mutual() } : {};
  }
  return {
    transportSocketMatches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: mutual() },
      { name: 'tlsMode-disabled', match: {}, transportSocket: rawBuffer() },
    ],
  };
}

/** Secure naming: the accounts of all the service's endpoints and what the service itself names. */
function identitiesOf(snapshot: MeshSnapshot, service: Service): readonly string[] {
  const ids = endpointsOf(snapshot, service).flatMap((endpoint) =>
    endpoint.identity === undefined ? [] : [endpoint.identity],
  );
  return [...new Set([...ids, ...service.subjectAltNames])].sort(compareText);
}

function outboundMetadata({ service, port, rule, subset }: ClusterTarget, policy: EffectivePolicy): Metadata {
  const ref = rule?.refs[0];
  return create(MetadataSchema, {
    filterMetadata: {
      [ISTIO_METADATA]: {
        ...(policy.tls && policy.tls.mode !== 'ISTIO_MUTUAL' ? { alpn_override: 'false' } : {}),
        ...(ref ? { config: refPath(ref) } : {}),
        default_original_port: port.number,
        ...(service.external ? { external: true } : {}),
        services: [{ host: service.hostname, name: service.name, namespace: service.namespace }],
        ...(subset ? { subset: subset.name } : {}),
      },
      // Nobody asks for what is so anyway, but who wants HTTP/1.1 on the wire: sidecars carry it in HTTP/2 by default.
      ...(policy.connectionPool?.http?.h2UpgradePolicy === 'DO_NOT_UPGRADE'
        ? { [WEFT_METADATA]: { [CARRIES_HTTP1]: false } }
        : {}),
    },
  });
}

/** The proxy's own peers, where some service is balanced by zone: how callers are spread decides how traffic is. */
function localCluster({ snapshot, scope, proxy }: GeneratorContext): readonly GeneratedCluster[] {
  const zoned = scope.clusterServices.some((service) => {
    const rule = findDestinationRule(snapshot, proxy, service);
    return service.ports.some(
      (port) => effectivePolicy(rule, port.number).loadBalancer?.zoneAwareLbSetting?.enabled === true,
    );
  });
  if (!zoned || proxy.type !== 'sidecar') return [];
  const own = scope.clusterServices.find(
    (service) =>
      service.resolution === 'eds' &&
      endpointsOf(snapshot, service).some(
        ({ address, workload }) => workload === proxy.name && address === proxy.address,
      ),
  );
  const [port] = own?.ports ?? [];
  if (!own || !port) return [];
  const message = create(ClusterSchema, {
    name: LOCAL_CLUSTER,
    connectTimeout: duration(snapshot.mesh.connectTimeoutMs),
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: adsSource(), serviceName: clusterName('outbound', port.number, own.hostname) },
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
  });
  return [generated(message, own.refs)];
}

/** To the application, on the address where it listens. */
function inboundCluster(context: GeneratorContext, port: InboundPort): GeneratedCluster {
  const { snapshot } = context;
  const pool = port.connectionPool;
  const name = clusterName('inbound', port.number);
  // An upgrade is between sidecars: the application gets what its port says.
  const own = pool?.http ? { ...pool, http: { ...pool.http, h2UpgradePolicy: 'DO_NOT_UPGRADE' as const } } : pool;
  const options = httpProtocolOptions(port.protocol, own, { sni: false, sans: false });
  const redirected = context.proxy.interception.mode === 'redirect' && port.target.address.case === 'socketAddress';
  const message = create(ClusterSchema, {
    name,
    altStatName: `${name};`,
    connectTimeout: duration(durationMs(pool?.tcp?.connectTimeout) ?? snapshot.mesh.connectTimeoutMs),
    ...(redirected ? fromSidecar() : {}),
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: port.target } } }] }],
    },
    circuitBreakers: circuitBreakers(pool, undefined),
    ...tcpKeepalive(pool),
    ...(options ? { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: options } } : {}),
    metadata: {
      filterMetadata: {
        [ISTIO_METADATA]: {
          services: port.services.map((service) => ({
            host: service.hostname,
            name: service.name,
            namespace: service.namespace,
          })),
        },
      },
    },
  });
  return generated(message, port.refs);
}

/** No endpoint, ever: what is sent here is refused. */
const blackHole = (snapshot: MeshSnapshot): GeneratedCluster =>
  generated(
    create(ClusterSchema, {
      name: BLACK_HOLE_CLUSTER,
      connectTimeout: duration(snapshot.mesh.connectTimeoutMs),
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
      lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
    }),
    [],
  );

const PASSTHROUGH_IDLE = '300s';

/** @param anyProtocol what the client speaks is spoken on, for as long as somebody has something to say. */
const passthrough = (
  snapshot: MeshSnapshot,
  name: string,
  anyProtocol: boolean,
  more: ClusterInit = {},
): GeneratedCluster => {
  const options = anyProtocol
    ? httpProtocolOptions('auto', { http: { idleTimeout: PASSTHROUGH_IDLE } }, { sni: false, sans: false })
    : undefined;
  return generated(
    create(ClusterSchema, {
      name,
      connectTimeout: duration(snapshot.mesh.connectTimeoutMs),
      ...originalDestination(),
      ...more,
      circuitBreakers: circuitBreakers(undefined, undefined),
      ...(options ? { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: options } } : {}),
    }),
    [],
  );
};

const inboundPassthrough = (snapshot: MeshSnapshot): GeneratedCluster =>
  passthrough(snapshot, INBOUND_PASSTHROUGH_CLUSTER, true, fromSidecar());

/** The redirect rules leave alone what comes from this address, so that the application's own port is reached. */
const fromSidecar = (): ClusterInit => ({
  upstreamBindConfig: {
    sourceAddress: { address: INBOUND_SOURCE_ADDRESS, portSpecifier: { case: 'portValue', value: 0 } },
  },
});
