/** Counts the messages of one direction of a gRPC call: each has five bytes in front, a flag and its length. */
export class GrpcMessages {
  count = 0;
  /** Of the current message that have not come. */
  #left = 0;
  /** Of the prefix that have. */
  #prefix = 0;
  #length = 0;

  take(buffer: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, end - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      if (this.#prefix > 0) this.#length = this.#length * 256 + (buffer[at] as number);
      at += 1;
      this.#prefix += 1;
      if (this.#prefix < PREFIX_BYTES) continue;
      this.count += 1;
      this.#left = this.#length;
      this.#prefix = 0;
      this.#length = 0;
    }
  }
}

const PREFIX_BYTES = 5;
