import {
  CONNECTION,
  CONTENT_LENGTH,
  EXPECT,
  findNameId,
  HOST,
  hashNameByte,
  TRANSFER_ENCODING,
  UPGRADE,
} from '../head/names.ts';
import { COLON, CR, HTAB, IS_TARGET, IS_VALUE, LF, SP, TOKEN_LOWER } from './bytes.ts';

/** Why a head was refused; each is a reason code of the mesh (contracts/src/reasons.ts). */
export type HeadFailure = 'bad-request' | 'unsupported-version' | 'uri-too-long' | 'headers-too-large';

export type ParseResult = 'more' | 'done' | HeadFailure;

export interface HeadLimits {
  /** First line and fields together, in bytes. */
  readonly maxBytes: number;
  readonly maxFields: number;
}
export const DEFAULT_HEAD_LIMITS: HeadLimits = { maxBytes: 60 * 1024, maxFields: 100 };

/** Numbers per field in `fields`: name id, start of the line, end of the name, start and end of the value. */
export const FIELD_STRIDE = 5;

const PHASE = {
  start: 0,
  method: 1,
  target: 2,
  version: 3,
  responseVersion: 4,
  status: 5,
  reason: 6,
  firstLineLf: 7,
  lineStart: 8,
  name: 9,
  valueStart: 10,
  value: 11,
  valueLf: 12,
  lastLf: 13,
  skipLf: 14,
} as const;

const VERSION_PREFIX = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e]; // "HTTP/1."
const VERSION_LENGTH = 8;
// RFC 9112 §2.2 asks to ignore at least one blank line before a request; more than two is noise.
const MAX_BLANK_LINES = 2;

/**
 * Reads one head from bytes that may arrive in any pieces, looking at each byte once. It accepts only what RFC 9112
 * allows, with CRLF line ends, and remembers where things are, as offsets from the start of the message.
 */
export class HeadParser {
  /** Spans of the fields; see FIELD_STRIDE. Kept from message to message: only the first `fieldsLength` numbers count. */
  readonly fields: number[] = [];
  fieldsLength = 0;
  /** Offset just behind the head, once `done`. */
  headEnd = 0;
  /** Where the head begins, behind blank lines that were ignored. */
  headStart = 0;
  /** Offset of the empty line that ends the fields. */
  fieldsEnd = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** 0 or 1: the minor version. */
  minor = 1;
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;
  /** Bit masks over name ids 1–31 and 32–63. */
  present0 = 0;
  present1 = 0;
  /** How many lines of each framing-relevant field there were. */
  hosts = 0;
  contentLengths = 0;
  transferEncodings = 0;
  /** True when some name begins with `x-e` or `x-w`: a cheap hint for whoever strips names of ours. */
  hasInternalNames = false;
  /** True when connection, upgrade or expect is there, so that the common head skips looking for them. */
  hasConnectionFields = false;

  readonly #isRequest: boolean;
  readonly #limits: HeadLimits;
  #phase: number = PHASE.start;
  #cursor = 0;
  #mark = 0;
  #nameEnd = 0;
  #valueStart = 0;
  #hash = 0;
  #blankLines = 0;

  constructor(kind: 'request' | 'response', limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    this.#isRequest = kind === 'request';
    this.#limits = limits;
  }

  /** Makes ready for the next message. */
  reset(): void {
    this.fieldsLength = 0;
    this.#phase = PHASE.start;
    this.#cursor = 0;
    this.#blankLines = 0;
    this.headStart = 0;
    this.present0 = 0;
    this.present1 = 0;
    this.hosts = 0;
    this.contentLengths = 0;
    this.transferEncodings = 0;
    this.hasInternalNames = false;
    this.hasConnectionFields = false;
    this.status = 0;
  }

  /** True once a byte of a message, other than an ignored blank line, was seen. */
  get started(): boolean {
    return this.#phase !== PHASE.start && this.#phase !== PHASE.skipLf;
  }

