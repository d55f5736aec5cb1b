import { modulo64 } from '../hash/hash64.ts';
import { Xxh64 } from '../hash/xxh64.ts';
import type { Host } from '../host.ts';
import { hashShares, type HashShares } from './hash-key.ts';
import type { LbAlgorithm, LbAttempt, LbPolicy } from './lb-policy.ts';

export interface MaglevOptions {
  /** A prime. */
  readonly tableSize: number;
  readonly useHostname: boolean;
}

export const DEFAULT_MAGLEV_SIZE = 65_537;
export const MAX_MAGLEV_SIZE = 5_000_011;

export interface MaglevTable {
  /** Index of the host by `hash mod size`. */
  readonly hosts: Int32Array;
  readonly fingerprint: string;
}

/** Maglev's permutation table, with weights as Envoy has them: a host of half the greatest share claims a slot every second round. */
export function buildMaglev({ keys, shares, most, fingerprint }: HashShares, size: number): MaglevTable {
  const hash = new Xxh64();
  const entries = keys
    .map((key, host) => {
      hash.text(key);
      const offset = modulo64(hash.high, hash.low, size);
      hash.text(key, 1);
      const skip = modulo64(hash.high, hash.low, size - 1) + 1;
      return { key, host, share: shares[host] ?? 0, target: 0, slot: offset, skip };
    })
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const hosts = new Int32Array(size).fill(-1);
  let filled = 0;
  for (let round = 1; filled < size; round += 1) {
    for (const entry of entries) {
      if (filled === size) break;
      if (round * entry.share < entry.target) continue;
      entry.target += most;
      while (hosts[entry.slot] !== -1) entry.slot = (entry.slot + entry.skip) % size;
      hosts[entry.slot] = entry.host;
      filled += 1;
    }
  }
  return { hosts, fingerprint };
}

interface MaglevPolicy extends LbPolicy {
  readonly maglev: MaglevTable;
}
const isMaglev = (policy: LbPolicy | undefined): policy is MaglevPolicy => policy !== undefined && 'maglev' in policy;

/** As ring hash, more even and quicker to ask; a change of hosts moves a few keys more. */
export const maglev = ({ tableSize, useHostname }: MaglevOptions): LbAlgorithm => ({
  name: 'maglev',
  byHash: true,
  create(hosts, { random, weightOf }, former) {
    if (hosts.length === 0) return { pick: () => undefined };
    const shares = hashShares(hosts, weightOf, useHostname);
    const known = isMaglev(former) && former.maglev.hosts.length === tableSize ? former.maglev : undefined;
    const table = known?.fingerprint === shares.fingerprint ? known : buildMaglev(shares, tableSize);
    const choose = (high: number, low: number): Host | undefined =>
      hosts[table.hosts[modulo64(high >>> 0, low >>> 0, tableSize)] ?? 0];
    const policy: MaglevPolicy = {
      maglev: table,
      pick(attempt: LbAttempt) {
        const { repicks, hashed } = attempt;
        const high = hashed ? attempt.hashHigh : Math.floor(random.next() * 0x1_0000_0000);
        const low = hashed ? attempt.hashLow : Math.floor(random.next() * 0x1_0000_0000);
        let host = choose(high, low);
        // The nth other choice is at the hash with -n mixed in, in 64 bits.
        for (let n = 1; n <= repicks && host !== undefined && attempt.rejects(host); n += 1)
          host = choose(~high, low ^ -n);
        if (repicks === 0 || host === undefined || !attempt.rejects(host)) return host;
        return random.pick(hosts.filter((one) => !attempt.rejects(one))) ?? host;
      },
    };
    return policy;
  },
});

/** @returns whether a Maglev table can have this size: the permutations reach every slot of a prime one only. */
export function isPrime(size: number): boolean {
  if (size < 2) return false;
  for (let divisor = 2; divisor * divisor <= size; divisor += 1) if (size % divisor === 0) return false;
  return true;
}
