const LEAST_BYTES = 16 * 1024;
const MOST_BYTES = 512 * 1024;
const MAX_SPARE_BYTES = 4 * 1024 * 1024;

/**
 * Large buffers that are used again. One that is given back rests until the turn of the event loop is over: who gave it back
 * may still be handing on what is in it.
 */
export class BufferPool {
  /** By size, which is a power of two. */
  readonly #spare = new Map<number, Buffer[]>();
  #spareBytes = 0;
  #resting: Buffer[] = [];

  /** @returns at least so many bytes, with anything in them. */
  take(bytes: number): Buffer {
    if (bytes < LEAST_BYTES || bytes > MOST_BYTES) return Buffer.allocUnsafeSlow(bytes);
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const found = this.#spare.get(size)?.pop();
    if (found === undefined) return Buffer.allocUnsafeSlow(size);
    this.#spareBytes -= size;
    return found;
  }

  /** @param buffer of `take`. */
  giveBack(buffer: Buffer): void {
    const size = buffer.length;
    const whole = size >= LEAST_BYTES && size <= MOST_BYTES && Number.isInteger(Math.log2(size));
    if (!whole || this.#spareBytes + size > MAX_SPARE_BYTES) return;
    this.#spareBytes += size;
    if (this.#resting.length === 0) setImmediate(this.#rested);
    this.#resting.push(buffer);
  }

  readonly #rested = (): void => {
    const rested = this.#resting;
    this.#resting = [];
    for (const buffer of rested) {
      const list = this.#spare.get(buffer.length);
      if (list === undefined) this.#spare.set(buffer.length, [buffer]);
      else list.push(buffer);
    }
  };
}
