import { describe, expect, it } from 'vitest';
import { attempt, hashed, host, lbDeps } from '../../test-support/hosts.ts';
import { modulo64 } from '../hash/hash64.ts';
import { Xxh64 } from '../hash/xxh64.ts';
import type { Host } from '../host.ts';
import { hashShares } from './hash-key.ts';
import type { LbAlgorithm } from './lb-policy.ts';
import { buildMaglev, isPrime, maglev } from './maglev.ts';
import { buildRing, MAX_RING_SIZE, ringHash } from './ring-hash.ts';

const SIX = [90, 91, 92, 93, 94, 95].map((port) => host(port));
const weight = (one: Host): number => one.facts.weight;
const sharesOf = (hosts: readonly Host[]) => hashShares(hosts, weight, false);

describe('a ring', () => {
  const ring = buildRing(sharesOf(SIX), { minSize: 12, maxSize: MAX_RING_SIZE, useHostname: false });

  it('has the entries that Envoy puts there', () => {
    const entries = [...ring.hosts].map((index, i) => [
      SIX[index]?.facts.port,
      (BigInt(ring.high[i] ?? 0) << 32n) | BigInt(ring.low[i] ?? 0),
    ]);
    expect(entries).toEqual([
      [94, 833437586790550860n],
      [92, 928266305478181108n],
      [90, 1033482794131418490n],
      [95, 3551244743356806947n],
      [93, 3851675632748031481n],
      [91, 5583722120771150861n],
      [91, 6311230543546372928n],
      [93, 7700377290971790572n],
      [95, 13144177310400110813n],
      [92, 13444792449719432967n],
      [94, 15516499411664133160n],
      [90, 16117243373044804889n],
    ]);
  });

  it.each([
    [0n, 94],
    [3551244743356806947n, 95],
    [3551244743356806948n, 93],
    [7700377290971790572n, 93],
    [16117243373044804880n, 90],
    [0xffff_ffff_ffff_ffffn, 94],
  ])('answers %i with the host at or after it', (hash, port) => {
    const policy = ringHash({ minSize: 12, maxSize: MAX_RING_SIZE, useHostname: false }).create(SIX, lbDeps(1));
    expect(policy.pick(hashed(hash))?.facts.port).toBe(port);
  });

  it('goes on to the next entries on re-picks', () => {
    const policy = ringHash({ minSize: 12, maxSize: MAX_RING_SIZE, useHostname: false }).create(SIX, lbDeps(1));
    const tried = new Set(SIX.filter(({ facts }) => facts.port === 95 || facts.port === 93));
    expect(policy.pick(hashed(3551244743356806947n, { tried, repicks: 5 }))?.facts.port).toBe(91);
  });

  it('has entries by weight, within its bounds', () => {
    const hosts = [host(1, { weight: 1 }), host(2, { weight: 3 })];
    const sizes = ({ hosts: owners }: { hosts: Uint32Array }): number[] =>
      [0, 1].map((index) => owners.filter((owner) => owner === index).length);
    expect(sizes(buildRing(sharesOf(hosts), { minSize: 1024, maxSize: 4096, useHostname: false }))).toEqual([256, 768]);
    expect(sizes(buildRing(sharesOf(hosts), { minSize: 1024, maxSize: 8, useHostname: false }))).toEqual([2, 6]);
  });

  it('is sorted, whatever its size', () => {
    for (const minSize of [500, 40_000]) {
      const { high, low } = buildRing(sharesOf(SIX), { minSize, maxSize: MAX_RING_SIZE, useHostname: false });
      const values = Array.from(high, (value, i) => (BigInt(value) << 32n) | BigInt(low[i] ?? 0));
      expect(values.length).toBeGreaterThanOrEqual(minSize);
      expect(values.every((value, i) => i === 0 || (values[i - 1] ?? 0n) <= value)).toBe(true);
    }
  });

  it('hashes the key or the name of a host where there is one', () => {
    const named = [host(1, { hashKey: 'a' }), host(2, { hostname: 'b' })];
    expect(hashShares(named, weight, true).keys).toEqual(['a', 'b']);
    expect(hashShares(named, weight, false).keys).toEqual(['a', '127.0.0.1:2']);
  });
});

