// Numbers that all workers of a process see under the same name: what is in flight, what a bucket holds.
import { createHash } from 'node:crypto';

export interface SharedCells {
  /**
   * The numbers of this name; changed by Atomics only. They live as long as anybody holds what this returned.
   * @param count at most `MAX_CELLS`. @param begin fills in those that nobody had: else they are 0.
   */
  open(name: string, count: number, begin?: (cells: Int32Array) => void): Int32Array;
}

/** Of a process without workers: who asks twice gets others. */
export const PRIVATE_CELLS: SharedCells = {
  open(_name, count, begin) {
    const cells = new Int32Array(count);
    begin?.(cells);
    return cells;
  },
};

export const MAX_CELLS = 8;

// An entry is a cache line: four words of its name's hash, its users, how many names in use are found behind it, and its
// cells at the end. One without a hash ends a search.
const ENTRY_WORDS = 16;
const HASH_WORDS = 4;
const USERS = 4;
const PASSED = 5;
const CELLS = ENTRY_WORDS - MAX_CELLS;
// The first line is the table's own.
const LOCK = 0;
const REFUSED = 1;
const HEADER_WORDS = ENTRY_WORDS;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const LOCK_WAIT_MS = 10;

/** @param entries a power of two. Memory is reserved at once and used page by page. */
export const reserveCells = (entries = 65_536): SharedArrayBuffer =>
  new SharedArrayBuffer((HEADER_WORDS + entries * ENTRY_WORDS) * WORD);

/** How often a table had no room, so that a thread counted for itself. */
export const refusedBy = (memory: SharedArrayBuffer): number => Atomics.load(new Int32Array(memory), REFUSED);

/** A thread ended, maybe in the midst of a look-up: others must not wait for it. */
export function releaseLock(memory: SharedArrayBuffer, thread: number): void {
  const words = new Int32Array(memory);
  if (Atomics.compareExchange(words, LOCK, heldBy(thread), FREE) !== FREE) Atomics.notify(words, LOCK);
}

const FREE = 0;
const heldBy = (thread: number): number => thread + 1;

/**
 * A table of names in memory that threads share. Names are looked up when configuration brings them, under one lock, and
 * never per request. Where it is full, a thread gets numbers of its own.
 */
export class SharedTable implements SharedCells {
  readonly #words: Int32Array;
  readonly #entries: number;
  readonly #held: number;
  readonly #gone = new FinalizationRegistry<number>((number) => this.#locked(() => this.#leave(number)));

  /** @param thread its number, from 0. */
  constructor(memory: SharedArrayBuffer, thread = 0) {
    this.#words = new Int32Array(memory);
    this.#entries = (this.#words.length - HEADER_WORDS) / ENTRY_WORDS;
    this.#held = heldBy(thread);
  }

  open(name: string, count: number, begin?: (cells: Int32Array) => void): Int32Array {
    if (count > MAX_CELLS) throw new RangeError(`${count} cells do not fit into one entry`);
    const hash = hashOf(name);
    return this.#locked(() => {
      const number = this.#find(hash);
      if (number === undefined) {
        Atomics.add(this.#words, REFUSED, 1);
        return PRIVATE_CELLS.open(name, count, begin);
      }
      const entry = this.#wordOf(number);
      const cells = this.#words.subarray(entry + CELLS, entry + CELLS + count);
      if (this.#words[entry + USERS] === 0) {
        this.#words.set(hash, entry);
        for (let passed = hash[0] ?? 0; !this.#isSame(passed, number); passed += 1) this.#pass(passed, 1);
        cells.fill(0);
        begin?.(cells);
      }
      this.#words[entry + USERS] = (this.#words[entry + USERS] ?? 0) + 1;
      this.#gone.register(cells, number);
      return cells;
    });
  }

  /** @returns the number of the entry of this name, else of one that is free. */
  #find(hash: Int32Array): number | undefined {
    const words = this.#words;
    let free: number | undefined;
    for (let number = hash[0] ?? 0, i = 0; i < this.#entries; number += 1, i += 1) {
      const at = this.#wordOf(number);
      if (words[at] === 0) return free ?? number;
      if (words[at + USERS] === 0) free ??= number;
      else if (hash.every((word, n) => words[at + n] === word)) return number;
    }
    return free;
  }

  /** Of the first word; numbers go round. */
  #wordOf(number: number): number {
    return HEADER_WORDS + (number & (this.#entries - 1)) * ENTRY_WORDS;
  }

  #isSame(number: number, other: number): boolean {
    return ((number ^ other) & (this.#entries - 1)) === 0;
  }

  /** A name behind this entry came into use, or went out of it. */
  #pass(number: number, by: 1 | -1): void {
    const at = this.#wordOf(number) + PASSED;
    this.#words[at] = (this.#words[at] ?? 0) + by;
    if (by < 0) this.#forget(number);
  }

  /**
   * Searches need not go past an entry that neither has a user nor names behind it: else each name that ever was would make
   * them longer, until they look at the whole table.
   */
  #forget(number: number): void {
    const at = this.#wordOf(number);
    if (this.#words[at + USERS] === 0 && this.#words[at + PASSED] === 0) this.#words[at] = 0;
  }

  #leave(number: number): void {
    const words = this.#words;
    const entry = this.#wordOf(number);
    const users = (words[entry + USERS] ?? 1) - 1;
    words[entry + USERS] = users;
    if (users > 0) return;
    for (let passed = words[entry] ?? 0; !this.#isSame(passed, number); passed += 1) this.#pass(passed, -1);
    this.#forget(number);
  }

  #locked<T>(run: () => T): T {
    for (;;) {
      const holder = Atomics.compareExchange(this.#words, LOCK, FREE, this.#held);
      if (holder === FREE) break;
      Atomics.wait(this.#words, LOCK, holder, LOCK_WAIT_MS);
    }
    try {
      return run();
    } finally {
      Atomics.store(this.#words, LOCK, FREE);
      Atomics.notify(this.#words, LOCK, 1);
    }
  }
}

/** Long enough that two names never share one. The first word is not 0, which stands for an entry that was never used. */
function hashOf(name: string): Int32Array {
  const digest = createHash('sha256').update(name).digest();
  const words = Int32Array.from({ length: HASH_WORDS }, (_, i) => digest.readInt32LE(i * WORD));
  words[0] = (words[0] ?? 0) | 1;
  return words;
}
