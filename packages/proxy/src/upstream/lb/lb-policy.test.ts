import { seededRandom } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import { Host } from '../host.ts';
import { eligibleHosts } from '../cluster.ts';
import { FIRST_ATTEMPT, type LbPolicyFactory } from './lb-policy.ts';
import { leastRequest } from './least-request.ts';
import { randomChoice } from './random.ts';
import { roundRobin } from './round-robin.ts';

const host = (port: number, weight = 1, more: { healthy?: boolean; priority?: number } = {}): Host =>
  new Host({
    address: '127.0.0.1',
    port,
    hostname: '',
    weight,
    priority: 0,
    healthy: true,
    locality: '',
    transportMatch: {},
    workload: '',
    ...more,
  });

const count = (hosts: readonly Host[], picks: number, factory: LbPolicyFactory): number[] => {
  const policy = factory(hosts, seededRandom(3));
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
    expect(factory([], seededRandom(1)).pick(FIRST_ATTEMPT)).toBeUndefined();
  });

  it('uses every host', () => {
    expect(Math.min(...count([host(1), host(2), host(3)], 300, factory))).toBeGreaterThan(50);
  });

  it('looks for another host than those tried', () => {
    const [bad, good] = [host(1), host(2)];
    const policy = factory([bad, good], seededRandom(5));
    for (let i = 0; i < 50; i += 1) expect(policy.pick({ tried: new Set([bad]), repicks: 50 })).toBe(good);
  });

  it('finds the one host that was not tried, however few re-picks there are', () => {
    const hosts = [host(1), host(2), host(3), host(4)];
    const [good, ...bad] = hosts;
    // Hosts that fail at once have nothing in flight.
    if (good !== undefined) good.activeRequests = 9;
    const policy = factory(hosts, seededRandom(8));
    for (let i = 0; i < 200; i += 1) expect(policy.pick({ tried: new Set(bad), repicks: 1 })).toBe(good);
  });

  it('gives a tried host when there is no other', () => {
    const only = host(1);
    expect(factory([only], seededRandom(1)).pick({ tried: new Set([only]), repicks: 5 })).toBe(only);
  });
});

describe('round robin', () => {
  it('is exact by weight over a cycle', () => {
    expect(count([host(1, 1), host(2, 2), host(3, 5)], 80, roundRobin)).toEqual([10, 20, 50]);
  });

  it('goes on where the former one stopped', () => {
    const hosts = [host(1), host(2), host(3)];
    const former = roundRobin(hosts, seededRandom(1));
    const last = former.pick(FIRST_ATTEMPT);
    const next = roundRobin(hosts, seededRandom(99), former).pick(FIRST_ATTEMPT);
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
    const [heavy, light] = [host(1, 4), host(2, 1)];
    heavy.activeRequests = 1;
    expect(count([heavy, light], 30, leastRequest)).toEqual([20, 10]);
  });
});

describe('which hosts are eligible', () => {
  it('are the healthy ones, of the first priority that has any', () => {
    const hosts = [host(1, 1, { healthy: false }), host(2, 1, { priority: 1 }), host(3, 1, { priority: 1 })];
    expect(eligibleHosts(hosts, 0)).toEqual(hosts.slice(1));
  });
  it('are all in a panic', () => {
    const hosts = [host(1, 1, { healthy: false }), host(2, 1, { healthy: false }), host(3)];
    expect(eligibleHosts(hosts, 50)).toEqual(hosts);
    expect(eligibleHosts(hosts, 0)).toEqual(hosts.slice(2));
  });
});
