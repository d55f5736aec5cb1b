import type { Host } from '../host.ts';

/** What stands for a host on a ring or in a table (Envoy's order): its own key, then its name where asked for, then its address. */
export const hashKeyOf = ({ facts, name }: Host, useHostname: boolean): string =>
  facts.hashKey !== '' ? facts.hashKey : useHostname && facts.hostname !== '' ? facts.hostname : name;

/** Hosts with their share of the whole, and what tells this list from another. */
export interface HashShares {
  readonly keys: readonly string[];
  /** Sum 1. */
  readonly shares: readonly number[];
  readonly least: number;
  readonly most: number;
  /** Equal for equal keys and weights in equal order: then a table need not be built anew. */
  readonly fingerprint: string;
}

export function hashShares(hosts: readonly Host[], weightOf: (host: Host) => number, useHostname: boolean): HashShares {
  const keys = hosts.map((host) => hashKeyOf(host, useHostname));
  const weights = hosts.map(weightOf);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = weights.map((weight) => weight / total);
  return {
    keys,
    shares,
    least: Math.min(...shares),
    most: Math.max(...shares),
    fingerprint: keys.map((key, i) => `${key} ${weights[i] ?? 0}`).join('\n'),
  };
}
