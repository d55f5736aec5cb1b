import type { Random } from '@weft/kit';
import { seededRandom } from '@weft/kit';

/** Draws that depend on the input alone, so that it can be run again without the rest. */
export function randomOf(input: Buffer): Random {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < input.length; i += 1) hash = Math.imul(hash ^ (input[i] ?? 0), 0x0100_0193);
  return seededRandom(hash ^ (hash >>> 15));
}

const MAX_OFFSET = 8;
const SHORT = 24;

/** Hands an input on as a socket does: piece by piece in one buffer, which the next piece overwrites. */
export class Pieces {
  readonly #read: Buffer;
  readonly #take: (buffer: Buffer, start: number, end: number) => void;

  constructor(maxBytes: number, take: (buffer: Buffer, start: number, end: number) => void) {
    this.#read = Buffer.alloc(maxBytes + MAX_OFFSET);
    this.#take = take;
  }

  whole(input: Buffer): void {
    this.#hand(input, 0, input.length, 0);
  }

  /** One byte at a time, some here and there, or two or three large pieces. */
  cut(input: Buffer, random: Random): void {
    const kind = random.int(64);
    const most = kind === 0 ? 1 : kind < 12 ? SHORT : input.length;
    for (let at = 0; at < input.length;) {
      const end = Math.min(input.length, at + 1 + random.int(most));
      this.#hand(input, at, end, end % MAX_OFFSET);
      at = end;
    }
  }

  #hand(input: Buffer, start: number, end: number, offset: number): void {
    const read = this.#read;
    // A call into Node costs more than copying a few bytes.
    if (end - start > SHORT) input.copy(read, offset, start, end);
    else for (let i = start; i < end; i += 1) read[offset + i - start] = input[i] ?? 0;
    this.#take(read, offset, offset + end - start);
  }
}
