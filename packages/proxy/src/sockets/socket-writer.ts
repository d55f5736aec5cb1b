import type { Socket } from 'node:net';
import { type Gatherer, GATHERED_BYTES, MOST_GATHERED_BYTES, type Slab, type WriteSlabs } from './write-slabs.ts';

// Node writes a string of up to 16 KiB from the stack, at once and without a buffer object. Beyond a page the string costs more.
const MAX_TEXT = 4 * 1024;
// Bytes that come in larger pieces leave at once; smaller ones (TLS hands on 16 KiB at a time) wait for those of the same turn.
const LEAST_AT_ONCE = 32 * 1024;

/**
 * Gathers what one message writes in one turn, so that head and small body leave in one system call, and a large body in
 * few. Text is latin1: one character a byte.
 */
export class SocketWriter implements Gatherer {
  readonly #socket: Socket;
  readonly #slabs: WriteSlabs;
  /** Goes behind what the slab holds. */
  #text = '';
  #slab: Slab | undefined;
  #filled = 0;
  #waits = false;
  bytesWritten = 0;

  constructor(socket: Socket, slabs: WriteSlabs) {
    this.#socket = socket;
    this.#slabs = slabs;
  }

  /** All bytes so far, also those that wait to be written. */
  get total(): number {
    return this.bytesWritten + this.gathered;
  }

  /** What waits here for the end of the turn. */
  get gathered(): number {
    return this.#filled + this.#text.length;
  }

  text(latin1: string): void {
    this.#text += latin1;
  }

  /** Bytes of a buffer that its owner will use again. */
  bytes(buffer: Buffer, start: number, end: number): void {
    const length = end - start;
    const whole = this.#text.length + length;
    const socket = this.#socket;
    let slab = this.#slab;
    let room: number = GATHERED_BYTES;
    if (slab === undefined && whole <= MAX_TEXT) {
      this.#text += buffer.toString('latin1', start, end);
      return;
    }
    if (socket.destroyed || socket.writableEnded) return;
    if (slab !== undefined && this.#filled + whole > slab.buffer.length) {
      this.#writeSlab();
      slab = undefined;
      room = MOST_GATHERED_BYTES;
    }
    if (slab === undefined && whole < LEAST_AT_ONCE) slab = this.#slab = this.#slabs.take(socket, room);
    if (slab === undefined) {
      const text = this.#text;
      this.#text = '';
      this.bytesWritten += whole;
      this.#slabs.write(socket, text, buffer, start, end);
      return;
    }
    this.#putText(slab);
    buffer.copy(slab.buffer, this.#filled, start, end);
    this.#filled += length;
  }

  #putText(slab: Slab): void {
    if (this.#text === '') return;
    this.#filled += slab.buffer.write(this.#text, this.#filled, 'latin1');
    this.#text = '';
  }

  /** Everything of one read was handed over: it leaves now, or with what else this turn brings when it is large. */
  flush(): void {
    if (this.#slab === undefined) return this.flushNow();
    if (this.#waits) return;
    this.#waits = true;
    this.#slabs.atTurnOver(this);
  }

  onTurnOver(): void {
    this.#waits = false;
    this.flushNow();
  }

  /** Nothing follows for a while. */
  flushNow(): void {
    const slab = this.#slab;
    if (slab !== undefined) {
      if (this.#filled + this.#text.length <= slab.buffer.length) this.#putText(slab);
      this.#writeSlab();
    }
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.bytesWritten += text.length;
    this.#socket.write(text, 'latin1');
  }

  #writeSlab(): void {
    const slab = this.#slab;
    const filled = this.#filled;
    if (slab === undefined) return;
    this.#slab = undefined;
    this.#filled = 0;
    if (this.#socket.destroyed || this.#socket.writableEnded) return slab.onWritten();
    this.bytesWritten += filled;
    this.#socket.write(slab.buffer.subarray(0, filled), slab.onWritten);
  }

  /** Drops what was not flushed. */
  discard(): void {
    this.#text = '';
    this.#filled = 0;
    this.#slab?.onWritten();
    this.#slab = undefined;
  }

  /** So much waits for the kernel that no more should be fetched for this socket; its `drain` follows. */
  get congested(): boolean {
    return this.#socket.writableNeedDrain;
  }
}
