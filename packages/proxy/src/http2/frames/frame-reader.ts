import { CODE, DEFAULT_FRAME_BYTES, type ErrorCode, FLAG, FRAME, FRAME_HEADER_BYTES } from './constants.ts';

/** Takes what a reader finds. Bytes are valid during the call. */
export interface FrameSink {
  /** True when nothing more is wanted. */
  readonly stopped: boolean;
  /** Any frame but DATA, with its whole payload; for types this codec does not know the payload is left out. */
  onFrame(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void;
  /**
   * Data of a DATA frame as it arrives, at least once for each frame.
   * @param flowBytes what counts against the windows: data and padding.
   * @param endStream with the last data of a frame that ends its stream.
   */
  onData(streamId: number, buffer: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void;
  onFramingError(code: ErrorCode, detail: string): void;
}

const IN_HEADER = 0;
const IN_PAYLOAD = 1;
const IN_PAD_LENGTH = 2;
const IN_DATA = 3;
const SKIPPING = 4;

/** Cuts received bytes into frames. Data is handed on where it lies; only what a read cuts in two is copied. */
export class FrameReader {
  /** What `onData` hands on belongs to a frame of which some was handed on before. */
  continued = false;
  readonly #sink: FrameSink;
  readonly #maxBytes: number;
  #state = IN_HEADER;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Payload bytes of the frame that are still to come. */
  #left = 0;
  #padding = 0;
  /** The beginning of a header or payload that was cut. */
  #held: Buffer | undefined;
  #heldLength = 0;
  #header: Buffer | undefined;
  #headerLength = 0;

  /** @param maxBytes of a payload, as this side has said it in its SETTINGS. */
  constructor(sink: FrameSink, maxBytes: number = DEFAULT_FRAME_BYTES) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  read(buffer: Buffer, start: number, end: number): void {
    let at = start;
    while (!this.#sink.stopped) {
      switch (this.#state) {
        case IN_HEADER:
          if (at >= end) return;
          at = this.#readHeader(buffer, at, end);
          break;
        case IN_PAYLOAD:
          if (at >= end && this.#left > 0) return;
          at = this.#readPayload(buffer, at, end);
          break;
        case IN_PAD_LENGTH:
          if (at >= end) return;
          this.#padding = buffer[at] as number;
          at += 1;
          this.#left -= 1;
          if (this.#padding > this.#left)
            return this.#sink.onFramingError(CODE.protocolError, 'DATA: more padding than payload');
          this.#left -= this.#padding;
          this.#state = IN_DATA;
          break;
        case IN_DATA:
          if (at >= end && this.#left > 0) return;
          at = this.#readData(buffer, at, end);
          break;
        default: {
          const skipped = Math.min(this.#left, end - at);
          this.#left -= skipped;
          at += skipped;
          if (this.#left > 0) return;
          this.#state = IN_HEADER;
        }
      }
    }
  }

  #readHeader(buffer: Buffer, start: number, end: number): number {
    if (this.#headerLength === 0 && end - start >= FRAME_HEADER_BYTES) {
      this.#takeHeader(buffer, start);
      return start + FRAME_HEADER_BYTES;
    }
    const taken = Math.min(FRAME_HEADER_BYTES - this.#headerLength, end - start);
    const header = (this.#header ??= Buffer.allocUnsafe(FRAME_HEADER_BYTES));
    buffer.copy(header, this.#headerLength, start, start + taken);
    this.#headerLength += taken;
    if (this.#headerLength === FRAME_HEADER_BYTES) {
      this.#headerLength = 0;
      this.#header = undefined;
      this.#takeHeader(header, 0);
    }
    return start + taken;
  }

  #takeHeader(bytes: Buffer, at: number): void {
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    const type = bytes[at + 3] as number;
    this.#type = type;
    this.#flags = bytes[at + 4] as number;
    this.#streamId =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    this.#left = length;
    if (length > this.#maxBytes) {
      this.#sink.onFramingError(CODE.frameSizeError, `a frame of ${length} bytes`);
      return;
    }
    if (type === FRAME.data) {
      this.continued = false;
      this.#padding = 0;
      if ((this.#flags & FLAG.padded) === 0) {
        this.#state = IN_DATA;
      } else if (length === 0) {
        this.#sink.onFramingError(CODE.frameSizeError, 'DATA: padded, without pad length');
      } else {
        this.#state = IN_PAD_LENGTH;
      }
    } else if (type <= FRAME.continuation) {
      this.#state = IN_PAYLOAD;
      this.#heldLength = 0;
    } else {
      this.#state = SKIPPING;
      this.#sink.onFrame(type, this.#flags, this.#streamId, bytes, at, at);
    }
  }

  #readPayload(buffer: Buffer, start: number, end: number): number {
    const available = end - start;
    if (this.#heldLength === 0 && available >= this.#left) {
      const payloadEnd = start + this.#left;
      this.#state = IN_HEADER;
      this.#sink.onFrame(this.#type, this.#flags, this.#streamId, buffer, start, payloadEnd);
      return payloadEnd;
    }
    const whole = this.#heldLength + this.#left;
    if (this.#held === undefined || this.#held.length < whole) this.#held = Buffer.allocUnsafeSlow(whole);
    const taken = Math.min(this.#left, available);
    buffer.copy(this.#held, this.#heldLength, start, start + taken);
    this.#heldLength += taken;
    this.#left -= taken;
    if (this.#left === 0) {
      const held = this.#held;
      this.#held = undefined;
      this.#state = IN_HEADER;
      this.#sink.onFrame(this.#type, this.#flags, this.#streamId, held, 0, whole);
    }
    return start + taken;
  }

  #readData(buffer: Buffer, start: number, end: number): number {
    const taken = Math.min(this.#left, end - start);
    this.#left -= taken;
    if (this.#left > 0) {
      this.#sink.onData(this.#streamId, buffer, start, start + taken, taken, false);
      this.continued = true;
      return start + taken;
    }
    const padded = (this.#flags & FLAG.padded) !== 0;
    const flowBytes = taken + (padded ? this.#padding + 1 : 0);
    this.#left = this.#padding;
    this.#state = this.#padding > 0 ? SKIPPING : IN_HEADER;
    const endStream = (this.#flags & FLAG.endStream) !== 0;
    this.#sink.onData(this.#streamId, buffer, start, start + taken, flowBytes, endStream);
    return start + taken;
  }
}
