import { Xxh64 } from '../hash/xxh64.ts';
import type { Host } from '../host.ts';
import { hashShares, type HashShares } from './hash-key.ts';
import type { LbAlgorithm, LbAttempt, LbPolicy } from './lb-policy.ts';

export interface RingHashOptions {
  readonly minSize: number;
  readonly maxSize: number;
  readonly useHostname: boolean;
}

export const DEFAULT_MIN_RING_SIZE = 1024;
/** Also the most that may be asked for. */
export const MAX_RING_SIZE = 8 * 1024 * 1024;

/** Entries sorted by their 64-bit hash, each with the index of its host. */
export interface Ring {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly hosts: Uint32Array;
  readonly fingerprint: string;
}

/** Ketama by Envoy's rules: each host gets entries by its share, the `i`th at XXH64 of "key_i". */
export function buildRing({ keys, shares, least, fingerprint }: HashShares, options: RingHashOptions): Ring {
  const scale = Math.min(Math.ceil(least * options.minSize) / least, options.maxSize);
  const room = Math.ceil(scale) + keys.length;
  const high = new Uint32Array(room);
  const low = new Uint32Array(room);
  const owner = new Uint32Array(room);
  const hash = new Xxh64();
  let size = 0;
  let target = 0;
  shares.forEach((share, host) => {
    target += scale * share;
    for (let i = 0; size < target; i += 1) {
      hash.text(`${keys[host] ?? ''}_${i}`);
      high[size] = hash.high;
      low[size] = hash.low;
      owner[size] = host;
      size += 1;
    }
  });
  const order = sortedOrder(high.subarray(0, size), low.subarray(0, size));
  return { high: take(high, order), low: take(low, order), hosts: take(owner, order), fingerprint };
}

const take = (values: Uint32Array, order: Uint32Array): Uint32Array => {
  const taken = new Uint32Array(order.length);
  for (let i = 0; i < order.length; i += 1) taken[i] = values[order[i] ?? 0] ?? 0;
  return taken;
};

const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;

// Below that, comparing is quicker than counting digits.
const FEW = 16 * 1024;

/** Indexes by ascending (high, low). */
const sortedOrder = (high: Uint32Array, low: Uint32Array): Uint32Array =>
  high.length > FEW
    ? countedOrder(high, low)
    : Uint32Array.from(high, (_, i) => i).sort(
        (a, b) => (high[a] ?? 0) - (high[b] ?? 0) || (low[a] ?? 0) - (low[b] ?? 0),
      );

/** By digits of the upper half, since a ring may have millions of entries; then the few equal ones by the lower. */
function countedOrder(high: Uint32Array, low: Uint32Array): Uint32Array {
  let order = Uint32Array.from(high, (_, i) => i);
  for (const shift of [0, DIGIT_BITS]) {
    const starts = new Uint32Array(DIGITS + 1);
    const digit = (index: number): number => ((high[index] ?? 0) >>> shift) & (DIGITS - 1);
    for (const index of order) starts[digit(index) + 1] = (starts[digit(index) + 1] ?? 0) + 1;
    for (let i = 1; i <= DIGITS; i += 1) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0);
    const sorted = new Uint32Array(order.length);
    for (const index of order) {
      const to = starts[digit(index)] ?? 0;
      sorted[to] = index;
      starts[digit(index)] = to + 1;
    }
    order = sorted;
  }
  for (let i = 1; i < order.length; i += 1) {
    const index = order[i] ?? 0;
    let to = i;
    while (to > 0 && high[order[to - 1] ?? 0] === high[index] && (low[order[to - 1] ?? 0] ?? 0) > (low[index] ?? 0)) {
      order[to] = order[to - 1] ?? 0;
      to -= 1;
    }
    order[to] = index;
  }
  return order;
}

/** Index of the first entry not below the hash, around the end to the first. */
export function ringIndex({ high, low }: Ring, hashHigh: number, hashLow: number): number {
  let from = 0;
  let to = high.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const h = high[middle] ?? 0;
    if (h < hashHigh || (h === hashHigh && (low[middle] ?? 0) < hashLow)) from = middle + 1;
    else to = middle;
  }
  return from === high.length ? 0 : from;
}

interface RingPolicy extends LbPolicy {
  readonly ring: Ring;
}
const isRing = (policy: LbPolicy | undefined): policy is RingPolicy => policy !== undefined && 'ring' in policy;

/** The same key leads to the same host; a host that leaves takes only its own keys along. */
export const ringHash = (options: RingHashOptions): LbAlgorithm => ({
  name: 'ring-hash',
  byHash: true,
  create(hosts, { random, weightOf }, former) {
    if (hosts.length === 0) return { pick: () => undefined };
    const shares = hashShares(hosts, weightOf, options.useHostname);
    const ring =
      isRing(former) && former.ring.fingerprint === shares.fingerprint ? former.ring : buildRing(shares, options);
    const size = ring.hosts.length;
    const choose = (index: number): Host | undefined => hosts[ring.hosts[index % size] ?? 0];
    const policy: RingPolicy = {
      ring,
      pick(attempt: LbAttempt) {
        const { repicks } = attempt;
        const index = attempt.hashed
          ? ringIndex(ring, attempt.hashHigh, attempt.hashLow)
          : Math.floor(random.next() * size);
        let host = choose(index);
        for (let i = 1; i <= repicks && host !== undefined && attempt.rejects(host); i += 1) host = choose(index + i);
        if (repicks === 0 || host === undefined || !attempt.rejects(host)) return host;
        return random.pick(hosts.filter((one) => !attempt.rejects(one))) ?? host;
      },
    };
    return policy;
  },
});
