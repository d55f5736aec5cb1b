import { describe, expect, it } from 'vitest';
import { takeBelow } from './take-below.ts';

describe('places that threads share', () => {
  it('are taken up to their number; who is refused is not counted', () => {
    const counts = new Int32Array(new SharedArrayBuffer(8));
    expect([0, 1, 2].map(() => takeBelow(counts, 1, 2))).toEqual([0, 1, -1]);
    expect([...counts]).toEqual([0, 2]);
    Atomics.sub(counts, 1, 1);
    expect(takeBelow(counts, 1, 2)).toBe(1);
    expect([takeBelow(counts, 0, 0), takeBelow(counts, 1, Infinity)]).toEqual([-1, 2]);
  });
});
