import type { BufferPool } from '../../sockets/buffer-pool.ts';

const FIRST_BYTES = 1024;
// As much as one read brings; also how much is handed on before who gets it can say stop.
const CHUNK_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);

/** Bytes of a stream that wait, in chunks that other streams use afterwards. */
export class HeldData {
  readonly #pool: BufferPool;
  readonly #chunks: Buffer[] = [];
  /** Where the oldest byte is, in the first chunk. */
  start = 0;
  /** How far the last chunk is filled. */
  #filled = 0;
  length = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** The oldest bytes are from `start` to `end` in it. */
  get buffer(): Buffer {
    return this.#chunks[0] ?? EMPTY;
  }

  get end(): number {
    return this.#chunks.length > 1 ? this.buffer.length : this.#filled;
  }

  append(source: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      let chunk = this.#chunks.at(-1);
      if (chunk === undefined || this.#filled === chunk.length) {
        chunk = this.#pool.take(Math.min(CHUNK_BYTES, Math.max(FIRST_BYTES, to - at, this.length)));
        this.#chunks.push(chunk);
        this.#filled = 0;
      }
      const count = Math.min(to - at, chunk.length - this.#filled);
      source.copy(chunk, this.#filled, at, at + count);
      this.#filled += count;
      this.length += count;
      at += count;
    }
  }

  /** @param count of the oldest bytes, at most as many as lie together; they stay as they are for this turn. */
  consume(count: number): void {
    const { end } = this;
    this.start += count;
    this.length -= count;
    if (this.start < end) return;
    const used = this.#chunks.shift();
    if (used !== undefined) this.#pool.giveBack(used);
    this.start = 0;
    if (this.#chunks.length === 0) this.#filled = 0;
  }

  clear(): void {
    for (const chunk of this.#chunks.splice(0)) this.#pool.giveBack(chunk);
    this.start = 0;
    this.#filled = 0;
    this.length = 0;
  }
}
