import type { Random } from '@weft/kit';
import type { Host } from '../host.ts';
import { EdfScheduler } from './edf.ts';
import type { LbPolicy } from './lb-policy.ts';

/** Hosts of one locality inside one priority. */
export interface LocalityHosts {
  /** "region/zone/subzone". */
  readonly name: string;
  /** 0 = none given. */
  readonly weight: number;
  readonly total: number;
  /** Those that may be chosen. */
  readonly open: readonly Host[];
}

export interface WeightedLocality {
  readonly policy: LbPolicy;
  readonly weight: number;
}

/** A locality weighs less as it loses hosts, once the spare capacity that everybody is assumed to have is used up. */
export const effectiveWeight = ({ weight, total, open }: LocalityHosts, overprovisioningPercent: number): number =>
  total === 0 ? 0 : weight * Math.min(1, (overprovisioningPercent * open.length) / 100 / total);

/** First a locality by weight, then a host in it. */
export function byLocalityWeight(localities: readonly WeightedLocality[], random: Random): LbPolicy {
  const scheduler = new EdfScheduler(localities, ({ weight }) => weight, random);
  return { pick: (attempt) => scheduler.next()?.policy.pick(attempt) };
}

/** Parts of 10 000, as Envoy counts them. */
const WHOLE = 10_000;

export interface ZoneShares {
  /** Of the traffic, how much stays in the own zone. */
  readonly staying: number;
  /** What each other zone can take of the rest, added up in order. */
  readonly residual: readonly number[];
}

/**
 * How a zone's callers spread when their zone has less than its share of the hosts.
 * @param callers how many of the callers' own cluster are healthy, by zone, the own first. @param hosts likewise of the upstream.
 */
export function zoneShares(callers: readonly number[], hosts: readonly number[]): ZoneShares {
  const parts = (counts: readonly number[]): number[] => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count) => (total === 0 ? 0 : Math.floor((WHOLE * count) / total)));
  };
  const callerParts = parts(callers);
  const hostParts = parts(hosts);
  const [own = 0] = callerParts;
  const [upstream = 0] = hostParts;
  if (upstream >= own) return { staying: WHOLE, residual: [] };
  let total = 0;
  const residual = hostParts.map((part, i) => {
    if (i > 0) total += Math.max(0, part - (callerParts[i] ?? 0));
    return total;
  });
  return { staying: Math.floor((upstream * WHOLE) / own), residual };
}

/** The own zone as far as its share allows, the rest where there is room. @param policies one per zone, the own first. */
export function byZone(policies: readonly LbPolicy[], { staying, residual }: ZoneShares, random: Random): LbPolicy {
  const [own] = policies;
  const room = residual.at(-1) ?? 0;
  return {
    pick(attempt) {
      if (staying >= WHOLE || random.int(WHOLE) < staying) return own?.pick(attempt);
      if (room === 0) return policies[random.int(policies.length)]?.pick(attempt);
      const drawn = random.int(room);
      let at = 1;
      while (at < residual.length && (residual[at] ?? 0) <= drawn) at += 1;
      return policies[at]?.pick(attempt);
    },
  };
}