  /**
   * Goes on where it stopped. `buffer[base]` is the first byte of the message in every call; bytes up to `end` are there.
   * @returns `more` until the head is complete.
   */
  parse(buffer: Uint8Array, base: number, end: number): ParseResult {
    const result = this.#run(buffer, base, end);
    const { maxBytes } = this.#limits;
    const used = (result === 'more' ? end - base : this.headEnd) - this.headStart;
    if ((result === 'more' || result === 'done') && used > maxBytes) {
      const byTarget = this.#phase <= PHASE.target || this.targetEnd - this.headStart > maxBytes;
      return this.#isRequest && byTarget ? 'uri-too-long' : 'headers-too-large';
    }
    return result;
  }

  #run(buffer: Uint8Array, base: number, end: number): ParseResult {
    let at = base + this.#cursor;
    let phase = this.#phase;
    let mark = this.#mark;
    while (at < end) {
      const byte = buffer[at] ?? 0;
      switch (phase) {
        case PHASE.start:
          if (byte === CR && this.#isRequest && this.#blankLines < MAX_BLANK_LINES) {
            phase = PHASE.skipLf;
            at += 1;
            break;
          }
          this.headStart = at - base;
          mark = at - base;
          phase = this.#isRequest ? PHASE.method : PHASE.responseVersion;
          break;
        case PHASE.skipLf:
          if (byte !== LF) return 'bad-request';
          this.#blankLines += 1;
          at += 1;
          phase = PHASE.start;
          break;
        case PHASE.method: {
          while (at < end && TOKEN_LOWER[buffer[at] ?? 0] !== 0) at += 1;
          if (at === end) break;
          if (buffer[at] !== SP || at - base === mark) return 'bad-request';
          this.methodEnd = at - base;
          at += 1;
          this.targetStart = at - base;
          phase = PHASE.target;
          break;
        }
        case PHASE.target: {
          while (at < end && IS_TARGET[buffer[at] ?? 0] === 1) at += 1;
          if (at === end) break;
          if (buffer[at] !== SP || at - base === this.targetStart) return 'bad-request';
          this.targetEnd = at - base;
          at += 1;
          mark = at - base;
          phase = PHASE.version;
          break;
        }
        case PHASE.version: {
          const index = at - base - mark;
          if (index === VERSION_LENGTH) {
            if (byte !== CR) return 'bad-request';
            at += 1;
            phase = PHASE.firstLineLf;
            break;
          }
          const failure = this.#versionByte(index, byte);
          if (failure !== undefined) return failure;
          at += 1;
          break;
        }
        case PHASE.responseVersion: {
          const index = at - base - mark;
          if (index === VERSION_LENGTH) {
            if (byte !== SP) return 'bad-request';
            at += 1;
            mark = at - base;
            phase = PHASE.status;
            break;
          }
          const failure = this.#versionByte(index, byte);
          if (failure !== undefined) return failure;
          at += 1;
          break;
        }
        case PHASE.status: {
          const index = at - base - mark;
          if (index < 3) {
            if (byte < 0x30 || byte > 0x39) return 'bad-request';
            this.status = this.status * 10 + byte - 0x30;
            at += 1;
            break;
          }
          if (this.status < 100 || (byte !== SP && byte !== CR)) return 'bad-request';
          if (byte === SP) at += 1;
          this.reasonStart = at - base;
          phase = PHASE.reason;
          break;
        }
        case PHASE.reason: {
          while (at < end && IS_VALUE[buffer[at] ?? 0] === 1) at += 1;
          if (at === end) break;
          if (buffer[at] !== CR) return 'bad-request';
          this.reasonEnd = at - base;
          at += 1;
          phase = PHASE.firstLineLf;
          break;
        }
        case PHASE.firstLineLf:
        case PHASE.valueLf:
          if (byte !== LF) return 'bad-request';
          at += 1;
          mark = at - base;
          phase = PHASE.lineStart;
          break;
        case PHASE.lineStart:
          if (byte === CR) {
            this.fieldsEnd = at - base;
            at += 1;
            phase = PHASE.lastLf;
            break;
          }
          if (this.fieldsLength >= this.#limits.maxFields * FIELD_STRIDE) return 'headers-too-large';
          this.#hash = 0;
          phase = PHASE.name;
          break;
        case PHASE.name: {
          let hash = this.#hash;
          let lower = TOKEN_LOWER[buffer[at] ?? 0] ?? 0;
          while (lower !== 0) {
            hash = hashNameByte(hash, lower);
            at += 1;
            if (at === end) break;
            lower = TOKEN_LOWER[buffer[at] ?? 0] ?? 0;
          }
          this.#hash = hash;
          if (at === end) break;
          // A space before the colon, a folded line, an empty name and a line without a colon all end here.
          if (buffer[at] !== COLON || at - base === mark) return 'bad-request';
          this.#nameEnd = at - base;
          at += 1;
          phase = PHASE.valueStart;
          break;
        }
        case PHASE.valueStart:
          while (at < end && (buffer[at] === SP || buffer[at] === HTAB)) at += 1;
          if (at === end) break;
          this.#valueStart = at - base;
          phase = PHASE.value;
          break;
        case PHASE.value: {
          while (at < end && IS_VALUE[buffer[at] ?? 0] === 1) at += 1;
          if (at === end) break;
          if (buffer[at] !== CR) return 'bad-request';
          this.#addField(buffer, base, mark, at - base);
          at += 1;
          phase = PHASE.valueLf;
          break;
        }
        case PHASE.lastLf:
          if (byte !== LF) return 'bad-request';
          this.headEnd = at + 1 - base;
          this.#phase = phase;
          return 'done';
        default:
          return 'bad-request';
      }
    }
    this.#phase = phase;
    this.#cursor = at - base;
    this.#mark = mark;
    return 'more';
  }

