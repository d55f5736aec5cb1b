import { describe, expect, it } from 'vitest';
import { levelLoads } from './priority-load.ts';

/** Levels of 100 hosts. */
const loads = (healthy: readonly number[], panicThreshold = 50, degraded: readonly number[] = []) =>
  levelLoads(
    healthy.map((count, i) => ({ total: 100, healthy: count, degraded: degraded[i] ?? 0 })),
    140,
    panicThreshold,
  );

describe('traffic of priorities', () => {
  it.each([
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 100],
      [100, 0],
    ],
    [
      [71, 100],
      [99, 1],
    ],
    [
      [50, 100],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [25, 25],
      [50, 50],
    ],
    [
      [0, 100],
      [0, 100],
    ],
    [
      [20, 20, 20],
      [34, 33, 33],
    ],
  ])('with %j percent healthy is %j', (healthy, expected) => {
    expect(loads(healthy, 0).healthy).toEqual(expected);
  });

  it('goes to degraded hosts only where the healthy ones of all priorities do not suffice', () => {
    expect(loads([50, 50], 0, [50, 50])).toMatchObject({ healthy: [70, 30], degraded: [0, 0] });
    expect(loads([50], 0, [50])).toMatchObject({ healthy: [70], degraded: [30] });
    expect(loads([0], 0, [100])).toMatchObject({ healthy: [0], degraded: [100] });
  });
});

describe('panic', () => {
  it.each([
    // Enough healthy hosts in all: nobody panics.
    [
      [10, 100],
      [false, false],
    ],
    [
      [40, 20],
      [true, true],
    ],
    [
      [60, 5],
      [false, true],
    ],
    [
      [0, 0],
      [true, false],
    ],
  ])('with %j percent healthy is %j', (healthy, expected) => {
    expect(loads(healthy).panic).toEqual(expected);
  });

  it('never comes with a threshold of 0', () => {
    expect(loads([0, 0], 0).panic).toEqual([false, false]);
    expect(loads([1, 0], 0).panic).toEqual([false, false]);
  });

  it('splits by number of hosts when every priority panics', () => {
    const levels = [
      { total: 30, healthy: 3, degraded: 0 },
      { total: 60, healthy: 6, degraded: 0 },
    ];
    expect(levelLoads(levels, 140, 50).healthy).toEqual([34, 66]);
  });
});
