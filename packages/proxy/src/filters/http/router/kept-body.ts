import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { UpstreamStream } from '../../../http/streams.ts';

/** The request body so far, kept for another attempt. Past the limit it is given up, and with it the right to retry. */
export class KeptBody {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #complete = true;
  #trailers: FieldsHead | undefined;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
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
    this.#bytes += end - start;
    if (this.#bytes > this.#maxBytes) {
      this.#complete = false;
      this.#chunks = [];
      return;
    }
    this.#chunks.push(Buffer.from(buffer.subarray(start, end)));
  }

  keepTrailers(trailers: HeadView): void {
    this.#trailers = FieldsHead.copyOf(trailers);
  }

  /** @param over whether the request is complete: its end is sent, too. */
  replay(upstream: UpstreamStream, over: boolean): void {
    const chunks = this.#chunks;
    const trailers = this.#trailers;
    const endsWithData = over && trailers === undefined;
    chunks.forEach((chunk, i) => upstream.sendData(chunk, 0, chunk.length, endsWithData && i === chunks.length - 1));
    if (endsWithData && chunks.length === 0) upstream.sendData(EMPTY, 0, 0, true);
    if (over && trailers !== undefined) upstream.sendTrailers(trailers);
  }
}

const EMPTY = Buffer.alloc(0);
