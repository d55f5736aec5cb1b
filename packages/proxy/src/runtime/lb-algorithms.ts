/** Balancers and what goes with them, from the messages by which either way of choosing them says so. */
import type { Duration } from '@bufbuild/protobuf/wkt';
import { ConfigRejectedError } from '@weft/evaluator';
import type { LbSettings } from '../upstream/lb/balancer.ts';
import { boundedLoad } from '../upstream/lb/bounded-load.ts';
import type { LbAlgorithm } from '../upstream/lb/lb-policy.ts';
import { leastRequestOf } from '../upstream/lb/least-request.ts';
import { DEFAULT_MAGLEV_SIZE, isPrime, maglev, MAX_MAGLEV_SIZE } from '../upstream/lb/maglev.ts';
import { randomChoice } from '../upstream/lb/random.ts';
import { DEFAULT_MIN_RING_SIZE, MAX_RING_SIZE, ringHash } from '../upstream/lb/ring-hash.ts';
import { roundRobin } from '../upstream/lb/round-robin.ts';
import type { SlowStart } from '../upstream/lb/slow-start.ts';
import { millisOr } from './durations.ts';

export type LbChoice = Pick<LbSettings, 'algorithm' | 'localityWeighted' | 'zoneAware' | 'slowStart'>;

const DEFAULT_MIN_CLUSTER_SIZE = 6;
const DEFAULT_LEAST_PERCENT = 10;

export const ROUND_ROBIN: LbAlgorithm = { name: 'round-robin', byHash: false, create: roundRobin };
export const RANDOM: LbAlgorithm = { name: 'random', byHash: false, create: randomChoice };

interface LeastRequestMessage {
  readonly choiceCount?: number | undefined;
  readonly activeRequestBias?: { readonly defaultValue: number } | undefined;
}

export function leastRequestAlgorithm(config: LeastRequestMessage, place: string): LbAlgorithm {
  const choices = config.choiceCount ?? 2;
  const bias = config.activeRequestBias?.defaultValue ?? 1;
  if (choices < 2) throw new ConfigRejectedError(place, 'choice_count: must be above 1');
  if (bias < 0) throw new ConfigRejectedError(place, 'active_request_bias: must not be below 0');
  return { name: 'least-request', byHash: false, create: leastRequestOf(choices, bias) };
}

interface RingMessage {
  readonly minimumRingSize?: bigint | undefined;
  readonly maximumRingSize?: bigint | undefined;
}

export function ringAlgorithm(config: RingMessage, useHostname: boolean, place: string): LbAlgorithm {
  const minSize = Number(config.minimumRingSize ?? DEFAULT_MIN_RING_SIZE);
  const maxSize = Number(config.maximumRingSize ?? MAX_RING_SIZE);
  if (maxSize > MAX_RING_SIZE || minSize > maxSize)
    throw new ConfigRejectedError(
      place,
      `a ring of ${minSize} to ${maxSize} entries; at most ${MAX_RING_SIZE}, the minimum not above the maximum`,
    );
  return ringHash({ minSize: Math.max(1, minSize), maxSize: Math.max(1, maxSize), useHostname });
}

export function maglevAlgorithm(
  config: { readonly tableSize?: bigint | undefined },
  useHostname: boolean,
  place: string,
): LbAlgorithm {
  const size = Number(config.tableSize ?? DEFAULT_MAGLEV_SIZE);
  if (size > MAX_MAGLEV_SIZE || !isPrime(size))
    throw new ConfigRejectedError(place, `table_size: ${size} is not a prime number up to ${MAX_MAGLEV_SIZE}`);
  return maglev({ tableSize: size, useHostname });
}

/** @param factor percent; undefined or 0 = as many as come. */
export function balancedHash(algorithm: LbAlgorithm, factor: number | undefined, place: string): LbAlgorithm {
  if (factor === undefined || factor === 0) return algorithm;
  if (factor < 100) throw new ConfigRejectedError(place, `hash_balance_factor: ${factor} is below 100`);
  return boundedLoad(algorithm, factor);
}

interface ZoneAwareMessage {
  readonly routingEnabled?: { readonly value: number } | undefined;
  readonly minClusterSize?: bigint | undefined;
  readonly failTrafficOnPanic: boolean;
}

export const zoneAware = (config: ZoneAwareMessage): NonNullable<LbSettings['zoneAware']> => ({
  routedPart: (config.routingEnabled?.value ?? 100) / 100,
  minClusterSize: Number(config.minClusterSize ?? DEFAULT_MIN_CLUSTER_SIZE),
  failTrafficOnPanic: config.failTrafficOnPanic,
});

interface SlowStartMessage {
  readonly slowStartWindow?: Duration | undefined;
  readonly aggression?: { readonly defaultValue: number } | undefined;
  readonly minWeightPercent?: { readonly value: number } | undefined;
}

export function slowStartOf(config: SlowStartMessage | undefined): SlowStart | undefined {
  const windowMs = millisOr(config?.slowStartWindow, 0);
  if (config === undefined || windowMs <= 0) return undefined;
  return {
    windowMs,
    leastPart: (config.minWeightPercent?.value ?? DEFAULT_LEAST_PERCENT) / 100,
    aggression: config.aggression?.defaultValue || 1,
  };
}
