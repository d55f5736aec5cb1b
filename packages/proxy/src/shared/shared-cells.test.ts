import { describe, expect, it } from 'vitest';
import { MAX_CELLS, PRIVATE_CELLS, reserveCells, SharedTable } from './shared-cells.ts';

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
    expect([one.refused, other.refused]).toEqual([2, 2]);
    const again = other.open('c', 1);
    Atomics.add(again, 0, 5);
    expect(held.map(([value]) => value)).toEqual([0, 0, 5, 0]);
  });

  it('entries that nobody holds any more are used again', async () => {
    const collect = (globalThis as { readonly gc?: () => void }).gc;
    const table = new SharedTable(reserveCells(8));
    for (let i = 0; i < 8; i += 1) table.open(`gone ${i}`, 1, (cells) => void cells.fill(3));
    if (collect === undefined) return;
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([...table.open('new', 1)]).toEqual([0]);
    expect(table.refused).toBe(0);
  });

  it('of a process without workers are nobody else’s', () => {
    const begin = (cells: Int32Array): void => void cells.fill(2);
    const [one, other] = [PRIVATE_CELLS.open('a', 1, begin), PRIVATE_CELLS.open('a', 1, begin)];
    Atomics.add(one, 0, 1);
    expect([one[0], other[0]]).toEqual([3, 2]);
  });
});
