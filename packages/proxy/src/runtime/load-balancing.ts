import {
  type Cluster,
  type Cluster_CommonLbConfig as CommonLbConfig,
  Cluster_LbPolicy as LbPolicyName,
  Cluster_RingHashLbConfig_HashFunction as HashFunction,
} from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import { HealthStatus } from '@weft/contracts/lean/envoy/config/core/v3/health_check';
import { ConfigRejectedError } from '@weft/evaluator';
import type { LbSettings } from '../upstream/lb/balancer.ts';
import type { LbAlgorithm } from '../upstream/lb/lb-policy.ts';
import { roundRobin } from '../upstream/lb/round-robin.ts';
import type { SlowStart } from '../upstream/lb/slow-start.ts';
import {
  balancedHash,
  leastRequestAlgorithm,
  type LbChoice,
  maglevAlgorithm,
  RANDOM,
  ringAlgorithm,
  ROUND_ROBIN,
  slowStartOf,
  zoneAware,
} from './lb-algorithms.ts';
import { chosenByExtension } from './lb-extensions.ts';

const DEFAULT_PANIC_THRESHOLD = 50;

/** @throws {ConfigRejectedError} naming the field. */
export function lbSettings(message: Cluster, resource: string): LbSettings {
  const common = message.commonLbConfig;
  return {
    ...(message.loadBalancingPolicy === undefined
      ? chosenByName(message, resource)
      : chosenByExtension(message.loadBalancingPolicy, resource)),
    panicThreshold: common?.healthyPanicThreshold?.value ?? DEFAULT_PANIC_THRESHOLD,
    boundHealth: boundHealth(common),
  };
}

/** `lb_policy` and the fields beside it. */
function chosenByName(message: Cluster, resource: string): LbChoice {
  const { localityConfigSpecifier: locality } = message.commonLbConfig ?? {};
  return {
    algorithm: algorithm(message, resource),
    localityWeighted: locality?.case === 'localityWeightedLbConfig',
    zoneAware: locality?.case === 'zoneAwareLbConfig' ? zoneAware(locality.value) : undefined,
    slowStart: slowStart(message),
  };
}

function algorithm(message: Cluster, resource: string): LbAlgorithm {
  const hashing = message.commonLbConfig?.consistentHashingLbConfig;
  const useHostname = hashing?.useHostnameForHashing ?? false;
  const balanced = (one: LbAlgorithm): LbAlgorithm =>
    balancedHash(one, hashing?.hashBalanceFactor, `${resource}: common_lb_config.consistent_hashing_lb_config`);
  const { lbConfig } = message;
  switch (message.lbPolicy) {
    case LbPolicyName.ROUND_ROBIN:
      return ROUND_ROBIN;
    case LbPolicyName.LEAST_REQUEST: {
      const config = lbConfig.case === 'leastRequestLbConfig' ? lbConfig.value : undefined;
      return leastRequestAlgorithm(config ?? {}, `${resource}: least_request_lb_config`);
    }
    case LbPolicyName.RING_HASH: {
      const config = lbConfig.case === 'ringHashLbConfig' ? lbConfig.value : undefined;
      const place = `${resource}: ring_hash_lb_config`;
      if (config !== undefined && config.hashFunction !== HashFunction.XX_HASH)
        throw new ConfigRejectedError(place, 'hash_function: only XX_HASH is supported');
      return balanced(ringAlgorithm(config ?? {}, useHostname, place));
    }
    case LbPolicyName.MAGLEV:
      return balanced(
        maglevAlgorithm(
          lbConfig.case === 'maglevLbConfig' ? lbConfig.value : {},
          useHostname,
          `${resource}: maglev_lb_config`,
        ),
      );
    case LbPolicyName.RANDOM:
      return RANDOM;
    case LbPolicyName.CLUSTER_PROVIDED:
      return { name: 'cluster-provided', byHash: false, create: roundRobin };
    default:
      throw new ConfigRejectedError(
        resource,
        `lb_policy: ${LbPolicyName[message.lbPolicy] ?? message.lbPolicy} is not supported yet`,
      );
  }
}

function slowStart({ lbConfig }: Cluster): SlowStart | undefined {
  return lbConfig.case === 'roundRobinLbConfig' || lbConfig.case === 'leastRequestLbConfig'
    ? slowStartOf(lbConfig.value.slowStartConfig)
    : undefined;
}

/** Which hosts keep their sessions: those that a policy names, else all that may take traffic. */
function boundHealth(common: CommonLbConfig | undefined): ReadonlySet<string> {
  const statuses = common?.overrideHostStatus?.statuses ?? [];
  if (common?.overrideHostStatus === undefined) return new Set(['healthy', 'degraded']);
  return new Set(statuses.map((status) => BOUND_STATES[status] ?? 'healthy'));
}

const BOUND_STATES: Readonly<Partial<Record<HealthStatus, string>>> = {
  [HealthStatus.UNKNOWN]: 'healthy',
  [HealthStatus.HEALTHY]: 'healthy',
  [HealthStatus.UNHEALTHY]: 'unhealthy',
  [HealthStatus.TIMEOUT]: 'unhealthy',
  [HealthStatus.DRAINING]: 'draining',
  [HealthStatus.DEGRADED]: 'degraded',
};
