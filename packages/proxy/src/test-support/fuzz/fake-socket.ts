import type { Socket } from 'node:net';
import type { Clock } from '@weft/kit';

type Listener = (...args: unknown[]) => void;

/** As much of a socket as the codecs use, without a turn of the event loop: what is written is taken at once. */
export class FakeSocket {
  readonly localAddress = '127.0.0.1';
  readonly localPort = 1;
  readonly bytesRead = 0;
  readonly remoteAddress = '127.0.0.1';
  destroyed = false;
  writableEnded = false;
  writableNeedDrain = false;
  writableLength = 0;
  /** All that was written, as latin1, where it is kept. */
  written = '';
  readonly #keeps: boolean;
  #paused = false;
  readonly #names: string[] = [];
  readonly #listeners: Listener[] = [];

  constructor(keepsWritten = false) {
    this.#keeps = keepsWritten;
  }

  asSocket(): Socket {
    return this as unknown as Socket;
  }

  on(name: string, listener: Listener): this {
    this.#names.push(name);
    this.#listeners.push(listener);
    return this;
  }
  once(name: string, listener: Listener): this {
    return this.on(name, listener);
  }
  off(): this {
    return this;
  }
  write(chunk: string | Buffer, encoding?: unknown): boolean {
    if (this.#keeps) this.written += typeof chunk === 'string' ? chunk : chunk.toString('latin1');
    if (typeof encoding === 'function') encoding();
    return true;
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
  }
  isPaused(): boolean {
    return this.#paused;
  }
  end(): void {
    this.writableEnded = true;
  }
  destroySoon(): void {
    this.destroyed = true;
  }
  destroy(): void {
    this.destroyed = true;
  }

  // What a peer does.

  emit(name: 'end' | 'close' | 'error' | 'drain', ...args: unknown[]): void {
    for (let i = 0; i < this.#names.length; i += 1) if (this.#names[i] === name) this.#listeners[i]?.(...args);
  }
}

/** Time that stands still, so that the same input is always the same. */
export const stillClock: Clock = {
  now: () => 1_000_000,
  at: () => NO_TIMER,
  after: () => NO_TIMER,
};
const NO_TIMER = { cancel: () => {} };
