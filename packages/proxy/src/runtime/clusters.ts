import {
  type Cluster as ClusterMessage,
  Cluster_DiscoveryType as DiscoveryType,
} from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import type { TransportSocket } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { RoutingPriority } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { RawBufferSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer';
import { ProxyProtocolConfig_Version as ProxyVersion } from '@weft/contracts/lean/envoy/config/core/v3/proxy_protocol';
import { ProxyProtocolUpstreamTransportSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol';
import { UpstreamTlsContextSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { BLACK_HOLE_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER, ISTIO_METADATA, PASSTHROUGH_CLUSTER } from '@weft/contracts';
import { ConfigRejectedError, type RegexEngine } from '@weft/evaluator';
import type { LiveSecrets } from '../tls/tls-material.ts';
import { UpstreamTls } from '../tls/upstream-tls.ts';
import { type CircuitLimits, DEFAULT_CIRCUIT_LIMITS } from '../upstream/circuit.ts';
import type {
  ClusterSettings,
  Discovery,
  OriginalHostsOptions,
  TransportChoice,
} from '../upstream/cluster-settings.ts';
import type { Speaks } from '../upstream/pool/speaks.ts';
import { typeNameOf, unpack } from './any.ts';
import { millisOr } from './durations.ts';
import { readHosts } from './endpoints.ts';
import { upstreamHttp } from './upstream-http.ts';
import { healthCheckSettings } from './health-checks.ts';
import { lbSettings } from './load-balancing.ts';
import { outlierSettings } from './outlier.ts';

export interface ClusterCompileDeps {
  readonly secrets: LiveSecrets;
  readonly regex: RegexEngine;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
const DEFAULT_DNS_REFRESH_MS = 5_000;
const SERVICE_LESS: ReadonlySet<string> = new Set([
  PASSTHROUGH_CLUSTER,
  BLACK_HOLE_CLUSTER,
  INBOUND_PASSTHROUGH_CLUSTER,
]);
const DEFAULT_CLEANUP_MS = 5_000;
const DEFAULT_ORIGINAL_DST_HEADER = 'x-envoy-original-dst-host';
// Envoy counts "no limit" as the largest number of 32 bits.
const NO_LIMIT = 0xffff_ffff;

/** @throws {ConfigRejectedError} naming the field. */
export function compileCluster(message: ClusterMessage, deps: ClusterCompileDeps): ClusterSettings {
  const resource = `Cluster "${message.name}"`;
  refuseFilters(message, resource);
  const circuit = circuitLimits(message);
  const http = upstreamHttp(message, circuit, resource);
  const discovery = discoveryOf(message, resource);
  const service = serviceOf(message);
  return {
    name: message.name,
    discovery,
    edsName: message.edsClusterConfig?.serviceName || message.name,
    lb: lbSettings(message, resource),
    connectTimeoutMs: millisOr(message.connectTimeout, DEFAULT_CONNECT_TIMEOUT_MS),
    http,
    bufferBytes: message.perConnectionBufferLimitBytes,
    circuit,
    outlier: outlierSettings(message.outlierDetection, resource),
    healthCheck: healthCheckSettings(message.healthChecks, message.name, resource),
    transports: transports(message, deps, resource, http.sanValidation),
    staticHosts: readHosts(message.loadAssignment, resource),
    dnsRefreshMs: millisOr(message.dnsRefreshRate, DEFAULT_DNS_REFRESH_MS),
    sourceAddress: message.upstreamBindConfig?.sourceAddress?.address,
    original: discovery === 'original-dst' ? originalHosts(message, resource) : undefined,
    ...service,
    metadata: message.metadata?.filterMetadata ?? {},
    transportFingerprint: JSON.stringify(
      [
        message.transportSocket,
        message.transportSocketMatches,
        message.typedExtensionProtocolOptions,
        message.maxRequestsPerConnection,
        message.perConnectionBufferLimitBytes,
        message.upstreamConnectionOptions,
        message.circuitBreakers,
        http.carries,
      ],
      bytesAsText,
    ),
  };
}

/** Those of Istio that only exchange metadata: peers go on without them. */
const INERT_FILTERS: ReadonlySet<string> = new Set([
  'istio.metadata_exchange',
  'envoy.filters.network.upstream.metadata_exchange',
]);

function refuseFilters({ filters }: ClusterMessage, resource: string): void {
  const unknown = filters.findIndex(({ name }) => !INERT_FILTERS.has(name));
  if (unknown >= 0)
    throw new ConfigRejectedError(resource, `filters[${unknown}]: "${filters[unknown]?.name}" is not supported`);
}

const bytesAsText = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array
    ? Buffer.from(value).toString('base64')
    : typeof value === 'bigint'
      ? String(value)
      : value;

function originalHosts(message: ClusterMessage, resource: string): OriginalHostsOptions {
  const config = message.lbConfig.case === 'originalDstLbConfig' ? message.lbConfig.value : undefined;
  const header = config?.useHttpHeader === true ? config.httpHeaderName || DEFAULT_ORIGINAL_DST_HEADER : '';
  const port = config?.upstreamPortOverride;
  if (port !== undefined && !(port > 0 && port <= 65_535))
    throw new ConfigRejectedError(resource, `upstream_port_override: ${port} is no port (1 to 65535)`);
  return { header: header.toLowerCase(), port, cleanupMs: millisOr(message.cleanupInterval, DEFAULT_CLEANUP_MS) };
}

function discoveryOf(message: ClusterMessage, resource: string): Discovery {
  const { clusterDiscoveryType: kind } = message;
  if (kind.case === undefined) return 'static';
  if (kind.case !== 'type')
    throw new ConfigRejectedError(resource, 'cluster_type: custom cluster types are not supported');
  switch (kind.value) {
    case DiscoveryType.STATIC:
      return 'static';
    case DiscoveryType.EDS:
      return 'eds';
    case DiscoveryType.STRICT_DNS:
    case DiscoveryType.LOGICAL_DNS:
      return 'dns';
    case DiscoveryType.ORIGINAL_DST:
      return 'original-dst';
  }
}

function circuitLimits(message: ClusterMessage): CircuitLimits {
  const thresholds = message.circuitBreakers?.thresholds.find(({ priority }) => priority === RoutingPriority.DEFAULT);
  if (thresholds === undefined) return DEFAULT_CIRCUIT_LIMITS;
  const limit = (value: number | undefined, fallback: number): number =>
    value === undefined ? fallback : value === NO_LIMIT ? Infinity : value;
  const { retryBudget } = thresholds;
  return {
    maxConnections: limit(thresholds.maxConnections, DEFAULT_CIRCUIT_LIMITS.maxConnections),
    maxPending: limit(thresholds.maxPendingRequests, DEFAULT_CIRCUIT_LIMITS.maxPending),
    maxRequests: limit(thresholds.maxRequests, DEFAULT_CIRCUIT_LIMITS.maxRequests),
    maxRetries: limit(thresholds.maxRetries, DEFAULT_CIRCUIT_LIMITS.maxRetries),
    retryBudget:
      retryBudget === undefined
        ? undefined
        : { percent: retryBudget.budgetPercent?.value ?? 20, minConcurrency: retryBudget.minRetryConcurrency ?? 3 },
  };
}

function transports(
  message: ClusterMessage,
  deps: ClusterCompileDeps,
  resource: string,
  sanValidation: boolean,
): TransportChoice[] {
  const choices = message.transportSocketMatches.map((entry, i) => ({
    match: entry.match ?? {},
    ...transportOf(entry.transportSocket, deps, `${resource}: transport_socket_matches[${i}]`, sanValidation),
  }));
  choices.push({
    match: {},
    ...transportOf(message.transportSocket, deps, `${resource}: transport_socket`, sanValidation),
  });
  return choices;
}

const PLAIN = { tls: undefined, proxyProtocol: undefined } as const;

function transportOf(
  socket: TransportSocket | undefined,
  deps: ClusterCompileDeps,
  resource: string,
  sanValidation: boolean,
): Omit<TransportChoice, 'match'> {
  if (socket === undefined) return PLAIN;
  const any = socket.configType.case === 'typedConfig' ? socket.configType.value : undefined;
  const tls = unpack(any, UpstreamTlsContextSchema, resource);
  if (tls !== undefined) {
    const speaking = (speaks: Speaks | 'tcp'): UpstreamTls =>
      new UpstreamTls(tls, { ...deps, resource, speaks, sanValidation });
    return {
      tls: {
        http1: speaking('http1'),
        http2: speaking('http2'),
        either: speaking('either'),
        carried: speaking('carried'),
        tcp: speaking('tcp'),
      },
      proxyProtocol: undefined,
    };
  }
  if (unpack(any, RawBufferSchema, resource) !== undefined || socket.name === 'envoy.transport_sockets.raw_buffer') {
    return PLAIN;
  }
  const proxied = unpack(any, ProxyProtocolUpstreamTransportSchema, resource);
  if (proxied !== undefined) {
    const inner = transportOf(proxied.transportSocket, deps, resource, sanValidation);
    return { ...inner, proxyProtocol: proxied.config?.version === ProxyVersion.V2 ? 2 : 1 };
  }
  throw new ConfigRejectedError(
    resource,
    `transport socket ${any === undefined ? `"${socket.name}"` : typeNameOf(any.typeUrl)} is not supported`,
  );
}

function serviceOf(message: ClusterMessage): Pick<ClusterSettings, 'serviceHost' | 'serviceName' | 'serviceNamespace'> {
  const { services } = message.metadata?.filterMetadata[ISTIO_METADATA] ?? {};
  const first: unknown = Array.isArray(services) ? services[0] : undefined;
  const text = (key: string): string => {
    const value: unknown = typeof first === 'object' && first !== null && key in first ? Reflect.get(first, key) : '';
    return typeof value === 'string' ? value : '';
  };
  // Istio's metrics name these clusters where no service is known.
  const name = text('name') || (SERVICE_LESS.has(message.name) ? message.name : '');
  return { serviceHost: text('host'), serviceName: name, serviceNamespace: text('namespace') };
}
