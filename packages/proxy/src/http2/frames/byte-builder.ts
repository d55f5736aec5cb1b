const FIRST_BYTES = 4096;

/** Bytes that are being put together, in one growing buffer. */
export class ByteBuilder {
  buffer: Buffer;
  length = 0;

  constructor(buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)) {
    this.buffer = buffer;
  }

  /** Makes room for `count` bytes more. @returns where they go; the caller moves `length`. */
  reserve(count: number): number {
    const needed = this.length + count;
    if (needed > this.buffer.length) this.#grow(needed);
    return this.length;
  }

  byte(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
    this.length = at + 1;
  }

  bytes(source: Uint8Array): void {
    const { length } = source;
    const at = this.reserve(length);
    // A call into Node costs more than copying a few bytes.
    if (length <= 32) {
      const { buffer } = this;
      for (let i = 0; i < length; i += 1) buffer[at + i] = source[i] as number;
    } else {
      this.buffer.set(source, at);
    }
    this.length = at + length;
  }

  copy(source: Buffer, start: number, end: number): void {
    const at = this.reserve(end - start);
    source.copy(this.buffer, at, start, end);
    this.length = at + (end - start);
  }

  #grow(needed: number): void {
    // Powers of two: what others use afterwards should fit.
    const grown = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(needed)));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }
}
