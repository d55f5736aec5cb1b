// Envoy keeps as much as its connection buffer holds; so do we.
const MAX_KEPT_BYTES = 1024 * 1024;

/** The request body so far, kept for another attempt. Past the limit it is given up, and with it the right to retry. */
export class KeptBody {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #complete = true;

  /** False once something had to be dropped. */
  get complete(): boolean {
    return this.#complete;
  }

  keep(buffer: Buffer, start: number, end: number): void {
    if (!this.#complete || end <= start) return;
    this.#bytes += end - start;
    if (this.#bytes > MAX_KEPT_BYTES) {
      this.#complete = false;
      this.#chunks = [];
      return;
    }
    this.#chunks.push(Buffer.from(buffer.subarray(start, end)));
  }

  /** @param last whether the body is complete. Calls `send` at least once then. */
  replay(send: (chunk: Buffer, last: boolean) => void, last: boolean): void {
    const chunks = this.#chunks;
    chunks.forEach((chunk, i) => send(chunk, last && i === chunks.length - 1));
    if (last && chunks.length === 0) send(EMPTY, true);
  }
}

const EMPTY = Buffer.alloc(0);
