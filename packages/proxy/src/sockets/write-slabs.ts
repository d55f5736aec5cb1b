import type { Socket } from 'node:net';

// Bytes with what goes before them: of a small answer, of one TLS record, of several, of a whole read of a plain socket.
const SIZES = [8 * 1024, 20 * 1024, 72 * 1024, 264 * 1024] as const;
/** What is gathered for one write: at first, and when that was not enough for the turn. */
export const GATHERED_BYTES = SIZES[2];
export const MOST_GATHERED_BYTES = SIZES[3];
const MAX_SPARE_BYTES_OF_A_SIZE = 6 * 1024 * 1024;
// Beyond what a socket takes before it says stop, nobody should be writing: such bytes get a buffer of their own size.
const MOST_WAITING_BYTES = 256 * 1024;

/** Something that was told to wait until the turn of the event loop is over. */
export interface Gatherer {
  onTurnOver(): void;
}

/**
 * Buffers for bytes on their way to a socket, used again once the kernel has them. A buffer made for each read would do the
 * same, but such memory counts as pressure on the heap: bodies would cost a whole garbage collection every few milliseconds.
 */
export class WriteSlabs {
  readonly #spare: readonly Slab[][] = SIZES.map(() => []);
  #gathering: Gatherer[] = [];
  readonly #turnOver = (): void => {
    const gathering = this.#gathering;
    this.#gathering = [];
    for (const one of gathering) one.onTurnOver();
  };

  /** Writes text (latin1), then bytes that their owner will use again. @returns as `Socket.write`. */
  write(socket: Socket, text: string, buffer: Buffer, start: number, end: number): boolean {
    const length = text.length + (end - start);
    const slab = this.take(socket, length);
    if (slab === undefined) {
      const own = Buffer.allocUnsafe(length);
      fill(own, text, buffer, start, end);
      return socket.write(own);
    }
    fill(slab.buffer, text, buffer, start, end);
    return socket.write(slab.buffer.subarray(0, length), slab.onWritten);
  }

  /** @returns one of at least so many bytes; undefined when that is more than one has, or the socket should get nothing. */
  take(socket: Socket, length: number): Slab | undefined {
    const size = SIZES.findIndex((bytes) => length <= bytes);
    const spare = this.#spare[size];
    if (spare === undefined || socket.writableLength > MOST_WAITING_BYTES) return undefined;
    return spare.pop() ?? new Slab(SIZES[size] ?? 0, spare);
  }

  /** @param one is called once, when what was readable in this turn has been read. */
  atTurnOver(one: Gatherer): void {
    if (this.#gathering.length === 0) setImmediate(this.#turnOver);
    this.#gathering.push(one);
  }

  /** Slabs that wait to be used again. */
  get spare(): number {
    return this.#spare.reduce((sum, list) => sum + list.length, 0);
  }
}

export class Slab {
  readonly buffer: Buffer;
  /** Written, or the socket is gone: nobody reads it any more. */
  readonly onWritten: () => void;

  constructor(bytes: number, spare: Slab[]) {
    this.buffer = Buffer.allocUnsafeSlow(bytes);
    this.onWritten = () => {
      if (spare.length * bytes < MAX_SPARE_BYTES_OF_A_SIZE) spare.push(this);
    };
  }
}

function fill(into: Buffer, text: string, buffer: Buffer, start: number, end: number): void {
  const at = text === '' ? 0 : into.write(text, 0, 'latin1');
  buffer.copy(into, at, start, end);
}
