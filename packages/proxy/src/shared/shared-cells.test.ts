import { systemClock } from '@weft/kit';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { createCollector } from '../overload/collector.ts';
import { MAX_CELLS, PRIVATE_CELLS, refusedBy, releaseLock, reserveCells, SharedTable } from './shared-cells.ts';

/** Entries that a look-up has to pass. */
const inUse = (memory: SharedArrayBuffer): number =>
  new Int32Array(memory).filter((word, i) => i >= 16 && i % 16 === 0 && word !== 0).length;

describe('shared cells', () => {
  it('are the same for all threads that name them, and begun once', () => {
    const memory = reserveCells(64);
    const [one, other] = [new SharedTable(memory), new SharedTable(memory)];
    const begin = (cells: Int32Array): void => void cells.fill(7);
    const mine = one.open('circuit a', 2, begin);
    const theirs = other.open('circuit a', 2, begin);
    expect(Atomics.add(mine, 0, 1)).toBe(7);
    expect(Atomics.add(theirs, 0, 1)).toBe(8);
    expect([...mine]).toEqual([9, 7]);
    expect([...other.open('circuit b', MAX_CELLS)]).toEqual(Array.from({ length: MAX_CELLS }, () => 0));
    expect(() => one.open('c', MAX_CELLS + 1)).toThrow(RangeError);
  });

  it('a thread has its own where the table is full, and that is counted', () => {
    const memory = reserveCells(4);
    const [one, other] = [new SharedTable(memory), new SharedTable(memory)];
    const held = ['a', 'b', 'c', 'd'].map((name) => one.open(name, 1));
    const [mine, theirs] = [one.open('e', 1), other.open('e', 1)];
    Atomics.add(mine, 0, 1);
    expect([mine[0], theirs[0]]).toEqual([1, 0]);
    expect(refusedBy(memory)).toBe(2);
    const again = other.open('c', 1);
    Atomics.add(again, 0, 5);
    expect(held.map(([value]) => value)).toEqual([0, 0, 5, 0]);
  });

  it('entries that nobody holds any more are used again', async () => {
    const collect = createCollector(systemClock);
    const memory = reserveCells(8);
    const table = new SharedTable(memory);
    for (let i = 0; i < 8; i += 1) table.open(`gone ${i}`, 1, (cells) => void cells.fill(3));
    await waitFor(() => collect() && inUse(memory) === 0, { everyMs: 1_100, what: 'all to be free' });
    expect([...table.open('new', 1)]).toEqual([0]);
    expect(refusedBy(memory)).toBe(0);
  });

  it('names that come and go leave nothing that later look-ups would have to pass', async () => {
    const collect = createCollector(systemClock);
    const memory = reserveCells(64);
    const table = new SharedTable(memory);
    const kept = ['a', 'b', 'c'].map((name) => table.open(name, 1));
    for (let i = 0; i < 60; i += 1) table.open(`client ${i}`, 1);
    expect(inUse(memory)).toBe(63);
    // Only what is passed on the way to one that is in use may stay.
    await waitFor(() => collect() && inUse(memory) <= 6, { everyMs: 1_100, what: 'theirs to be free' });
    for (const [i, cells] of kept.entries()) expect(Atomics.add(cells, 0, i)).toBe(0);
    expect(['a', 'b', 'c'].map((name) => table.open(name, 1)[0])).toEqual([0, 1, 2]);
  });

  it('a thread that ends in a look-up holds up nobody', () => {
    const memory = reserveCells(8);
    // The lock is the first word; thread 3 had it.
    new Int32Array(memory)[0] = 4;
    releaseLock(memory, 2);
    expect(new Int32Array(memory)[0]).toBe(4);
    releaseLock(memory, 3);
    expect([...new SharedTable(memory, 1).open('a', 1)]).toEqual([0]);
    expect(new Int32Array(memory)[0]).toBe(0);
  });

  it('of a process without workers are nobody else’s', () => {
    const begin = (cells: Int32Array): void => void cells.fill(2);
    const [one, other] = [PRIVATE_CELLS.open('a', 1, begin), PRIVATE_CELLS.open('a', 1, begin)];
    Atomics.add(one, 0, 1);
    expect([one[0], other[0]]).toEqual([3, 2]);
  });
});
