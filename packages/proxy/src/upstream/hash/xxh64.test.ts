import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modulo64 } from './hash64.ts';
import { Xxh64 } from './xxh64.ts';

const hex = (hash: Xxh64): string => hash.high.toString(16).padStart(8, '0') + hash.low.toString(16).padStart(8, '0');

/** The specification's own words in numbers of 64 bits, to compare with. */
function reference(bytes: Uint8Array, seed: bigint): string {
  const mask = (1n << 64n) - 1n;
  const [p1, p2, p3, p4, p5] = [
    0x9e3779b185ebca87n,
    0xc2b2ae3d27d4eb4fn,
    0x165667b19e3779f9n,
    0x85ebca77c2b2ae63n,
    0x27d4eb2f165667c5n,
  ] as const;
  const rotate = (x: bigint, r: bigint): bigint => ((x << r) | (x >> (64n - r))) & mask;
  const round = (lane: bigint, input: bigint): bigint => (rotate((lane + input * p2) & mask, 31n) * p1) & mask;
  const merge = (acc: bigint, lane: bigint): bigint => ((acc ^ round(0n, lane)) * p1 + p4) & mask;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  let acc: bigint;
  if (bytes.length >= 32) {
    const lanes = [(seed + p1 + p2) & mask, (seed + p2) & mask, seed, (seed - p1) & mask];
    for (; at + 32 <= bytes.length; at += 32)
      lanes.forEach((lane, i) => (lanes[i] = round(lane, view.getBigUint64(at + i * 8, true))));
    const [a = 0n, b = 0n, c = 0n, d = 0n] = lanes;
    acc = (rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n)) & mask;
    for (const lane of lanes) acc = merge(acc, lane);
  } else acc = (seed + p5) & mask;
  acc = (acc + BigInt(bytes.length)) & mask;
  for (; at + 8 <= bytes.length; at += 8)
    acc = (rotate(acc ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4) & mask;
  if (at + 4 <= bytes.length) {
    acc = (rotate(acc ^ ((BigInt(view.getUint32(at, true)) * p1) & mask), 23n) * p2 + p3) & mask;
    at += 4;
  }
  for (; at < bytes.length; at += 1) acc = (rotate(acc ^ ((BigInt(bytes[at] ?? 0) * p5) & mask), 11n) * p1) & mask;
  acc = ((acc ^ (acc >> 33n)) * p2) & mask;
  acc = ((acc ^ (acc >> 29n)) * p3) & mask;
  return (acc ^ (acc >> 32n)).toString(16).padStart(16, '0');
}

describe('XXH64', () => {
  it.each([
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['The quick brown fox jumps over the lazy dog', '0b242d361fda71bc'],
  ])('of %j is the published value', (text, expected) => {
    const hash = new Xxh64();
    hash.text(text);
    expect(hex(hash)).toBe(expected);
  });

  it('equals the specification for bytes of every length and any seed', () => {
    const hash = new Xxh64();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(0xffff_ffff), (bytes, seed) => {
        hash.bytes(bytes, 0, bytes.length, seed);
        expect(hex(hash)).toBe(reference(bytes, BigInt(seed)));
      }),
      { numRuns: 500 },
    );
  });

  it('hashes text by its UTF-8 bytes, longer than what it had room for', () => {
    const hash = new Xxh64();
    const text = 'grüße '.repeat(300);
    hash.text(text);
    expect(hex(hash)).toBe(reference(new TextEncoder().encode(text), 0n));
  });
});

it('modulo of 64 bits is exact up to the largest table', () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), fc.integer({ min: 1, max: 5_000_011 }), (high, low, by) => {
      expect(BigInt(modulo64(high, low, by))).toBe(((BigInt(high) << 32n) | BigInt(low)) % BigInt(by));
    }),
  );
});
