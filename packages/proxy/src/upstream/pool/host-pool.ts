import type { Socket } from 'node:net';
import {
  H1ClientConnection,
  type ClientConnectionOptions,
  type ConnectionKeeper,
} from '../../http1/client-connection.ts';
import type { UpstreamFailure } from '../../http/streams.ts';
import type { TakeBytes } from '../../sockets/byte-reader.ts';
import type { TimerQueue } from '../../timers/timer-queue.ts';
import type { Circuit } from '../circuit.ts';
import type { Connecting, ConnectOutcome } from '../connector.ts';

/** One request that wants a connection. Exactly one of its methods is called, unless it left before. */
export interface PoolWaiter {
  onPoolReady(connection: H1ClientConnection): void;
  onPoolFailed(failure: UpstreamFailure, detail: string): void;
}

export interface HostPoolOptions {
  readonly circuit: Circuit;
  readonly timers: TimerQueue;
  readonly connection: ClientConnectionOptions;
  connect(take: TakeBytes, outcome: ConnectOutcome): Connecting;
  onConnectFailed(): void;
}

/** Connections to one host: the last used idle one first, new ones within the cluster's limits, else first come first served. */
export class HostPool implements ConnectionKeeper {
  readonly #options: HostPoolOptions;
  readonly #idle: H1ClientConnection[] = [];
  readonly #all = new Set<H1ClientConnection>();
  readonly #waiting: PoolWaiter[] = [];
  readonly #connecting = new Set<Connecting>();
  #retired = false;

  constructor(options: HostPoolOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#all.size;
  }
  get idleConnections(): number {
    return this.#idle.length;
  }
  get waiting(): number {
    return this.#waiting.length;
  }

  acquire(waiter: PoolWaiter): void {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      waiter.onPoolReady(idle);
      return;
    }
    const { circuit } = this.#options;
    if (!circuit.tryPending()) {
      waiter.onPoolFailed('upstream-overflow', 'overflow');
      return;
    }
    this.#waiting.push(waiter);
    if (this.#connecting.size < this.#waiting.length) this.#connect();
  }

  /** A waiter that no longer wants. A connection that is being made for nobody else ends with it. */
  leave(waiter: PoolWaiter): void {
    const at = this.#waiting.indexOf(waiter);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#options.circuit.endPending();
    if (this.#connecting.size <= this.#waiting.length) return;
    // The youngest one has got least far.
    const youngest = [...this.#connecting].at(-1);
    if (youngest !== undefined) this.#drop(youngest);
  }

  /** No new exchanges: idle connections end, busy ones after their exchange. */
  retire(): void {
    this.#retired = true;
    for (const connection of this.#all) connection.retire();
    this.#idle.length = 0;
    if (this.#waiting.length === 0) for (const connecting of this.#connecting) this.#drop(connecting);
  }

  close(): void {
    this.#retired = true;
    for (const connecting of this.#connecting) this.#drop(connecting);
    for (const connection of this.#all) connection.cancel();
    this.#idle.length = 0;
  }

  onReusable(connection: H1ClientConnection): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#options.circuit.endPending();
      next.onPoolReady(connection);
    } else if (!this.#retired) {
      this.#idle.push(connection);
      connection.rest();
      return;
    }
    if (this.#retired) connection.retire();
  }

  onClosed(connection: H1ClientConnection): void {
    this.#all.delete(connection);
    this.#options.circuit.endConnection();
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    if (this.#waiting.length > this.#connecting.size) this.#connect();
  }

  #connect(): void {
    const { circuit } = this.#options;
    if (!circuit.tryConnection()) {
      // Full: wait for one of ours to come free, but never wait for nothing.
      if (this.#all.size + this.#connecting.size > 0) return;
      circuit.forceConnection();
    }
    let connection: H1ClientConnection | undefined;
    const take: TakeBytes = (buffer, start, end) => connection?.onBytes(buffer, start, end);
    const connecting = this.#options.connect(take, {
      onConnected: (socket: Socket, peer: string) => {
        this.#connecting.delete(connecting);
        connection = new H1ClientConnection(socket, peer, this, this.#options.timers, this.#options.connection);
        this.#all.add(connection);
        this.onReusable(connection);
      },
      onConnectFailed: (failure, detail) => {
        this.#connecting.delete(connecting);
        circuit.endConnection();
        this.#options.onConnectFailed();
        this.#failWaiting(failure, detail);
      },
    });
    this.#connecting.add(connecting);
  }

  /** A failed connection fails all that wait, unless another one may still succeed. */
  #failWaiting(failure: UpstreamFailure, detail: string): void {
    if (this.#connecting.size > 0) return;
    for (const waiter of this.#waiting.splice(0)) {
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
