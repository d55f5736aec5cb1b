import { seededRandom } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import { attempt, facts, hashed, host } from '../../test-support/hosts.ts';
import { Host } from '../host.ts';
import { Balancer, type BalancerInput, type LbSettings } from './balancer.ts';
import type { LbAttempt } from './lb-policy.ts';
import { leastRequest } from './least-request.ts';
import { zoneShares } from './locality-choice.ts';
import { MAX_RING_SIZE, ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';
import { slowStartPart } from './slow-start.ts';

const ROUND_ROBIN = { name: 'round-robin', byHash: false, create: roundRobin };
const settings: LbSettings = {
  algorithm: ROUND_ROBIN,
  panicThreshold: 50,
  localityWeighted: false,
  zoneAware: undefined,
  slowStart: undefined,
  boundHealth: new Set(['healthy', 'degraded']),
};
const balancer = (
  hosts: readonly Host[],
  more: Partial<LbSettings> = {},
  input: Partial<BalancerInput> = {},
): Balancer =>
  new Balancer({
    hosts: new Map(hosts.map((one) => [one.name, one])),
    settings: { ...settings, ...more },
    overprovisioningPercent: 140,
    own: undefined,
    random: seededRandom(11),
    now: () => 0,
    ...input,
  });
/** Percent of picks by port. */
const spread = (of: Balancer, picks = 4000, one: LbAttempt = attempt({})): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (let i = 0; i < picks; i += 1) {
    const port = of.pick(one)?.facts.port ?? 0;
    counts[port] = (counts[port] ?? 0) + 100 / picks;
  }
  return counts;
};

describe('priorities', () => {
  const levels = (healthyOfFirst: number): Host[] => [
    ...[1, 2, 3, 4].map((port) => host(port, { health: port <= healthyOfFirst ? 'healthy' : 'unhealthy' })),
    host(9, { priority: 1 }),
  ];

  it('keep traffic in the first while it can, then share it, then leave it', () => {
    expect(spread(balancer(levels(4)))[9]).toBeUndefined();
    expect(spread(balancer(levels(3)))[9]).toBeUndefined();
    expect(spread(balancer(levels(2)))[9]).toBeCloseTo(30, -1);
    expect(spread(balancer(levels(0)))).toEqual({ 9: expect.closeTo(100) });
  });

  it('without gaps in their numbers or with', () => {
    expect(spread(balancer([host(1, { priority: 3 }), host(2, { priority: 7 })]))).toEqual({ 1: expect.closeTo(100) });
  });

  it('that were tried come last on retries, after so many attempts', () => {
    const hosts = [host(1), host(2, { priority: 1 })];
    const tried = new Set(hosts.slice(0, 1));
    const of = balancer(hosts);
    const retry = (failedAttempts: number) => attempt({ tried, failedAttempts, otherPriorityEvery: 2 });
    expect(spread(of, 100, retry(1))).toEqual({ 1: expect.closeTo(100) });
    expect(spread(of, 100, retry(2))).toEqual({ 2: expect.closeTo(100) });
    // All were tried: as at first.
    expect(spread(of, 100, attempt({ tried: new Set(hosts), failedAttempts: 4, otherPriorityEvery: 2 }))).toEqual({
      1: expect.closeTo(100),
    });
  });
});

describe('panic', () => {
  const hosts = [host(1), host(2, { health: 'unhealthy' }), host(3, { health: 'unhealthy' })];
  it('uses all hosts below the threshold, and never with 0', () => {
    expect(Object.keys(spread(balancer(hosts)))).toEqual(['1', '2', '3']);
    expect(Object.keys(spread(balancer(hosts, { panicThreshold: 0 })))).toEqual(['1']);
  });
  it('with nobody healthy and a threshold of 0 has nobody', () => {
    expect(balancer(hosts.slice(1), { panicThreshold: 0 }).pick(attempt({}))).toBeUndefined();
  });
});

describe('localities by weight', () => {
  const place = (port: number, locality: string, localityWeight: number, more = {}): Host =>
    host(port, { locality, localityWeight, ...more });

  it('get what their weights say, however many hosts they have', () => {
    const hosts = [place(1, 'a', 80), place(2, 'b', 20), place(3, 'b', 20), place(4, 'c', 0)];
    const shares = spread(balancer(hosts, { localityWeighted: true }));
    expect(shares[1]).toBeCloseTo(80, 0);
    expect((shares[2] ?? 0) + (shares[3] ?? 0)).toBeCloseTo(20, 0);
    expect(shares[4]).toBeUndefined();
  });

  it('weigh less once the spare capacity is lost', () => {
    const unhealthy = { health: 'unhealthy' };
    const hosts = [place(1, 'a', 50), place(2, 'a', 50, unhealthy), place(3, 'b', 50), place(4, 'b', 50)];
    // 50 × 1.4 × 1/2 = 35 against 50.
    expect(spread(balancer(hosts, { localityWeighted: true }))[1]).toBeCloseTo((35 / 85) * 100, 0);
  });

  it('are weights of hosts on a ring', () => {
    const algorithm = ringHash({ minSize: 1024, maxSize: MAX_RING_SIZE, useHostname: false });
    const hosts = [place(1, 'a', 90), place(2, 'b', 10)];
    const of = balancer(hosts, { localityWeighted: true, algorithm });
    let toFirst = 0;
    for (let i = 0n; i < 1000n; i += 1n) if (of.pick(hashed((i << 54n) + (i << 20n)))?.facts.port === 1) toFirst += 1;
    expect(toFirst).toBeGreaterThan(820);
  });
});

