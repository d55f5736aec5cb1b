import type { Random } from '@weft/kit';
import type { FuzzTarget } from './fuzz-target.ts';

const MAX_INSERTED = 8;
const MAX_SPAN = 64;
// Ends of ranges, and octets that grammars are made of.
const OCTETS = Buffer.from([0, 1, 2, 7, 0x7e, 0x7f, 0x80, 0x81, 0xfe, 0xff, 9, 10, 13, 32, 0x23, 0x2c, 0x2f, 0x30, 0x3a, 0x3b, 0x40]); // prettier-ignore

/** Makes inputs out of others. Each is in one buffer that the next one takes over. */
export class Mutator {
  readonly #target: FuzzTarget;
  readonly #random: Random;
  readonly #bytes: Buffer;
  #length = 0;

  constructor(target: FuzzTarget, random: Random) {
    this.#target = target;
    this.#random = random;
    this.#bytes = Buffer.alloc(target.maxBytes);
  }

  /** @param bases at least one. */
  next(bases: readonly Buffer[]): Buffer {
    const random = this.#random;
    this.#length = 0;
    this.#insert(random.pick(bases) ?? EMPTY, 0);
    const { reshape } = this.#target;
    if (reshape !== undefined && random.int(2) === 0) {
      this.#length = reshape(this.#bytes, this.#length, random.int);
      if (random.int(2) === 0) return this.#bytes.subarray(0, this.#length);
    }
    for (let rounds = 1 + random.int(1 + random.int(6)); rounds > 0; rounds -= 1) this.#change(bases);
    return this.#bytes.subarray(0, this.#length);
  }

  #change(bases: readonly Buffer[]): void {
    const random = this.#random;
    const bytes = this.#bytes;
    const length = this.#length;
    const at = random.int(length + 1);
    switch (random.int(10)) {
      case 0:
        if (at < length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8));
        break;
      case 1:
        if (at < length) bytes[at] = random.int(256);
        break;
      case 2:
        if (at < length) bytes[at] = OCTETS[random.int(OCTETS.length)] ?? 0;
        break;
      case 3: {
        const count = 1 + random.int(MAX_INSERTED);
        const octet = random.int(2) === 0 ? (OCTETS[random.int(OCTETS.length)] ?? 0) : random.int(256);
        this.#insert(EMPTY, at, count, octet);
        break;
      }
      case 4:
        this.#remove(at, 1 + random.int(random.int(2) === 0 ? 2 : MAX_SPAN));
        break;
      case 5: {
        const span = Buffer.from(bytes.subarray(at, Math.min(length, at + 1 + random.int(MAX_SPAN))));
        for (let times = 1 + random.int(3); times > 0; times -= 1) this.#insert(span, random.int(this.#length + 1));
        break;
      }
      case 6: {
        const other = random.pick(bases) ?? EMPTY;
        const from = random.int(other.length + 1);
        this.#insert(other.subarray(from, from + random.int(other.length - from + 1)), at);
        break;
      }
      case 7:
      case 8: {
        const token = random.pick(this.#target.dictionary) ?? EMPTY;
        if (random.int(2) === 0) this.#remove(at, token.length);
        this.#insert(token, at);
        break;
      }
      default:
        if (random.int(4) === 0) this.#length = at;
        else if (at + 1 < length) {
          const other = random.int(length);
          const kept = bytes[at] ?? 0;
          bytes[at] = bytes[other] ?? 0;
          bytes[other] = kept;
        }
    }
  }

  #insert(what: Buffer, at: number, count = what.length, octet = 0): void {
    const bytes = this.#bytes;
    const added = Math.min(count, bytes.length - this.#length);
    bytes.copyWithin(at + added, at, this.#length);
    if (what.length > 0) what.copy(bytes, at, 0, added);
    else bytes.fill(octet, at, at + added);
    this.#length += added;
  }

  #remove(at: number, count: number): void {
    const removed = Math.min(count, this.#length - at);
    this.#bytes.copyWithin(at, at + removed, this.#length);
    this.#length -= removed;
  }
}

const EMPTY = Buffer.alloc(0);
