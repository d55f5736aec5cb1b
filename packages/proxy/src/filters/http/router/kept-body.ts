import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { UpstreamStream } from '../../../http/streams.ts';
import type { BufferPool } from '../../../sockets/buffer-pool.ts';

const CHUNK_BYTES = 64 * 1024;

/**
 * The request body so far, kept for another attempt, in chunks that other requests use afterwards. Past the limit it is
 * given up, and with it the right to retry.
 */
export class KeptBody {
  readonly #pool: BufferPool;
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  /** How far the last chunk is filled; all others are full. */
  #filled = 0;
  #bytes = 0;
  #complete = true;
  #trailers: FieldsHead | undefined;

  constructor(maxBytes: number, pool: BufferPool) {
    this.#maxBytes = maxBytes;
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#complete ? this.#bytes : 0;
  }

  /** False once something had to be dropped. */
  get complete(): boolean {
    return this.#complete;
  }

  keep(buffer: Buffer, start: number, end: number): void {
    if (!this.#complete || end <= start) return;
    if (this.#bytes + (end - start) > this.#maxBytes) {
      this.release();
      return;
    }
    let at = start;
    while (at < end) {
      let chunk = this.#chunks.at(-1);
      if (chunk === undefined || this.#filled === chunk.length) {
        // Many small pieces come to few chunks, and one small body to little memory.
        chunk = this.#pool.take(Math.min(CHUNK_BYTES, Math.max(end - at, this.#bytes)));
        this.#chunks.push(chunk);
        this.#filled = 0;
      }
      const count = Math.min(end - at, chunk.length - this.#filled);
      buffer.copy(chunk, this.#filled, at, at + count);
      this.#filled += count;
      this.#bytes += count;
      at += count;
    }
  }

  keepTrailers(trailers: HeadView): void {
    this.#trailers = FieldsHead.copyOf(trailers);
  }

  /** @param over whether the request is complete: its end is sent, too. */
  replay(upstream: UpstreamStream, over: boolean): void {
    const chunks = this.#chunks;
    const trailers = this.#trailers;
    const endsWithData = over && trailers === undefined;
    const lastAt = chunks.length - 1;
    chunks.forEach((chunk, i) =>
      upstream.sendData(chunk, 0, i === lastAt ? this.#filled : chunk.length, endsWithData && i === lastAt),
    );
    if (endsWithData && chunks.length === 0) upstream.sendData(EMPTY, 0, 0, true);
    if (over && trailers !== undefined) upstream.sendTrailers(trailers);
  }

  /** Drops what is kept: nothing can be sent again from here on. What was replayed in this turn stays as it is for its rest. */
  release(): void {
    this.#complete = false;
    this.#filled = 0;
    for (const chunk of this.#chunks.splice(0)) this.#pool.giveBack(chunk);
  }
}

const EMPTY = Buffer.alloc(0);
