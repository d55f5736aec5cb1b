/** DestinationRule traffic policies as the fields of an Envoy cluster. */
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  CircuitBreakersSchema,
  type CircuitBreakers,
} from '@weft/contracts/full/envoy/config/cluster/v3/circuit_breaker';
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  type Cluster_CommonLbConfigSchema,
  type Cluster_SlowStartConfigSchema,
  type ClusterSchema,
} from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import {
  OutlierDetectionSchema,
  type OutlierDetection as EnvoyOutlierDetection,
} from '@weft/contracts/full/envoy/config/cluster/v3/outlier_detection';
import { HealthStatus } from '@weft/contracts/full/envoy/config/core/v3/health_check';
import { HttpProtocolOptionsSchema } from '@weft/contracts/full/envoy/extensions/upstreams/http/v3/http_protocol_options';
import type { ClientTls, ConnectionPool, LoadBalancer, OutlierDetection } from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import { isHttp, isHttp2, type Protocol } from '../model/protocol.ts';
import type { Service } from '../model/service.ts';
import type { EffectivePolicy } from '../snapshot/destination-rules.ts';
import { duration, pack, type Init } from './envoy.ts';

export const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const UNLIMITED = 0xffff_ffff;
const DEFAULT_MIN_RING_SIZE = 1024n;
const MIN_ZONE_HOSTS = 6;

/** Limits are off unless a rule sets them; what is left is counted all the same. */
export function circuitBreakers(
  pool: ConnectionPool | undefined,
  budget: EffectivePolicy['retryBudget'],
): CircuitBreakers {
  return create(CircuitBreakersSchema, {
    thresholds: [
      {
        maxConnections: pool?.tcp?.maxConnections || UNLIMITED,
        maxPendingRequests: pool?.http?.http1MaxPendingRequests || UNLIMITED,
        maxRequests: pool?.http?.http2MaxRequests || UNLIMITED,
        maxRetries: pool?.http?.maxRetries || UNLIMITED,
        trackRemaining: true,
        ...(budget
          ? {
              retryBudget: {
                budgetPercent: { value: budget.percent ?? 20 },
                minRetryConcurrency: budget.minRetryConcurrency ?? 3,
              },
            }
          : {}),
      },
    ],
  });
}

export function outlierDetection(policy: OutlierDetection): EnvoyOutlierDetection {
  const fiveXx = policy.consecutive5xxErrors ?? policy.consecutiveErrors;
  const gateway = policy.consecutiveGatewayErrors;
  const interval = durationMs(policy.interval);
  const base = durationMs(policy.baseEjectionTime);
  return create(OutlierDetectionSchema, {
    enforcingSuccessRate: 0,
    ...(fiveXx === undefined ? {} : { consecutive5xx: fiveXx, enforcingConsecutive5xx: fiveXx > 0 ? 100 : 0 }),
    ...(gateway === undefined
      ? {}
      : { consecutiveGatewayFailure: gateway, enforcingConsecutiveGatewayFailure: gateway > 0 ? 100 : 0 }),
    ...(interval === undefined ? {} : { interval: duration(interval) }),
    ...(base === undefined ? {} : { baseEjectionTime: duration(base) }),
    ...(policy.maxEjectionPercent ? { maxEjectionPercent: policy.maxEjectionPercent } : {}),
    ...(policy.splitExternalLocalOriginErrors
      ? {
          splitExternalLocalOriginErrors: true,
          consecutiveLocalOriginFailure: policy.consecutiveLocalOriginFailures ?? 5,
          enforcingConsecutiveLocalOriginFailure: 100,
          enforcingLocalOriginSuccessRate: 0,
        }
      : {}),
  });
}

export type ClusterInit = Init<typeof ClusterSchema>;

/** Least request unless a rule says otherwise (Istio's default). */
export function loadBalancer(policy: LoadBalancer | undefined): ClusterInit {
  const hash = policy?.consistentHash;
  if (hash?.maglev) {
    const { tableSize } = hash.maglev;
    return {
      lbPolicy: Cluster_LbPolicy.MAGLEV,
      ...(tableSize ? { lbConfig: { case: 'maglevLbConfig', value: { tableSize: BigInt(tableSize) } } } : {}),
    };
  }
  if (hash) {
    const size = hash.ringHash?.minimumRingSize || hash.minimumRingSize;
    return {
      lbPolicy: Cluster_LbPolicy.RING_HASH,
      lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: size ? BigInt(size) : DEFAULT_MIN_RING_SIZE } },
    };
  }
  const slowStartConfig = slowStart(policy);
  switch (policy?.simple) {
    case 'ROUND_ROBIN':
      return {
        lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
        ...(slowStartConfig ? { lbConfig: { case: 'roundRobinLbConfig', value: { slowStartConfig } } } : {}),
      };
    case 'RANDOM':
      return { lbPolicy: Cluster_LbPolicy.RANDOM };
    default:
      return {
        lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
        ...(slowStartConfig ? { lbConfig: { case: 'leastRequestLbConfig', value: { slowStartConfig } } } : {}),
      };
  }
}

