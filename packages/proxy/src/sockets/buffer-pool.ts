import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';

const LEAST_BYTES = 16 * 1024;
const MOST_BYTES = 512 * 1024;
// What is kept for good, and while bodies come and go.
const KEPT_SPARE_BYTES = 4 * 1024 * 1024;
const MAX_SPARE_BYTES = 16 * 1024 * 1024;
const TRIM_MS = 2_000;

/**
 * Large buffers that are used again. One that is given back rests until the turn of the event loop is over: who gave it back
 * may still be handing on what is in it. What nobody needed for a while is let go.
 */
export class BufferPool {
  /** By size, which is a power of two. */
  readonly #spare = new Map<number, Buffer[]>();
  #spareBytes = 0;
  /** The fewest spare bytes since it was trimmed last: so many were not needed. */
  #unneeded = 0;
  #resting: Buffer[] = [];
  readonly #timers: Pick<TimerQueue, 'arm'> | undefined;
  readonly #trimWait = new Deadline(this, 0);

  /** @param timers without them only what is kept for good is kept. */
  constructor(timers?: Pick<TimerQueue, 'arm'>) {
    this.#timers = timers;
  }

  /** @returns at least so many bytes, with anything in them. */
  take(bytes: number): Buffer {
    // Small ones share a page of Node's.
    if (bytes < LEAST_BYTES) return Buffer.allocUnsafe(bytes);
    if (bytes > MOST_BYTES) return Buffer.allocUnsafeSlow(bytes);
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const found = this.#spare.get(size)?.pop();
    if (found === undefined) return Buffer.allocUnsafeSlow(size);
    this.#spareBytes -= size;
    if (this.#spareBytes < this.#unneeded) this.#unneeded = this.#spareBytes;
    return found;
  }

  /** @param buffer of `take`. */
  giveBack(buffer: Buffer): void {
    const size = buffer.length;
    const whole = size >= LEAST_BYTES && size <= MOST_BYTES && Number.isInteger(Math.log2(size));
    const most = this.#timers === undefined ? KEPT_SPARE_BYTES : MAX_SPARE_BYTES;
    if (!whole || this.#spareBytes + size > most) return;
    this.#spareBytes += size;
    if (this.#spareBytes > KEPT_SPARE_BYTES && this.#trimWait.list === undefined) this.#watch();
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

  #watch(): void {
    this.#unneeded = this.#spareBytes;
    this.#timers?.arm(this.#trimWait, TRIM_MS);
  }

  onDeadline(): void {
    let excess = Math.min(this.#unneeded, this.#spareBytes - KEPT_SPARE_BYTES);
    for (const [size, list] of this.#spare) {
      while (excess >= size && list.pop() !== undefined) {
        excess -= size;
        this.#spareBytes -= size;
      }
    }
    if (this.#spareBytes > KEPT_SPARE_BYTES) this.#watch();
  }
}
