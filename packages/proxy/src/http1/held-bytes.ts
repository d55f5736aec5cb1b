const FIRST_SIZE = 1024;

/** Received bytes that could not be used yet, in one growing buffer. */
export class HeldBytes {
  buffer: Buffer = EMPTY;
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  append(source: Buffer, from: number, to: number): void {
    const added = to - from;
    if (added <= 0) return;
    if (this.end + added > this.buffer.length) {
      const needed = this.length + added;
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_SIZE, needed * 2));
      this.buffer.copy(grown, 0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
      this.buffer = grown;
    }
    source.copy(this.buffer, this.end, from, to);
    this.end += added;
  }

  /** Forgets the first `count` bytes; the memory goes when nothing is left. */
  consume(count: number): void {
    this.start += count;
    if (this.start >= this.end) this.clear();
  }

  clear(): void {
    this.buffer = EMPTY;
    this.start = 0;
    this.end = 0;
  }
}

const EMPTY = Buffer.alloc(0);
