import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attempt, host, lbDeps } from '../../test-support/hosts.ts';
import type { Host } from '../host.ts';
import { FIRST_ATTEMPT, type LbPolicyFactory } from './lb-policy.ts';
import { leastRequest } from './least-request.ts';
import { randomChoice } from './random.ts';
import { roundRobin } from './round-robin.ts';

const weighted = (port: number, weight: number): Host => host(port, { weight });

const count = (hosts: readonly Host[], picks: number, factory: LbPolicyFactory): number[] => {
  const policy = factory(hosts, lbDeps(3));
  const counts = new Map<Host | undefined, number>();
  for (let i = 0; i < picks; i += 1) {
    const picked = policy.pick(FIRST_ATTEMPT);
    counts.set(picked, (counts.get(picked) ?? 0) + 1);
  }
  return hosts.map((one) => counts.get(one) ?? 0);
};

const policies: readonly (readonly [string, LbPolicyFactory])[] = [
  ['round robin', roundRobin],
  ['least request', leastRequest],
  ['random', randomChoice],
];

describe.each(policies)('every balancer: %s', (_, factory) => {
  it('has nobody to give without hosts', () => {
    expect(factory([], lbDeps(1)).pick(FIRST_ATTEMPT)).toBeUndefined();
  });

  it('uses every host', () => {
    expect(Math.min(...count([host(1), host(2), host(3)], 300, factory))).toBeGreaterThan(50);
  });

  it('looks for another host than those tried', () => {
    const [bad, good] = [host(1), host(2)];
    const policy = factory([bad, good], lbDeps(5));
    for (let i = 0; i < 50; i += 1) expect(policy.pick(attempt({ tried: new Set([bad]), repicks: 50 }))).toBe(good);
  });

  it('finds the one host that was not tried, however few re-picks there are', () => {
    const hosts = [host(1), host(2), host(3), host(4)];
    const [good, ...bad] = hosts;
    // Hosts that fail at once have nothing in flight.
    if (good !== undefined) good.activeRequests = 9;
    const policy = factory(hosts, lbDeps(8));
    for (let i = 0; i < 200; i += 1) expect(policy.pick(attempt({ tried: new Set(bad), repicks: 1 }))).toBe(good);
  });

  it('gives a tried host when there is no other', () => {
    const only = host(1);
    expect(factory([only], lbDeps(1)).pick(attempt({ tried: new Set([only]), repicks: 5 }))).toBe(only);
  });
});

describe('round robin', () => {
  it('is exact by weight over a cycle', () => {
    expect(count([weighted(1, 1), weighted(2, 2), weighted(3, 5)], 80, roundRobin)).toEqual([10, 20, 50]);
  });

  it('is exact over the first cycle, whatever the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 6 }), (weights) => {
        const hosts = weights.map((weight, i) => weighted(i + 1, weight));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        expect(
          count(hosts, total * 3, roundRobin).map((picks, i) => Math.abs(picks - 3 * (weights[i] ?? 0)) <= 1),
        ).not.toContain(false);
      }),
    );
  });

  it('goes on where the former one stopped', () => {
    const hosts = [host(1), host(2), host(3)];
    const former = roundRobin(hosts, lbDeps(1));
    const last = former.pick(FIRST_ATTEMPT);
    const next = roundRobin(hosts, lbDeps(99), former).pick(FIRST_ATTEMPT);
    expect(hosts.indexOf(next as Host)).toBe((hosts.indexOf(last as Host) + 1) % 3);
  });
});

describe('least request', () => {
  it('prefers the less busy of two', () => {
    const [busy, free] = [host(1), host(2)];
    busy.activeRequests = 50;
    const [toBusy = 0, toFree = 0] = count([busy, free], 400, leastRequest);
    // Busy wins only when drawn twice: one time in four.
    expect(toBusy).toBeLessThan(140);
    expect(toFree).toBeGreaterThan(260);
  });

  it('weighs by weight over requests in flight', () => {
    const [heavy, light] = [weighted(1, 4), weighted(2, 1)];
    heavy.activeRequests = 1;
    expect(count([heavy, light], 30, leastRequest)).toEqual([20, 10]);
  });
});
