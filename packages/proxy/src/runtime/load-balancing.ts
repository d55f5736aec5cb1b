import {
  type Cluster,
  type Cluster_CommonLbConfig as CommonLbConfig,
  Cluster_LbPolicy as LbPolicyName,
  type Cluster_SlowStartConfig as SlowStartConfig,
  Cluster_RingHashLbConfig_HashFunction as HashFunction,
} from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import { HealthStatus } from '@weft/contracts/lean/envoy/config/core/v3/health_check';
import { ConfigRejectedError } from '@weft/evaluator';
import type { LbSettings } from '../upstream/lb/balancer.ts';
import type { LbAlgorithm } from '../upstream/lb/lb-policy.ts';
import { leastRequestOf } from '../upstream/lb/least-request.ts';
import { DEFAULT_MAGLEV_SIZE, isPrime, maglev, MAX_MAGLEV_SIZE } from '../upstream/lb/maglev.ts';
import { randomChoice } from '../upstream/lb/random.ts';
import { DEFAULT_MIN_RING_SIZE, MAX_RING_SIZE, ringHash } from '../upstream/lb/ring-hash.ts';
import { roundRobin } from '../upstream/lb/round-robin.ts';
import type { SlowStart } from '../upstream/lb/slow-start.ts';
import { millisOr } from './durations.ts';

const DEFAULT_PANIC_THRESHOLD = 50;
const DEFAULT_MIN_CLUSTER_SIZE = 6;
const DEFAULT_LEAST_PERCENT = 10;

/** @throws {ConfigRejectedError} naming the field. */
export function lbSettings(message: Cluster, resource: string): LbSettings {
  const common = message.commonLbConfig;
  const { localityConfigSpecifier: locality } = common ?? {};
  return {
    algorithm: algorithm(message, resource),
    panicThreshold: common?.healthyPanicThreshold?.value ?? DEFAULT_PANIC_THRESHOLD,
    localityWeighted: locality?.case === 'localityWeightedLbConfig',
    zoneAware: locality?.case === 'zoneAwareLbConfig' ? zoneAware(locality.value) : undefined,
    slowStart: slowStart(message),
    boundHealth: boundHealth(common),
  };
}

function algorithm(message: Cluster, resource: string): LbAlgorithm {
  const useHostname = message.commonLbConfig?.consistentHashingLbConfig?.useHostnameForHashing ?? false;
  const { lbConfig } = message;
  switch (message.lbPolicy) {
    case LbPolicyName.ROUND_ROBIN:
      return { name: 'round-robin', byHash: false, create: roundRobin };
    case LbPolicyName.LEAST_REQUEST: {
      const config = lbConfig.case === 'leastRequestLbConfig' ? lbConfig.value : undefined;
      const choices = config?.choiceCount ?? 2;
      const bias = config?.activeRequestBias?.defaultValue ?? 1;
      if (choices < 2) throw new ConfigRejectedError(resource, 'least_request_lb_config.choice_count: must be above 1');
      if (bias < 0) throw new ConfigRejectedError(resource, 'least_request_lb_config.active_request_bias: is below 0');
      return { name: 'least-request', byHash: false, create: leastRequestOf(choices, bias) };
    }
    case LbPolicyName.RING_HASH: {
      const config = lbConfig.case === 'ringHashLbConfig' ? lbConfig.value : undefined;
      const minSize = Number(config?.minimumRingSize ?? DEFAULT_MIN_RING_SIZE);
      const maxSize = Number(config?.maximumRingSize ?? MAX_RING_SIZE);
      if (config !== undefined && config.hashFunction !== HashFunction.XX_HASH)
        throw new ConfigRejectedError(resource, 'ring_hash_lb_config.hash_function: only XX_HASH is supported');
      if (maxSize > MAX_RING_SIZE || minSize > maxSize)
        throw new ConfigRejectedError(
          resource,
          `ring_hash_lb_config: a ring of ${minSize} to ${maxSize} entries; at most ${MAX_RING_SIZE}, the minimum not above the maximum`,
        );
      return ringHash({ minSize: Math.max(1, minSize), maxSize, useHostname });
    }
    case LbPolicyName.MAGLEV: {
      const size = Number(
        (lbConfig.case === 'maglevLbConfig' ? lbConfig.value.tableSize : undefined) ?? DEFAULT_MAGLEV_SIZE,
      );
      if (size > MAX_MAGLEV_SIZE || !isPrime(size))
        throw new ConfigRejectedError(
          resource,
          `maglev_lb_config.table_size: ${size} is not a prime number up to ${MAX_MAGLEV_SIZE}`,
        );
      return maglev({ tableSize: size, useHostname });
    }
    case LbPolicyName.RANDOM:
      return { name: 'random', byHash: false, create: randomChoice };
    case LbPolicyName.CLUSTER_PROVIDED:
      return { name: 'cluster-provided', byHash: false, create: roundRobin };
    default:
      throw new ConfigRejectedError(
        resource,
        `lb_policy: ${LbPolicyName[message.lbPolicy] ?? message.lbPolicy} is not supported yet`,
      );
  }
}

function zoneAware(
  config: Extract<CommonLbConfig['localityConfigSpecifier'], { case: 'zoneAwareLbConfig' }>['value'],
): NonNullable<LbSettings['zoneAware']> {
  return {
    routedPart: (config.routingEnabled?.value ?? 100) / 100,
    minClusterSize: Number(config.minClusterSize ?? DEFAULT_MIN_CLUSTER_SIZE),
    failTrafficOnPanic: config.failTrafficOnPanic,
  };
}

function slowStart({ lbConfig }: Cluster): SlowStart | undefined {
  const config: SlowStartConfig | undefined =
    lbConfig.case === 'roundRobinLbConfig' || lbConfig.case === 'leastRequestLbConfig'
      ? lbConfig.value.slowStartConfig
      : undefined;
  const windowMs = millisOr(config?.slowStartWindow, 0);
  if (config === undefined || windowMs <= 0) return undefined;
  return {
    windowMs,
    leastPart: (config.minWeightPercent?.value ?? DEFAULT_LEAST_PERCENT) / 100,
    aggression: config.aggression?.defaultValue || 1,
  };
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
