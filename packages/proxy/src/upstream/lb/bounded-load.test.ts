import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attempt, host, lbDeps } from '../../test-support/hosts.ts';
import type { Host } from '../host.ts';
import { boundedLoad } from './bounded-load.ts';
import type { LbAttempt, LbPolicy } from './lb-policy.ts';
import { maglev } from './maglev.ts';
import { ringHash } from './ring-hash.ts';

const ring = ringHash({ minSize: 1024, maxSize: 8192, useHostname: false });
const ALGORITHMS = [ring, maglev({ tableSize: 1009, useHostname: false })] as const;
const key = (value: number): LbAttempt =>
  attempt({ hashed: true, hashHigh: value, hashLow: Math.imul(value, 2_654_435_761) >>> 0 });
const hostsOf = (count: number): Host[] => Array.from({ length: count }, (_, i) => host(i + 1));
/** Picks, and counts the request as in progress. */
const take = (policy: LbPolicy, by: LbAttempt): Host | undefined => {
  const picked = policy.pick(by);
  if (picked !== undefined) picked.activeRequests += 1;
  return picked;
};

describe.each(ALGORITHMS)('$name with bounded loads', (algorithm) => {
  it('is as without while nobody has too much', () => {
    const hosts = hostsOf(5);
    const [plain, bounded] = [algorithm.create(hosts, lbDeps(1)), boundedLoad(algorithm, 150).create(hosts, lbDeps(1))];
    for (let i = 0; i < 200; i += 1) expect(bounded.pick(key(i * 7919))).toBe(plain.pick(key(i * 7919)));
  });

  it('lets no host have more than its part of what is in progress, however many have one key', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 9 }),
        fc.constantFrom(100, 125, 150, 200),
        fc.nat(1_000_000),
        (count, percent, which) => {
          const hosts = hostsOf(count);
          const policy = boundedLoad(algorithm, percent).create(hosts, lbDeps(1));
          const total = 40 * count;
          for (let i = 0; i < total; i += 1) take(policy, key(which));
          const most = Math.max(...hosts.map(({ activeRequests }) => activeRequests));
          // One may be taken while a host has just its part.
          expect(most).toBeLessThanOrEqual(Math.ceil((Math.ceil((total * percent) / 100) + 1) / count) + 1);
          expect(hosts.reduce((sum, { activeRequests }) => sum + activeRequests, 0)).toBe(total);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives a key that has no room to the same other host each time', () => {
    const hosts = hostsOf(6);
    const policy = boundedLoad(algorithm, 110).create(hosts, lbDeps(1));
    const others = new Set<Host | undefined>();
    for (let which = 1; which <= 40; which += 1) {
      const home = policy.pick(key(which));
      if (home === undefined) throw new Error('no host');
      home.activeRequests = 50;
      const other = policy.pick(key(which));
      expect(other).not.toBe(home);
      for (let i = 0; i < 5; i += 1) expect(policy.pick(key(which))).toBe(other);
      others.add(other);
      home.activeRequests = 0;
    }
    // Not the next one for everybody.
    expect(others.size).toBeGreaterThan(3);
  });

  it('goes by weights, and has somebody as long as there is one', () => {
    const hosts = [host(1, { weight: 1 }), host(2, { weight: 9 })];
    const policy = boundedLoad(algorithm, 120).create(hosts, lbDeps(1));
    for (let i = 0; i < 200; i += 1) take(policy, key(i * 104_729));
    expect(hosts[0]?.activeRequests).toBeLessThan(40);
    const [only] = hostsOf(1);
    const single = boundedLoad(algorithm, 100).create(only === undefined ? [] : [only], lbDeps(1));
    for (let i = 0; i < 20; i += 1) expect(take(single, key(1))).toBe(only);
    expect(boundedLoad(algorithm, 100).create([], lbDeps(1)).pick(key(1))).toBeUndefined();
  });
});
