import { randomBytes } from 'node:crypto';

/** Randomness as an argument, so that tests can seed it. Not for keys or tokens, except `bytes` of `systemRandom`. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  /** @returns undefined only for an empty list. */
  pick<T>(list: readonly T[]): T | undefined;
  bytes(length: number): Uint8Array;
}

function from(next: () => number, bytes: (length: number) => Uint8Array): Random {
  return {
    next,
    int: (n) => Math.floor(next() * n),
    pick: (list) => list[Math.floor(next() * list.length)],
    bytes,
  };
}

/** `next` is V8's generator (fast, not secret); `bytes` is the operating system's secure source. */
export const systemRandom: Random = from(Math.random, (length) => randomBytes(length));

/** Repeatable sequence from a 32-bit seed (mulberry32). For tests and simulations only. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return from(next, (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)));
}
