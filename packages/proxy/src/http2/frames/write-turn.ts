import { ByteBuilder } from './byte-builder.ts';

/** Something that gathers bytes and sends them when told to. */
export interface Flushable {
  flush(): void;
}

// What is gathered for one write (frame-output.ts) fits, so that nothing large is made anew while bytes flow.
const MAX_SPARE_BYTES = 256 * 1024;
const MAX_SPARE_BYTES_IN_ALL = 6 * 1024 * 1024;

/**
 * Lets everything that one turn of the event loop writes leave together: connections that have bytes are flushed once
 * the sockets that were readable have been read. Also keeps buffers for them, so that idle connections hold none.
 */
export class WriteTurn {
  #waiting: Flushable[] = [];
  readonly #spare: ByteBuilder[] = [];
  #spareBytes = 0;
  readonly #run = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.flush();
  };

  /** @param one is flushed once; it asks again for what it gets later. */
  schedule(one: Flushable): void {
    if (this.#waiting.length === 0) setImmediate(this.#run);
    this.#waiting.push(one);
  }

  takeBuilder(): ByteBuilder {
    const builder = this.#spare.pop();
    if (builder === undefined) return new ByteBuilder();
    this.#spareBytes -= builder.buffer.length;
    return builder;
  }

  /** @param builder whose bytes nobody reads any more. */
  giveBack(builder: ByteBuilder): void {
    builder.length = 0;
    const bytes = builder.buffer.length;
    if (bytes > MAX_SPARE_BYTES || this.#spareBytes + bytes > MAX_SPARE_BYTES_IN_ALL) return;
    this.#spareBytes += bytes;
    this.#spare.push(builder);
  }
}
