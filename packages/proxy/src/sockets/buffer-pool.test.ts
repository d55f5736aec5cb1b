import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { TimerQueue } from '../timers/timer-queue.ts';
import { BufferPool } from './buffer-pool.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('buffers that are used again', () => {
  it('come back after the turn in which they were given back, not within it', async () => {
    const pool = new BufferPool();
    const first = pool.take(40_000);
    expect(first.length).toBe(65_536);
    pool.giveBack(first);
    expect(pool.take(40_000)).not.toBe(first);
    await nextTurn();
    expect(pool.take(60_000)).toBe(first);
    expect(pool.take(60_000)).not.toBe(first);
  });
  it('are as large as was asked for where they are not kept', async () => {
    const pool = new BufferPool();
    for (const bytes of [100, 1024 * 1024]) {
      const made = pool.take(bytes);
      expect(made.length).toBe(bytes);
      pool.giveBack(made);
    }
    await nextTurn();
    expect(pool.take(100).length).toBe(100);
  });
  it('are kept up to a limit', async () => {
    const pool = new BufferPool();
    const all = Array.from({ length: 20 }, () => pool.take(512 * 1024));
    all.forEach((one) => pool.giveBack(one));
    await nextTurn();
    const again = Array.from({ length: 20 }, () => pool.take(512 * 1024));
    expect(again.filter((one) => all.includes(one))).toHaveLength(8);
  });
  it('are let go when nobody needed them for a while, but for a few', async () => {
    const clock = new FakeClock();
    const timers = new TimerQueue(clock);
    const pool = new BufferPool(timers);
    const MB = 1024 * 1024;
    const taken = (count: number): Buffer[] => Array.from({ length: count }, () => pool.take(MB / 2));
    const all = taken(24);
    all.forEach((one) => pool.giveBack(one));
    await nextTurn();
    // Twelve of them are needed now and then: 6 MB, and 12 MB are there.
    for (let round = 0; round < 3; round += 1) {
      const needed = taken(12);
      expect(needed.every((one) => all.includes(one))).toBe(true);
      needed.forEach((one) => pool.giveBack(one));
      await nextTurn();
      clock.advance(2_000);
    }
    const left = taken(24).filter((one) => all.includes(one));
    expect(left).toHaveLength(12);
    left.forEach((one) => pool.giveBack(one));
    await nextTurn();
    clock.advance(2_000);
    clock.advance(2_000);
    expect(taken(24).filter((one) => all.includes(one))).toHaveLength(8);
    expect(timers.size).toBe(0);
  });
});