  #versionByte(index: number, byte: number): HeadFailure | undefined {
    if (index === VERSION_LENGTH - 1) {
      if (byte !== 0x30 && byte !== 0x31) return byte >= 0x32 && byte <= 0x39 ? 'unsupported-version' : 'bad-request';
      this.minor = byte - 0x30;
      return undefined;
    }
    if (byte === VERSION_PREFIX[index]) return undefined;
    // "HTTP/2.0": a version, but not one of ours.
    return index === 5 && byte >= 0x30 && byte <= 0x39 ? 'unsupported-version' : 'bad-request';
  }

  #addField(buffer: Uint8Array, base: number, lineStart: number, valueLimit: number): void {
    let valueEnd = valueLimit;
    const valueStart = this.#valueStart;
    while (valueEnd > valueStart && (buffer[base + valueEnd - 1] === SP || buffer[base + valueEnd - 1] === HTAB))
      valueEnd -= 1;
    const id = findNameId(buffer, base + lineStart, base + this.#nameEnd, this.#hash);
    const { fields } = this;
    const at = this.fieldsLength;
    fields[at] = id;
    fields[at + 1] = lineStart;
    fields[at + 2] = this.#nameEnd;
    fields[at + 3] = valueStart;
    fields[at + 4] = valueEnd;
    this.fieldsLength = at + FIELD_STRIDE;
    if (id < 32) this.present0 |= 1 << id;
    else this.present1 |= 1 << (id - 32);
    if (id === HOST) this.hosts += 1;
    else if (id === CONTENT_LENGTH) this.contentLengths += 1;
    else if (id === TRANSFER_ENCODING) this.transferEncodings += 1;
    else if (id === CONNECTION || id === UPGRADE || id === EXPECT) this.hasConnectionFields = true;
    const third = (buffer[base + lineStart + 2] ?? 0) | 0x20;
    if ((third === 0x65 || third === 0x77) && buffer[base + lineStart + 1] === 0x2d) this.hasInternalNames = true;
  }
}