export function commonLbConfig(
  { session }: Pick<Service, 'session'>,
  { loadBalancer: balancer, outlierDetection: outlier }: EffectivePolicy,
): Init<typeof Cluster_CommonLbConfigSchema> {
  const zones = balancer?.zoneAwareLbSetting;
  return {
    // Unhealthy endpoints are sent and marked; without a threshold of its own a service never falls back to them.
    healthyPanicThreshold: { value: outlier?.minHealthPercent ?? 0 },
    ...(zones?.enabled
      ? {
          localityConfigSpecifier: {
            case: 'zoneAwareLbConfig',
            value: { routingEnabled: { value: 100 }, minClusterSize: BigInt(zones.minClusterSize || MIN_ZONE_HOSTS) },
          },
        }
      : (balancer?.localityLbSetting?.distribute ?? []).length > 0 && balancer?.localityLbSetting?.enabled !== false
        ? { localityConfigSpecifier: { case: 'localityWeightedLbConfig', value: {} } }
        : {}),
    // An instance that drains keeps the sessions it has.
    ...(session
      ? { overrideHostStatus: { statuses: [HealthStatus.UNKNOWN, HealthStatus.HEALTHY, HealthStatus.DRAINING] } }
      : {}),
  };
}

/** The caller's own destination address: no endpoints, no choice. */
export const originalDestination = (): ClusterInit => ({
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
});

function slowStart(policy: LoadBalancer | undefined): Init<typeof Cluster_SlowStartConfigSchema> | undefined {
  const windowMs = durationMs(policy?.warmup?.duration ?? policy?.warmupDurationSecs);
  if (windowMs === undefined) return undefined;
  const { minimumPercent = 10, aggression = 1 } = policy?.warmup ?? {};
  return {
    slowStartWindow: duration(windowMs),
    minWeightPercent: { value: minimumPercent },
    aggression: { defaultValue: aggression, runtimeKey: '' },
  };
}

/** What a cluster speaks to its hosts: one of the versions, or what the caller spoke. */
export type SpokenHttp = 'http1' | 'http2' | 'as-caller';

/** @returns undefined for protocols that are not HTTP. */
export function spokenHttp(protocol: Protocol, pool: ConnectionPool | undefined): SpokenHttp | undefined {
  if (!isHttp(protocol) && protocol !== 'auto') return undefined;
  const upgrade = pool?.http?.h2UpgradePolicy === 'UPGRADE' && protocol !== 'auto';
  if (upgrade) return 'http2';
  if (pool?.http?.useClientProtocol === true || protocol === 'auto') return 'as-caller';
  return isHttp2(protocol) ? 'http2' : 'http1';
}

/** HTTP options of a cluster; undefined where Envoy's defaults (HTTP/1.1, idle after an hour) are meant. */
export function httpProtocolOptions(
  protocol: Protocol,
  pool: ConnectionPool | undefined,
  autoNames: { readonly sni: boolean; readonly sans: boolean },
): Any | undefined {
  const spoken = spokenHttp(protocol, pool);
  if (spoken === undefined) return undefined;
  const http = pool?.http;
  const useClientProtocol = spoken === 'as-caller';
  const http2 = spoken === 'http2';
  const idleMs = durationMs(http?.idleTimeout ?? pool?.tcp?.idleTimeout);
  const durationLimitMs = durationMs(pool?.tcp?.maxConnectionDuration);
  const maxRequests = http?.maxRequestsPerConnection;
  const common = {
    ...(idleMs === undefined ? {} : { idleTimeout: duration(idleMs) }),
    ...(maxRequests ? { maxRequestsPerConnection: maxRequests } : {}),
    ...(durationLimitMs === undefined ? {} : { maxConnectionDuration: duration(durationLimitMs) }),
  };
  const plain = Object.keys(common).length === 0 && !http2 && !useClientProtocol && !autoNames.sni && !autoNames.sans;
  if (plain) return undefined;
  const keepAlive = http?.http2KeepAlive;
  const http2ProtocolOptions = {
    ...(http?.maxConcurrentStreams ? { maxConcurrentStreams: http.maxConcurrentStreams } : {}),
    ...(keepAlive
      ? {
          connectionKeepalive: {
            interval: duration(durationMs(keepAlive.interval) ?? 0),
            timeout: duration(durationMs(keepAlive.timeout) ?? 0),
          },
        }
      : {}),
  };
  return pack(HttpProtocolOptionsSchema, {
    ...(Object.keys(common).length === 0 ? {} : { commonHttpProtocolOptions: common }),
    ...(autoNames.sni || autoNames.sans
      ? { upstreamHttpProtocolOptions: { autoSni: autoNames.sni, autoSanValidation: autoNames.sans } }
      : {}),
    upstreamProtocolOptions: useClientProtocol
      ? { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions } }
      : {
          case: 'explicitHttpConfig',
          value: {
            protocolConfig: http2
              ? { case: 'http2ProtocolOptions', value: http2ProtocolOptions }
              : { case: 'httpProtocolOptions', value: {} },
          },
        },
  });
}

/** Server name and names to verify follow the request's Host where a rule names neither. */
export const needsAutoTlsNames = (
  tls: ClientTls | undefined,
  subjectAltNames: readonly string[],
): { readonly sni: boolean; readonly sans: boolean } => {
  const originates = tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL';
  return {
    sni: originates && !tls.sni,
    sans:
      originates &&
      tls.insecureSkipVerify !== true &&
      (tls.subjectAltNames ?? []).length === 0 &&
      subjectAltNames.length === 0,
  };
};

export function tcpKeepalive(pool: ConnectionPool | undefined): ClusterInit {
  const keepalive = pool?.tcp?.tcpKeepalive;
  if (!keepalive) return {};
  const time = durationMs(keepalive.time);
  const interval = durationMs(keepalive.interval);
  return {
    upstreamConnectionOptions: {
      tcpKeepalive: {
        ...(keepalive.probes ? { keepaliveProbes: keepalive.probes } : {}),
        ...(time === undefined ? {} : { keepaliveTime: Math.ceil(time / 1000) }),
        ...(interval === undefined ? {} : { keepaliveInterval: Math.ceil(interval / 1000) }),
      },
    },
  };
}
