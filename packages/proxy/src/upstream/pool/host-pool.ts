import type { Socket } from 'node:net';
import type { ConnectionKeeper, UpstreamConnection } from '../../http/connections.ts';
import type { UpstreamFailure } from '../../http/streams.ts';
import type { TakeBytes } from '../../sockets/byte-reader.ts';
import type { Circuit } from '../circuit.ts';
import type { Connecting, ConnectOutcome } from '../connector.ts';

/** One request that wants a connection. Exactly one of its methods is called, unless it left before. */
export interface PoolWaiter {
  /** It begins its exchange before it returns. */
  onPoolReady(connection: UpstreamConnection): void;
  onPoolFailed(failure: UpstreamFailure, detail: string): void;
}

export interface HostPoolOptions {
  readonly circuit: Circuit;
  /** How many exchanges a first connection will probably carry at a time; later ones are taken to be like the last. */
  readonly expectedStreams: number;
  connect(take: TakeBytes, outcome: ConnectOutcome): Connecting;
  /** Makes the connection of the protocol that was agreed on. */
  open(socket: Socket, peer: string, keeper: ConnectionKeeper): UpstreamConnection;
  onConnectFailed(): void;
  /** There is no connection left, and nobody waits for one. */
  onEmpty?(): void;
}

/**
 * Connections to one host: the last used one that has room first, new ones within the cluster's limits, else first come
 * first served.
 */
export class HostPool implements ConnectionKeeper {
  readonly #options: HostPoolOptions;
  /** Those that have room, the last used one at the end. */
  readonly #ready: UpstreamConnection[] = [];
  readonly #all = new Set<UpstreamConnection>();
  readonly #waiting: PoolWaiter[] = [];
  readonly #connecting = new Set<Connecting>();
  #expectedStreams: number;
  #retired = false;

  constructor(options: HostPoolOptions) {
    this.#options = options;
    this.#expectedStreams = options.expectedStreams;
  }

  get connections(): number {
    return this.#all.size;
  }
  get waiting(): number {
    return this.#waiting.length;
  }

  acquire(waiter: PoolWaiter): void {
    const connection = this.#lastReady();
    if (connection !== undefined) {
      this.#hand(connection, waiter);
      return;
    }
    const { circuit } = this.#options;
    if (!circuit.tryPending()) {
      waiter.onPoolFailed('upstream-overflow', 'overflow');
      return;
    }
    this.#waiting.push(waiter);
    this.#connectForWaiting();
  }

  /** A waiter that no longer wants. A connection that is being made for nobody else ends with it. */
  leave(waiter: PoolWaiter): void {
    const at = this.#waiting.indexOf(waiter);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#options.circuit.endPending();
    if ((this.#connecting.size - 1) * this.#expectedStreams < this.#waiting.length) return;
    // The youngest one has got least far.
    const youngest = [...this.#connecting].at(-1);
    if (youngest !== undefined) this.#drop(youngest);
  }

  /** No new exchanges: idle connections end, busy ones after what they carry. */
  retire(): void {
    this.#retired = true;
    for (const connection of this.#all) {
      this.#unlist(connection);
      connection.retire();
    }
    if (this.#waiting.length === 0) for (const connecting of this.#connecting) this.#drop(connecting);
  }

  close(): void {
    this.#retired = true;
    for (const connecting of this.#connecting) this.#drop(connecting);
    for (const connection of this.#all) connection.destroy();
  }

  onReusable(connection: UpstreamConnection): void {
    while (connection.capacity > 0) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#options.circuit.endPending();
      next.onPoolReady(connection);
    }
    if (this.#retired) {
      connection.retire();
      return;
    }
    if (connection.capacity <= 0) return;
    this.#list(connection);
    connection.rest();
  }

  onExhausted(connection: UpstreamConnection): void {
    this.#unlist(connection);
    this.#connectForWaiting();
  }

  onClosed(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    this.#unlist(connection);
    this.#options.circuit.endConnection();
    this.#connectForWaiting();
    this.#checkEmpty();
  }

  #checkEmpty(): void {
    if (this.#all.size + this.#connecting.size + this.#waiting.length === 0) this.#options.onEmpty?.();
  }

  #lastReady(): UpstreamConnection | undefined {
    for (;;) {
      const last = this.#ready.at(-1);
      if (last === undefined || last.capacity > 0) return last;
      // The peer allows fewer than it did; the connection comes back when it has room again.
      last.listed = false;
      this.#ready.pop();
    }
  }

  /** @param connection the last of those that are ready. */
  #hand(connection: UpstreamConnection, waiter: PoolWaiter): void {
    // Taken off first: the exchange may be over, or its receiver ask for another, before this returns.
    if (connection.capacity === 1) {
      connection.listed = false;
      this.#ready.pop();
    }
    waiter.onPoolReady(connection);
    if (connection.capacity > 0) this.#list(connection);
  }

  #list(connection: UpstreamConnection): void {
    if (connection.listed) return;
    connection.listed = true;
    this.#ready.push(connection);
  }

  #unlist(connection: UpstreamConnection): void {
    if (!connection.listed) return;
    connection.listed = false;
    const at = this.#ready.indexOf(connection);
    if (at >= 0) this.#ready.splice(at, 1);
  }

  #connectForWaiting(): void {
    while (this.#connecting.size * this.#expectedStreams < this.#waiting.length) if (!this.#connect()) return;
  }

  /** @returns false when the cluster has all the connections it may have. */
  #connect(): boolean {
    const { circuit } = this.#options;
    if (!circuit.tryConnection()) {
      // Full: wait for one of ours to come free, but never wait for nothing.
      if (this.#all.size + this.#connecting.size > 0) return false;
      circuit.forceConnection();
    }
    let connection: UpstreamConnection | undefined;
    const take: TakeBytes = (buffer, start, end) => connection?.onBytes(buffer, start, end);
    const connecting = this.#options.connect(take, {
      onConnected: (socket: Socket, peer: string) => {
        this.#connecting.delete(connecting);
        connection = this.#options.open(socket, peer, this);
        this.#all.add(connection);
        this.#expectedStreams = Math.max(1, connection.capacity);
        this.onReusable(connection);
        this.#connectForWaiting();
      },
      onConnectFailed: (failure, detail) => {
        this.#connecting.delete(connecting);
        circuit.endConnection();
        this.#options.onConnectFailed();
        this.#failWaiting(failure, detail);
        this.#checkEmpty();
      },
    });
    this.#connecting.add(connecting);
    return true;
  }

  /**
   * A failed connection fails those that no other one is being made for, the oldest first: under load another one always
   * is, and they would wait for as long as the load lasts.
   */
  #failWaiting(failure: UpstreamFailure, detail: string): void {
    const over = this.#waiting.length - this.#connecting.size * this.#expectedStreams;
    for (const waiter of over > 0 ? this.#waiting.splice(0, over) : []) {
      this.#options.circuit.endPending();
      waiter.onPoolFailed(failure, detail);
    }
  }

  #drop(connecting: Connecting): void {
    connecting.cancel();
    this.#connecting.delete(connecting);
    this.#options.circuit.endConnection();
  }
}
