import type { Socket } from 'node:net';

// A read's bytes with what goes before them: those of TLS are 16 KiB, those of plain sockets up to 64 KiB.
const SIZES = [8 * 1024, 20 * 1024, 72 * 1024] as const;
const MAX_SPARE_BYTES_OF_A_SIZE = 2 * 1024 * 1024;
// Beyond what a socket takes before it says stop, nobody should be writing: such bytes get a buffer of their own size.
const MOST_WAITING_BYTES = 64 * 1024;

/**
 * Buffers for bytes on their way to a socket, used again once the kernel has them. A buffer made for each read would do the
 * same, but such memory counts as pressure on the heap: bodies would cost a whole garbage collection every few milliseconds.
 */
export class WriteSlabs {
  readonly #spare: readonly Slab[][] = SIZES.map(() => []);

  /** Writes text (latin1), then bytes that their owner will use again. @returns as `Socket.write`. */
  write(socket: Socket, text: string, buffer: Buffer, start: number, end: number): boolean {
    const length = text.length + (end - start);
    const size = SIZES.findIndex((bytes) => length <= bytes);
    const spare = this.#spare[size];
    if (spare === undefined || socket.writableLength > MOST_WAITING_BYTES) {
      const own = Buffer.allocUnsafe(length);
      fill(own, text, buffer, start, end);
      return socket.write(own);
    }
    const slab = spare.pop() ?? new Slab(SIZES[size] ?? 0, spare);
    fill(slab.buffer, text, buffer, start, end);
    return socket.write(slab.buffer.subarray(0, length), slab.onWritten);
  }

  /** Slabs that wait to be used again. */
  get spare(): number {
    return this.#spare.reduce((sum, list) => sum + list.length, 0);
  }
}

class Slab {
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