describe('a maglev table', () => {
  it('has the hosts that Envoy puts there', () => {
    const { hosts } = buildMaglev(sharesOf(SIX), 7);
    expect([...hosts].map((index) => SIX[index]?.facts.port)).toEqual([92, 94, 90, 91, 95, 90, 93]);
  });

  it('has slots by weight', () => {
    const hosts = [host(90, { weight: 1 }), host(91, { weight: 2 })];
    const owners = buildMaglev(sharesOf(hosts), 17).hosts;
    expect([0, 1].map((index) => owners.filter((owner) => owner === index).length)).toEqual([6, 11]);
  });

  it('can have a prime size only', () => {
    expect([2, 3, 65_537, 5_000_011].every(isPrime)).toBe(true);
    expect([0, 1, 65_536, 5_000_009 * 3].some(isPrime)).toBe(false);
  });
});

const algorithms: readonly LbAlgorithm[] = [
  ringHash({ minSize: 4096, maxSize: MAX_RING_SIZE, useHostname: false }),
  maglev({ tableSize: 65_537, useHostname: false }),
];

describe.each(algorithms)('$name', (algorithm) => {
  const hosts = Array.from({ length: 10 }, (_, i) => host(1000 + i));
  const KEYS = 4000;
  const owners = (list: readonly Host[]): (number | undefined)[] => {
    const policy = algorithm.create(list, lbDeps(1));
    const hash = new Xxh64();
    return Array.from({ length: KEYS }, (_, i) => {
      hash.text(`user-${i}`);
      return policy.pick(attempt({ hashed: true, hashHigh: hash.high, hashLow: hash.low }))?.facts.port;
    });
  };

  it('gives a key the same host, whatever the order of hosts', () => {
    expect(owners(hosts)).toEqual(owners(hosts.toReversed()).map((port) => port));
  });

  it('moves about one key in n when one of n hosts goes, and fewer than that of the others’', () => {
    const before = owners(hosts);
    const after = owners(hosts.slice(1));
    const lost = before.filter((port) => port === 1000).length;
    const moved = before.filter((port, i) => port !== 1000 && port !== after[i]).length;
    expect(lost).toBeGreaterThan(KEYS / 20);
    expect(lost).toBeLessThan(KEYS / 5);
    // A ring of a fixed size gives each host that stays a few entries more.
    expect(moved).toBeLessThan(algorithm.name === 'maglev' ? lost / 4 : lost);
  });

  it('keeps its table while hosts and weights are the same', () => {
    const first = algorithm.create(hosts, lbDeps(1));
    expect(Object.values(algorithm.create(hosts, lbDeps(2), first))).toContain(
      Object.values(first).find((part) => typeof part === 'object'),
    );
  });

  it('takes any host without a hash', () => {
    const policy = algorithm.create(hosts, lbDeps(5));
    expect(new Set(Array.from({ length: 200 }, () => policy.pick(attempt({})))).size).toBe(10);
  });

  it('has nobody to give without hosts, and an untried one when all re-picks were tried', () => {
    expect(algorithm.create([], lbDeps(1)).pick(hashed(5n))).toBeUndefined();
    const policy = algorithm.create(hosts, lbDeps(1));
    const tried = new Set(hosts.slice(1));
    for (let i = 0n; i < 50n; i += 1n) expect(policy.pick(hashed(i << 57n, { tried, repicks: 1 }))).toBe(hosts[0]);
  });
});

it('the nth other choice of maglev is at the hash xor -n', () => {
  const size = 7;
  const table = buildMaglev(sharesOf(SIX), size).hosts;
  const policy = maglev({ tableSize: size, useHostname: false }).create(SIX, lbDeps(1));
  const hash = 0x0123_4567_89ab_cdefn;
  const first = policy.pick(hashed(hash));
  const other = hash ^ ((1n << 64n) - 1n);
  const expected = SIX[table[Number(other % 7n)] ?? 0];
  expect(modulo64(Number(other >> 32n), Number(other & 0xffff_ffffn), size)).toBe(Number(other % 7n));
  if (first !== undefined && expected !== first)
    expect(policy.pick(hashed(hash, { tried: new Set([first]), repicks: 1 }))).toBe(expected);
});
