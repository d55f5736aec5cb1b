/** One client over a raw socket, HTTP/1.1: one request at a time, every answer checked. */
import { connect, type Socket } from 'node:net';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface ClientEvents {
  onConnected(client: Http1Client): void;
  /** The answer is whole and as it should be. */
  onAnswer(client: Http1Client): void;
  /** After `end`. */
  onClosed(client: Http1Client): void;
  /** A wrong answer, or none. */
  onFailure(error: Error): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');

export class Http1Client {
  readonly #target: Target;
  readonly #request: Buffer;
  readonly #responseBytes: number;
  readonly #events: ClientEvents;
  #socket: Socket | undefined;
  #head: Buffer | undefined;
  /** Bytes of the answer's body that are still to come; -1 before its head. */
  #missing = -1;
  #ending = false;
  busy = false;
  /** When the exchange in progress began, or should have. */
  startMs = 0;

  constructor(target: Target, request: Buffer, responseBytes: number, events: ClientEvents) {
    this.#target = target;
    this.#request = request;
    this.#responseBytes = responseBytes;
    this.#events = events;
  }

  connect(): void {
    this.#ending = false;
    const socket = connect({ ...this.#target, noDelay: true });
    this.#socket = socket;
    socket.once('connect', () => this.#events.onConnected(this));
    socket.on('data', (chunk: Buffer) => this.#onBytes(chunk));
    socket.on('error', (error) => this.#events.onFailure(error));
    socket.on('close', () => {
      if (this.#ending) this.#events.onClosed(this);
      else this.#events.onFailure(new Error('the connection was closed'));
    });
  }

  send(startMs: number): void {
    this.startMs = startMs;
    this.busy = true;
    this.#socket?.write(this.#request);
  }

  end(): void {
    this.#ending = true;
    this.#socket?.end();
  }

  destroy(): void {
    this.#ending = true;
    this.#socket?.destroy();
  }

  #onBytes(chunk: Buffer): void {
    if (!this.busy) return this.#fail('bytes that nobody asked for');
    if (this.#missing >= 0) this.#missing -= chunk.length;
    else if (!this.#onHead(chunk)) return;
    if (this.#missing > 0) return;
    if (this.#missing < 0) return this.#fail('more bytes than the response has');
    this.#missing = -1;
    this.busy = false;
    this.#events.onAnswer(this);
  }

  /** @returns false when it is not whole yet, or wrong. */
  #onHead(chunk: Buffer): boolean {
    const all = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk]);
    const end = all.indexOf(HEAD_END);
    if (end < 0) {
      this.#head = all;
      return false;
    }
    this.#head = undefined;
    const text = all.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
    if (!text.startsWith('HTTP/1.1 200') || length !== this.#responseBytes) {
      this.#fail(`unexpected response: ${text.slice(0, 300)}`);
      return false;
    }
    this.#missing = length - (all.length - end - HEAD_END.length);
    return true;
  }

  #fail(why: string): void {
    this.destroy();
    this.#events.onFailure(new Error(why));
  }
}
