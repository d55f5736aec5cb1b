import type { Random } from '@weft/kit';
import type { Host } from '../host.ts';
import type { LbAlgorithm, LbAttempt, LbPolicy } from './lb-policy.ts';

interface BoundedPolicy extends LbPolicy {
  readonly inner: LbPolicy;
}
const isBounded = (policy: LbPolicy | undefined): policy is BoundedPolicy => policy !== undefined && 'inner' in policy;

/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam): a host that has more than its share of the
 * requests in progress gives the next one away, and a key gives it away to the same others in the same order.
 * @param percent of the average that a host may have; 100 and up.
 */
export const boundedLoad = (algorithm: LbAlgorithm, percent: number): LbAlgorithm => ({
  name: `${algorithm.name} bounded`,
  byHash: algorithm.byHash,
  create(hosts, deps, former) {
    const inner = algorithm.create(hosts, deps, isBounded(former) ? former.inner : undefined);
    const { weightOf, random } = deps;
    const total = hosts.reduce((sum, host) => sum + weightOf(host), 0);
    const policy: BoundedPolicy = {
      inner,
      pick(attempt) {
        const host = inner.pick(attempt);
        if (host === undefined || hosts.length === 1) return host;
        let active = 0;
        for (const one of hosts) active += one.activeRequests;
        const slots = Math.ceil(((active + 1) * percent) / 100);
        const loadOf = (one: Host): number =>
          one.activeRequests / Math.max(1, Math.ceil((slots * weightOf(one)) / total));
        const load = loadOf(host);
        return load <= 1 ? host : elsewhere(hosts, host, load, loadOf, attempt, random);
      },
    };
    return policy;
  },
});

/** The first of the others, in an order of the key's own, that has room; else the one that is least too busy. */
function elsewhere(
  hosts: readonly Host[],
  busy: Host,
  load: number,
  loadOf: (host: Host) => number,
  attempt: LbAttempt,
  random: Random,
): Host {
  const order = hosts.filter((host) => host !== busy);
  let [best, least] = [busy, load];
  let state = (attempt.hashed ? attempt.hashLow ^ attempt.hashHigh : random.int(0x1_0000_0000)) >>> 0 || 1;
  for (let i = 0; i < order.length; i += 1) {
    state = scrambled(state);
    const j = i + (state % (order.length - i));
    const host = order[j] as Host;
    order[j] = order[i] as Host;
    order[i] = host;
    if (attempt.repicks > 0 && attempt.rejects(host)) continue;
    const its = loadOf(host);
    if (its <= 1) return host;
    if (its < least) [best, least] = [host, its];
  }
  return best;
}

/** Marsaglia's xorshift: never 0 from what is not 0. */
function scrambled(state: number): number {
  let x = state;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x >>> 0;
}
