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

// An entry is a cache line: four words of its name's hash, its users, and its cells at the end.
const ENTRY_WORDS = 16;
const HASH_WORDS = 4;
const USERS = 4;
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

/**
 * A table of names in memory that threads share. Names are looked up when configuration brings them, under one lock, and
 * never per request. Where it is full, a thread gets numbers of its own.
 */
export class SharedTable implements SharedCells {
  readonly #words: Int32Array;
  readonly #entries: number;
  readonly #gone = new FinalizationRegistry<number>((entry) => this.#locked(() => this.#leave(entry)));

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#entries = (this.#words.length - HEADER_WORDS) / ENTRY_WORDS;
  }

  /** How often there was no room. */
  get refused(): number {
    return Atomics.load(this.#words, REFUSED);
  }

  open(name: string, count: number, begin?: (cells: Int32Array) => void): Int32Array {
    if (count > MAX_CELLS) throw new RangeError(`${count} cells do not fit into one entry`);
    const hash = hashOf(name);
    return this.#locked(() => {
      const entry = this.#find(hash);
      if (entry === undefined) {
        Atomics.add(this.#words, REFUSED, 1);
        return PRIVATE_CELLS.open(name, count, begin);
      }
      const cells = this.#words.subarray(entry + CELLS, entry + CELLS + count);
      if (this.#words[entry + USERS] === 0) {
        this.#words.set(hash, entry);
        cells.fill(0);
        begin?.(cells);
      }
      this.#words[entry + USERS] = (this.#words[entry + USERS] ?? 0) + 1;
      this.#gone.register(cells, entry);
      return cells;
    });
  }

  /** @returns the entry of this name, else one that is free; its first word. */
  #find(hash: Int32Array): number | undefined {
    const words = this.#words;
    let free: number | undefined;
    for (let i = 0; i < this.#entries; i += 1) {
      const at = HEADER_WORDS + (((hash[0] ?? 0) + i) & (this.#entries - 1)) * ENTRY_WORDS;
      if (words[at] === 0) return free ?? at;
      if (hash.every((word, n) => words[at + n] === word)) return at;
      if (words[at + USERS] === 0) free ??= at;
    }
    return free;
  }

  #leave(entry: number): void {
    this.#words[entry + USERS] = (this.#words[entry + USERS] ?? 1) - 1;
  }

  #locked<T>(run: () => T): T {
    while (Atomics.compareExchange(this.#words, LOCK, 0, 1) !== 0) Atomics.wait(this.#words, LOCK, 1, LOCK_WAIT_MS);
    try {
      return run();
    } finally {
      Atomics.store(this.#words, LOCK, 0);
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
