import type { Socket } from 'node:net';
import { PREFACE } from '../http2/frames/constants.ts';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';
import type { ServerConnection, WeighExchange } from './connections.ts';

export interface UndecidedOptions {
  /** Until the first byte, and from there until it is decided; 0 = no limit. */
  readonly idleTimeoutMs: number;
  readonly headersTimeoutMs: number;
  /** Makes the connection that goes on with the socket. */
  readonly decide: (http2: boolean) => ServerConnection;
  readonly onClosed: (connection: UndecidedConnection) => void;
  /** Nothing has come in time. */
  readonly onIdle: () => void;
}

/** A client's connection until its first bytes tell HTTP/2 with prior knowledge from HTTP/1; the first one does as a rule. */
export class UndecidedConnection implements ServerConnection {
  readonly #socket: Socket;
  readonly #timers: TimerQueue;
  readonly #options: UndecidedOptions;
  readonly #wait: Deadline;
  #chosen: ServerConnection | undefined;
  /** How much of the preface has come; nothing else is held. */
  #matched = 0;
  #over = false;
  readonly #onGone = (): void => this.#close();

  constructor(socket: Socket, timers: TimerQueue, options: UndecidedOptions) {
    this.#socket = socket;
    this.#timers = timers;
    this.#options = options;
    this.#wait = new Deadline(this, 0);
    for (const event of GONE) socket.on(event, this.#onGone);
    if (options.idleTimeoutMs > 0) timers.arm(this.#wait, options.idleTimeoutMs);
  }

  get idle(): boolean {
    return this.#chosen === undefined ? this.#matched === 0 : this.#chosen.idle;
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.#chosen !== undefined) return this.#chosen.onBytes(buffer, start, end);
    if (this.#over || end <= start) return;
    const held = this.#matched;
    let at = start;
    while (at < end && this.#matched < PREFACE.length && buffer[at] === PREFACE[this.#matched]) {
      at += 1;
      this.#matched += 1;
    }
    if (at === end && this.#matched < PREFACE.length) {
      if (held === 0) this.#waitForRest();
      return;
    }
    this.#letGo();
    const chosen = this.#options.decide(this.#matched === PREFACE.length);
    this.#chosen = chosen;
    if (held > 0) chosen.onBytes(PREFACE, 0, held);
    chosen.onBytes(buffer, start, end);
  }

  onDraining(): void {
    this.#chosen?.onDraining();
  }

  destroy(): void {
    if (this.#chosen !== undefined) return this.#chosen.destroy();
    this.#close();
  }

  weigh(take: WeighExchange): void {
    this.#chosen?.weigh?.(take);
  }

  onDeadline(): void {
    if (this.#matched === 0) this.#options.onIdle();
    this.#close();
  }

  #waitForRest(): void {
    this.#timers.cancel(this.#wait);
    if (this.#options.headersTimeoutMs > 0) this.#timers.arm(this.#wait, this.#options.headersTimeoutMs);
  }

  #letGo(): void {
    this.#timers.cancel(this.#wait);
    for (const event of GONE) this.#socket.off(event, this.#onGone);
  }

  #close(): void {
    if (this.#over || this.#chosen !== undefined) return;
    this.#over = true;
    this.#letGo();
    this.#socket.on('error', ignore);
    this.#socket.destroy();
    this.#options.onClosed(this);
  }
}

const GONE = ['error', 'close', 'end'] as const;
const ignore = (): void => {};
