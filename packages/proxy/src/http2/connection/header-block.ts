const EMPTY = Buffer.alloc(0);

/** The header block that is being received, from HEADERS to the last CONTINUATION. */
export class HeaderBlock {
  /** 0 = none is open. */
  streamId = 0;
  endStream = false;
  selfDependent = false;
  /** CONTINUATION frames so far. */
  continuations = 0;
  bytes: Buffer = EMPTY;
  length = 0;

  open(streamId: number, endStream: boolean, selfDependent: boolean): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.selfDependent = selfDependent;
    this.continuations = 0;
    this.length = 0;
  }

  append(source: Buffer, start: number, end: number): void {
    const needed = this.length + (end - start);
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(needed * 2);
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    source.copy(this.bytes, this.length, start, end);
    this.length = needed;
  }

  close(): void {
    this.streamId = 0;
    this.bytes = EMPTY;
    this.length = 0;
  }
}
