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
  /** How often another host is looked for when a tried one comes up; 0 = tried hosts are as good as others. */
  readonly repicks: number;
}

export const FIRST_ATTEMPT: LbAttempt = { tried: new Set(), repicks: 0 };

export type LbPolicyFactory = (hosts: readonly Host[], random: Random, former?: LbPolicy) => LbPolicy;

/**
 * Asks again while the answer was tried before. Chance may say the same each time (a host that fails fast looks idle, so
 * least request likes it best): after the last re-pick any host that was not tried is better than one that was.
 */
export function pickAvoiding(
  { tried, repicks }: LbAttempt,
  hosts: readonly Host[],
  random: Random,
  pick: () => Host | undefined,
): Host | undefined {
  let host = pick();
  for (let asked = 0; asked < repicks && host !== undefined && tried.has(host); asked += 1) host = pick();
  if (repicks === 0 || host === undefined || !tried.has(host)) return host;
  return random.pick(hosts.filter((one) => !tried.has(one))) ?? host;
}

export const sameWeights = (hosts: readonly Host[]): boolean =>
  hosts.every((host) => host.facts.weight === hosts[0]?.facts.weight);