describe('zones', () => {
  it('share by Envoy’s rule', () => {
    // As many hosts here as callers: all stay.
    expect(zoneShares([1, 1], [3, 3])).toEqual({ staying: 10_000, residual: [] });
    // Half of the callers here, a quarter of the hosts: half stay, the rest where there is room.
    expect(zoneShares([2, 2], [1, 3])).toEqual({ staying: 5000, residual: [0, 2500] });
  });

  const place = (port: number, zone: string): Host => host(port, { locality: `r/${zone}/` });
  const upstream = [place(1, 'a'), ...[2, 3, 4, 5, 6].map((port) => place(port, 'b'))];
  const zoneAware = { routedPart: 1, minClusterSize: 6, failTrafficOnPanic: false };
  const own = (zones: string) => ({ locality: 'r/a/', peers: zones.split('').map((zone, i) => place(100 + i, zone)) });

  it('keep traffic at home as far as their share allows', () => {
    expect(spread(balancer(upstream, { zoneAware }, { own: own('abbbbb') }))).toEqual({ 1: expect.closeTo(100) });
    expect(spread(balancer(upstream, { zoneAware }, { own: own('ab') }))[1]).toBeCloseTo(33.3, -1);
  });

  it('do not matter in small clusters, without hosts at home, or while the callers panic', () => {
    const even = 100 / 6;
    const share = (one: Balancer) => spread(one)[1];
    expect(
      share(balancer(upstream, { zoneAware: { ...zoneAware, minClusterSize: 7 } }, { own: own('ab') })),
    ).toBeCloseTo(even, 0);
    expect(share(balancer(upstream, { zoneAware }, { own: { ...own('ab'), locality: 'r/c/' } }))).toBeCloseTo(even, 0);
    const sick = own('abbbb');
    for (const peer of sick.peers.slice(1)) peer.ejected = true;
    expect(share(balancer(upstream, { zoneAware }, { own: sick }))).toBeCloseTo(even, 0);
  });
});

describe('slow start', () => {
  const slowStart = { windowMs: 10_000, leastPart: 0.1, aggression: 1 };

  it('grows from the least part to the whole', () => {
    expect([0, 500, 5_000, 10_000, 60_000].map((ms) => slowStartPart(slowStart, ms))).toEqual([0.1, 0.1, 0.5, 1, 1]);
    expect(slowStartPart({ ...slowStart, aggression: 2 }, 2_500)).toBeCloseTo(0.5);
  });

  it.each([roundRobin, leastRequest])('gives a new host its share little by little', (create) => {
    let nowMs = 100_000;
    const fresh = new Host(facts(2), nowMs);
    const hosts = [new Host(facts(1), 0), fresh];
    const algorithm = { name: 'x', byHash: false, create };
    const of = balancer(hosts, { slowStart, algorithm }, { now: () => nowMs });
    const shares = [0, 5_000, 10_000].map((elapsedMs) => {
      nowMs = 100_000 + elapsedMs;
      return spread(of, 1000)[2] ?? 0;
    });
    expect(shares[0]).toBeCloseTo(100 / 11, -1);
    expect(shares[1]).toBeCloseTo(100 / 3, -1);
    expect(shares[2]).toBeCloseTo(50, -1);
  });
});

describe('a bound session', () => {
  const hosts = [host(1), host(2), host(3)];
  const bound = attempt({ boundTo: '127.0.0.1:2' });
  it('keeps its host while that may take it', () => {
    expect(spread(balancer(hosts), 50, bound)).toEqual({ 2: expect.closeTo(100) });
    const draining = [host(1), host(2, { health: 'draining' })];
    expect(spread(balancer(draining), 50, bound)).toEqual({ 1: expect.closeTo(100) });
    const boundHealth = new Set(['healthy', 'draining']);
    expect(spread(balancer(draining, { boundHealth }), 50, bound)).toEqual({ 2: expect.closeTo(100) });
  });
  it('goes elsewhere when its host is gone or ejected', () => {
    expect(spread(balancer([host(1)]), 50, bound)).toEqual({ 1: expect.closeTo(100) });
    expect(balancer([host(1)]).pick({ ...bound, boundStrictly: true })).toBeUndefined();
    const ejected = [host(1), host(2)];
    for (const one of ejected.slice(1)) one.ejected = true;
    expect(spread(balancer(ejected), 50, bound)).toEqual({ 1: expect.closeTo(100) });
  });
});

it('an update goes on from the former state, also of a locality', () => {
  const hosts = [host(1), host(2), host(3)];
  const first = balancer(hosts);
  const last = first.pick(attempt({}))?.facts.port ?? 0;
  const next = new Balancer(
    {
      hosts: new Map(hosts.map((one) => [one.name, one])),
      settings,
      overprovisioningPercent: 140,
      own: undefined,
      random: seededRandom(77),
      now: () => 0,
    },
    first,
  );
  expect(next.pick(attempt({}))?.facts.port).toBe((last % 3) + 1);
});
