import type { Random } from '@weft/kit';
import type { Host } from '../host.ts';

/** Chooses one host for one attempt. Built anew for each host set, from the former policy's state, so `pick` never sees a half-applied update. */
export interface LbPolicy {
  /** @returns undefined when there is no host. May return a tried one when nothing else is left. Neither throws nor waits. */
  pick(attempt: LbAttempt): Host | undefined;
}

export interface LbAttempt {
  /** Hosts that already failed this request. */
  readonly tried: ReadonlySet<Host>;
  /** Whether a host is better left alone: it failed this request, or it is not meant for retries. */
  rejects(host: Host): boolean;
  /** How often another host is looked for when such a one comes up; 0 = they are as good as others. */
  readonly repicks: number;
  /** Whether the route's hash policies found something to hash. */
  readonly hashed: boolean;
  /** What they found, as halves of 64 bits. */
  readonly hashHigh: number;
  readonly hashLow: number;
  /** Attempts of this request that failed. */
  readonly failedAttempts: number;
  /** After so many of them another priority is looked for than those tried; 0 = never. */
  readonly otherPriorityEvery: number;
  /** "address:port" of the host that the caller's session is bound to; empty when it is not. */
  readonly boundTo: string;
  /** That host or none. */
  readonly boundStrictly: boolean;
}

export const FIRST_ATTEMPT: LbAttempt = {
  tried: new Set(),
  rejects: () => false,
  repicks: 0,
  hashed: false,
  hashHigh: 0,
  hashLow: 0,
  failedAttempts: 0,
  otherPriorityEvery: 0,
  boundTo: '',
  boundStrictly: false,
};

/** How much of the traffic a host is worth now; above 0. */
export type WeightOf = (host: Host) => number;

export interface LbDeps {
  readonly random: Random;
  readonly weightOf: WeightOf;
  /** Weights change by themselves (slow start), so that equal ones must not be taken for granted. */
  readonly weightsMove: boolean;
}

/** @param former of the same kind and for the same part of the cluster; only its state is taken. */
export type LbPolicyFactory = (hosts: readonly Host[], deps: LbDeps, former?: LbPolicy) => LbPolicy;

/** One algorithm as a cluster asks for it. */
export interface LbAlgorithm {
  readonly name: string;
  /** One table over all localities, in which locality weights are weights of hosts. */
  readonly byHash: boolean;
  readonly create: LbPolicyFactory;
}

/**
 * Asks again while the answer was tried before. Chance may say the same each time (a host that fails fast looks idle, so
 * least request likes it best): after the last re-pick any host that was not tried is better than one that was.
 */
export function pickAvoiding(
  attempt: LbAttempt,
  hosts: readonly Host[],
  random: Random,
  pick: () => Host | undefined,
): Host | undefined {
  const { repicks } = attempt;
  let host = pick();
  for (let asked = 0; asked < repicks && host !== undefined && attempt.rejects(host); asked += 1) host = pick();
  if (repicks === 0 || host === undefined || !attempt.rejects(host)) return host;
  return random.pick(hosts.filter((one) => !attempt.rejects(one))) ?? host;
}

export const sameWeights = (hosts: readonly Host[], { weightOf, weightsMove }: LbDeps): boolean => {
  if (weightsMove) return false;
  const [first] = hosts;
  return first === undefined || hosts.every((host) => weightOf(host) === weightOf(first));
};
