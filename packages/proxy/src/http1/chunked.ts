import { CR, HTAB, LF, SP } from './bytes.ts';
import { FieldsHead } from '../head/fields-head.ts';
import { H1Head } from './h1-head.ts';
import { DEFAULT_HEAD_LIMITS, type HeadLimits, HeadParser } from './head-parser.ts';

/** What the decoder found next in the bytes it was given. */
export type ChunkEvent = 'more' | 'data' | 'end' | 'invalid';

const STATE = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailerStart: 6,
  trailers: 7,
  lastLf: 8,
} as const;
// 13 hex digits are at most 2^52.
const MAX_SIZE_DIGITS = 13;
const MAX_EXTENSION_BYTES = 16 * 1024;

/**
 * Takes chunked framing apart (RFC 9112 §7.1) as bytes arrive. Extensions are dropped, with a limit per message;
 * trailers are checked like header fields, and have the same limits.
 */
export class ChunkedDecoder {
  /** Where the event left off; the caller goes on from here. */
  at = 0;
  /** Span of the data of a `data` event. */
  dataStart = 0;
  dataEnd = 0;
  /** Fields behind the last chunk, at an `end` event; undefined when there were none. */
  trailers: FieldsHead | undefined;

  #state: number = STATE.size;
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerReader: TrailerReader | undefined;
  readonly #limits: HeadLimits;
  readonly #maxExtensionBytes: number;

  constructor(limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    this.#limits = limits;
    this.#maxExtensionBytes = Math.min(MAX_EXTENSION_BYTES, limits.maxBytes);
  }

  reset(): void {
    this.#state = STATE.size;
    this.#left = 0;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.trailers = undefined;
    this.#trailerReader = undefined;
  }

  next(buffer: Uint8Array, start: number, end: number): ChunkEvent {
    let at = start;
    while (at < end) {
      const byte = buffer[at] ?? 0;
      switch (this.#state) {
        case STATE.size: {
          const digit = hexDigit(byte);
          if (digit >= 0) {
            this.#digits += 1;
            if (this.#digits > MAX_SIZE_DIGITS) return 'invalid';
            this.#left = this.#left * 16 + digit;
            at += 1;
            break;
          }
          if (this.#digits === 0) return 'invalid';
          if (byte === CR) this.#state = STATE.sizeLf;
          else if (byte === 0x3b) this.#state = STATE.extension;
          else return 'invalid';
          at += 1;
          break;
        }
        case STATE.extension:
          this.#extensionBytes += 1;
          if (this.#extensionBytes > this.#maxExtensionBytes) return 'invalid';
          if (byte === CR) this.#state = STATE.sizeLf;
          else if (byte !== HTAB && (byte < SP || byte === 0x7f)) return 'invalid';
          at += 1;
          break;
        case STATE.sizeLf:
          if (byte !== LF) return 'invalid';
          at += 1;
          this.#state = this.#left === 0 ? STATE.trailerStart : STATE.data;
          break;
        case STATE.data: {
          const taken = Math.min(this.#left, end - at);
          this.dataStart = at;
          this.dataEnd = at + taken;
          this.#left -= taken;
          if (this.#left === 0) this.#state = STATE.dataCr;
          this.at = at + taken;
          return 'data';
        }
        case STATE.dataCr:
          if (byte !== CR) return 'invalid';
          at += 1;
          this.#state = STATE.dataLf;
          break;
        case STATE.dataLf:
          if (byte !== LF) return 'invalid';
          at += 1;
          this.#digits = 0;
          this.#state = STATE.size;
          break;
        case STATE.trailerStart:
          if (byte === CR) {
            at += 1;
            this.#state = STATE.lastLf;
            break;
          }
          this.#trailerReader = new TrailerReader(this.#limits);
          this.#state = STATE.trailers;
          break;
        case STATE.trailers: {
          const verdict = this.#trailerReader?.take(buffer, at, end) ?? -1;
          if (verdict < 0) return 'invalid';
          if (verdict === 0) {
            this.at = end;
            return 'more';
          }
          this.at = at + verdict;
          this.trailers = this.#trailerReader?.fields();
          this.#trailerReader = undefined;
          return 'end';
        }
        case STATE.lastLf:
          if (byte !== LF) return 'invalid';
          this.at = at + 1;
          return 'end';
        default:
          return 'invalid';
      }
    }
    this.at = at;
    return 'more';
  }
}

/** Trailers come rarely, so their bytes are gathered and read by the head parser as if behind a fixed first line. */
class TrailerReader {
  static readonly #FIRST_LINE = Buffer.from('HTTP/1.1 200 \r\n', 'latin1');
  readonly #parser: HeadParser;
  readonly #maxBytes: number;
  #bytes: Buffer = TrailerReader.#FIRST_LINE;

  constructor({ maxBytes, maxFields }: HeadLimits) {
    this.#maxBytes = maxBytes + TrailerReader.#FIRST_LINE.length;
    this.#parser = new HeadParser('response', { maxBytes: this.#maxBytes, maxFields });
  }

  /** @returns how many of the given bytes belong to the trailers once they are complete, 0 before, -1 when invalid. */
  take(buffer: Uint8Array, start: number, end: number): number {
    const before = this.#bytes.length;
    this.#bytes = Buffer.concat([this.#bytes, buffer.subarray(start, Math.min(end, start + this.#maxBytes + 1))]);
    const result = this.#parser.parse(this.#bytes, 0, this.#bytes.length);
    if (result === 'more') return 0;
    return result === 'done' ? this.#parser.headEnd - before : -1;
  }

  fields(): FieldsHead {
    const head = new H1Head(this.#parser);
    head.take(this.#bytes, 0);
    return FieldsHead.copyOf(head);
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
