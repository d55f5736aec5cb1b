import type { Socket } from 'node:net';
import type { TakeBytes } from '../../sockets/byte-reader.ts';
import type { Connecting, ConnectOutcome } from '../connector.ts';
import type { ProbeSettings } from './health-check-settings.ts';
import type { Probe, ProbeOwner, ProbeResult } from './probe.ts';

const MAX_ANSWER_BYTES = 64 * 1024;

/** Connects, and where payloads are given, says one and waits for the others. */
export class TcpProbe implements Probe {
  readonly #settings: Extract<ProbeSettings, { kind: 'tcp' }>;
  readonly #owner: ProbeOwner;
  #connecting: Connecting | undefined;
  #socket: Socket | undefined;
  #received = Buffer.alloc(0);
  #over = false;

  constructor(settings: Extract<ProbeSettings, { kind: 'tcp' }>, owner: ProbeOwner) {
    this.#settings = settings;
    this.#owner = owner;
  }

  start(connect: (take: TakeBytes, outcome: ConnectOutcome) => Connecting): void {
    this.#connecting = connect((buffer, start, end) => this.#onBytes(buffer, start, end), {
      onConnected: (socket) => this.#onConnected(socket),
      onConnectFailed: () => this.#finish('no-answer'),
    });
  }

  cancel(): void {
    this.#over = true;
    this.#connecting?.cancel();
    this.#socket?.destroy();
  }

  #onConnected(socket: Socket): void {
    this.#connecting = undefined;
    this.#socket = socket;
    socket.on('error', () => this.#finish('no-answer'));
    socket.on('close', () => this.#finish('no-answer'));
    socket.on('end', () => this.#finish('no-answer'));
    const { send, receive } = this.#settings;
    if (receive.length === 0) {
      this.#finish('passed');
      return;
    }
    if (send.length > 0) socket.write(send);
  }

  #onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.#over) return;
    this.#received = Buffer.concat([this.#received, buffer.subarray(start, end)]);
    let at = 0;
    for (const wanted of this.#settings.receive) {
      const found = this.#received.indexOf(wanted, at);
      if (found < 0) {
        if (this.#received.length > MAX_ANSWER_BYTES) this.#finish('failed');
        return;
      }
      at = found + wanted.length;
    }
    this.#finish('passed');
  }

  #finish(result: ProbeResult): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket?.destroy();
    this.#owner.onProbed(result);
  }
}
