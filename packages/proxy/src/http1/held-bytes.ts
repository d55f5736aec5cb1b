import type { BufferPool } from '../sockets/buffer-pool.ts';

const FIRST_SIZE = 1024;

/** Received bytes that could not be used yet, in one growing buffer, which others use afterwards. */
export class HeldBytes {
  readonly #pool: BufferPool;
  buffer: Buffer = EMPTY;
  start = 0;
  end = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get length(): number {
    return this.end - this.start;
  }

  append(source: Buffer, from: number, to: number): void {
    const added = to - from;
    if (added <= 0) return;
    if (this.end + added > this.buffer.length) this.#makeRoom(added);
    source.copy(this.buffer, this.end, from, to);
    this.end += added;
  }

  #makeRoom(added: number): void {
    const former = this.buffer;
    const needed = this.length + added;
    // Twice as much as there was, so that few bytes at a time are not copied as often as they come.
    const grown = this.#pool.take(Math.max(FIRST_SIZE, needed, 2 * this.length));
    former.copy(grown, 0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    this.buffer = grown;
    this.#pool.giveBack(former);
  }

  /** Forgets the first `count` bytes; the memory goes when nothing is left. They stay as they are for this turn. */
  consume(count: number): void {
    this.start += count;
    if (this.start >= this.end) this.clear();
  }

  clear(): void {
    this.#pool.giveBack(this.buffer);
    this.buffer = EMPTY;
    this.start = 0;
    this.end = 0;
  }
}

const EMPTY = Buffer.alloc(0);
