import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { NOT_OVERLOADED } from './overload.ts';
import { followOverload, reserveOverload, tellOfHeap, tellWorkers, withWorkers } from './shared-overload.ts';

const reading = (heapUsed: number, heapLimit: number) => ({ heapUsed, heapLimit, external: 10, resident: 500 });

describe('overload of several workers', () => {
  it('is judged by all heaps together, and by the fullest', () => {
    const memory = reserveOverload(2);
    const clock = new FakeClock();
    let second = reading(50, 60);
    const read = withWorkers(() => reading(100, 500), memory);
    const all = (heapUsed: number, external: number, used: number, limit: number) => ({
      heapUsed,
      heapLimit: 500,
      fullest: { used, limit },
      external,
      resident: 500,
    });
    expect(read()).toEqual(all(100, 10, 100, 500));
    let collections = 0;
    const collect = (): boolean => (collections += 1) > 0;
    const stops = [
      tellOfHeap(memory, 0, { read: () => reading(30, 500), collect, clock }),
      tellOfHeap(memory, 1, { read: () => second, collect, clock }),
    ];
    expect(read()).toEqual(all(180, 30, 50, 60));
    second = reading(60, 600);
    clock.advance(250);
    expect(read()).toEqual(all(190, 30, 100, 500));
    // Each has garbage of its own.
    expect(collections).toBe(0);
    tellWorkers(memory)({ ...NOT_OVERLOADED, closing: true });
    clock.advance(250);
    expect(collections).toBe(2);
    stops.forEach((stop) => stop());
  });

  it('is obeyed by all', () => {
    const memory = reserveOverload(1);
    const state = followOverload(memory);
    const seen = (): boolean[] => [state.closing, state.shedding, state.refusing, state.resetting];
    expect(seen()).toEqual([false, false, false, false]);
    const tell = tellWorkers(memory);
    tell({ ...NOT_OVERLOADED, closing: true, resetting: true });
    expect(seen()).toEqual([true, false, false, true]);
    tell(NOT_OVERLOADED);
    expect(seen()).toEqual([false, false, false, false]);
  });
});
