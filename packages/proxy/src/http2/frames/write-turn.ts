import { ByteBuilder } from './byte-builder.ts';

/** Something that gathers bytes and sends them when told to. */
export interface Flushable {
  flush(): void;
}

const MAX_SPARE = 32;
const MAX_SPARE_BYTES = 256 * 1024;

/**
 * Lets everything that one turn of the event loop writes leave together: connections that have bytes are flushed once
 * the sockets that were readable have been read. Also keeps buffers for them, so that idle connections hold none.
 */
export class WriteTurn {
  #waiting: Flushable[] = [];
  readonly #spare: ByteBuilder[] = [];
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
    return this.#spare.pop() ?? new ByteBuilder();
  }

  /** @param builder whose bytes nobody reads any more. */
  giveBack(builder: ByteBuilder): void {
    builder.length = 0;
    if (this.#spare.length < MAX_SPARE && builder.buffer.length <= MAX_SPARE_BYTES) this.#spare.push(builder);
  }
}
