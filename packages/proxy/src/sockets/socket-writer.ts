import type { Socket } from 'node:net';
import type { WriteSlabs } from './write-slabs.ts';

// Node writes a string of up to 16 KiB from the stack, at once and without a buffer object. Beyond a page the string costs more.
const MAX_TEXT = 4 * 1024;

/**
 * Gathers what one message writes in one turn, so that head and small body leave in one system call. Text is latin1:
 * one character a byte.
 */
export class SocketWriter {
  readonly #socket: Socket;
  readonly #slabs: WriteSlabs;
  #text = '';
  bytesWritten = 0;

  constructor(socket: Socket, slabs: WriteSlabs) {
    this.#socket = socket;
    this.#slabs = slabs;
  }

  /** All bytes so far, also those that wait to be written. */
  get total(): number {
    return this.bytesWritten + this.#text.length;
  }

  get pending(): boolean {
    return this.#text !== '';
  }

  text(latin1: string): void {
    this.#text += latin1;
  }

  /** Bytes of a buffer that its owner will use again. */
  bytes(buffer: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length + this.#text.length <= MAX_TEXT) {
      this.#text += buffer.toString('latin1', start, end);
      return;
    }
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    const text = this.#text;
    this.#text = '';
    this.#slabs.write(socket, text, buffer, start, end);
    this.bytesWritten += text.length + length;
  }

  flush(): void {
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.bytesWritten += text.length;
    this.#socket.write(text, 'latin1');
  }

  /** Drops what was not flushed. */
  discard(): void {
    this.#text = '';
  }

  get congested(): boolean {
    return this.#socket.writableNeedDrain;
  }
}
