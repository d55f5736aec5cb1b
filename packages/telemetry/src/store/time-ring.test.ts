import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FINE, TimeRing } from './time-ring.ts';

const START_MS = 1_000_000_000;
const summed = (ring: TimeRing, fromMs: number, toMs: number): readonly number[] => {
  const into = new Float64Array(ring.width);
  ring.sum(Math.floor(fromMs / FINE.stepMs), Math.floor(toMs / FINE.stepMs), into);
  return [...into];
};

describe('an increase that was reported late', () => {
  it('is spread over the time it is about, in whole counts that add up to it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 50_000 }), fc.integer({ min: 10_001, max: 300_000 })), {
          minLength: 1,
          maxLength: 20,
        }),
        (reports) => {
          const ring = new TimeRing(FINE, 3);
          for (const [count, lengthMs] of reports) ring.add(START_MS, START_MS + lengthMs, [count, 0, 1]);
          const total = reports.reduce((sum, [count]) => sum + count, 0);
          expect(summed(ring, START_MS, START_MS + 300_000)).toEqual([total, 0, reports.length]);
          expect(summed(ring, START_MS, START_MS + 20_000).every(Number.isInteger)).toBe(true);
        },
      ),
    );
  });

  it('is spread evenly', () => {
    const ring = new TimeRing(FINE, 1);
    ring.add(START_MS, START_MS + 40_000, [100]);
    // Ten slots of nineteen: the one in which it began is of the report before.
    expect(summed(ring, START_MS, START_MS + 20_000)).toEqual([52]);
    ring.add(START_MS, START_MS + 40_000, [0.5]);
    expect(summed(ring, START_MS, START_MS + 40_000)[0]).toBeCloseTo(100.5);
  });

  it('is in one place where it came soon', () => {
    const ring = new TimeRing(FINE, 1);
    ring.add(START_MS, START_MS + 10_000, [7]);
    expect(summed(ring, START_MS + 4_000, START_MS + 6_000)).toEqual([7]);
  });
});
