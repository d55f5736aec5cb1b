/** `load_balancing_policy`: a list of extensions, of which the first that is known counts. */
import type { LoadBalancingPolicy } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import type { LocalityLbConfig } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/common/v3/common';
import { LeastRequestSchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/least_request/v3/least_request';
import { MaglevSchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/maglev/v3/maglev';
import { RandomSchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/random/v3/random';
import {
  RingHash_HashFunction as HashFunction,
  RingHashSchema,
} from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash';
import { RoundRobinSchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin';
import { WrrLocalitySchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality';
import { ConfigRejectedError } from '@weft/evaluator';
import { typeNameOf, unpack } from './any.ts';
import {
  balancedHash,
  type LbChoice,
  leastRequestAlgorithm,
  maglevAlgorithm,
  RANDOM,
  ringAlgorithm,
  ROUND_ROBIN,
  slowStartOf,
  zoneAware,
} from './lb-algorithms.ts';

/** @throws {ConfigRejectedError} when none is known. */
export function chosenByExtension({ policies }: LoadBalancingPolicy, resource: string): LbChoice {
  const names: string[] = [];
  for (const [i, { typedExtensionConfig }] of policies.entries()) {
    const any = typedExtensionConfig?.typedConfig;
    if (any === undefined) continue;
    const choice = chosen(any, `${resource}: load_balancing_policy.policies[${i}]`);
    if (choice !== undefined) return choice;
    names.push(typeNameOf(any.typeUrl));
  }
  throw new ConfigRejectedError(
    resource,
    names.length === 0
      ? 'load_balancing_policy: names no policy'
      : `load_balancing_policy: none of ${names.join(', ')} is supported`,
  );
}

function chosen(any: Parameters<typeof unpack>[0], place: string): LbChoice | undefined {
  const roundRobin = unpack(any, RoundRobinSchema, place);
  if (roundRobin !== undefined)
    return {
      algorithm: ROUND_ROBIN,
      slowStart: slowStartOf(roundRobin.slowStartConfig),
      ...localities(roundRobin.localityLbConfig),
    };
  const leastRequest = unpack(any, LeastRequestSchema, place);
  if (leastRequest !== undefined)
    return {
      algorithm: leastRequestAlgorithm(leastRequest, place),
      slowStart: slowStartOf(leastRequest.slowStartConfig),
      ...localities(leastRequest.localityLbConfig),
    };
  const random = unpack(any, RandomSchema, place);
  if (random !== undefined) return { algorithm: RANDOM, slowStart: undefined, ...localities(random.localityLbConfig) };
  return chosenByHash(any, place) ?? chosenInside(any, place);
}

function chosenByHash(any: Parameters<typeof unpack>[0], place: string): LbChoice | undefined {
  const ring = unpack(any, RingHashSchema, place);
  const maglev = unpack(any, MaglevSchema, place);
  const config = ring ?? maglev;
  if (config === undefined) return undefined;
  const useHostname = config.consistentHashingLbConfig?.useHostnameForHashing ?? ring?.useHostnameForHashing ?? false;
  if (ring?.hashFunction === HashFunction.MURMUR_HASH_2)
    throw new ConfigRejectedError(place, 'hash_function: only XX_HASH is supported');
  const algorithm =
    ring === undefined ? maglevAlgorithm(maglev ?? {}, useHostname, place) : ringAlgorithm(ring, useHostname, place);
  return {
    algorithm: balancedHash(algorithm, config.consistentHashingLbConfig?.hashBalanceFactor, place),
    slowStart: undefined,
    localityWeighted: config.localityWeightedLbConfig !== undefined,
    zoneAware: undefined,
  };
}

/** Localities by weight, around another policy. */
function chosenInside(any: Parameters<typeof unpack>[0], place: string): LbChoice | undefined {
  const weighted = unpack(any, WrrLocalitySchema, place);
  if (weighted === undefined) return undefined;
  if (weighted.endpointPickingPolicy === undefined)
    throw new ConfigRejectedError(place, 'endpoint_picking_policy is not set');
  return { ...chosenByExtension(weighted.endpointPickingPolicy, place), localityWeighted: true, zoneAware: undefined };
}

function localities(config: LocalityLbConfig | undefined): Pick<LbChoice, 'localityWeighted' | 'zoneAware'> {
  const { localityConfigSpecifier: locality } = config ?? {};
  return {
    localityWeighted: locality?.case === 'localityWeightedLbConfig',
    zoneAware: locality?.case === 'zoneAwareLbConfig' ? zoneAware(locality.value) : undefined,
  };
}
