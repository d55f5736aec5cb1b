import { createServer, type Server, type Socket } from 'node:net';
import type { InheritedFds } from '../ports.ts';
import { holdQueue, openQueue } from './accept-queue.ts';

/** Whoever serves an inherited socket now. */
export interface SocketOwner {
  readonly onConnection: (socket: Socket) => void;
  readonly onListening: (server: Server) => void;
  readonly onError: (error: Error) => void;
}

/** A socket that the parent bound. */
export interface InheritedSocket {
  readonly fd: number;
  /** Serves it from now on. @returns lets go of it, if nobody else took it meanwhile. */
  take(owner: SocketOwner, backlog: number): () => void;
  /** Leaves clients in the queue, and takes them up again. */
  hold(): void;
  open(): void;
}

/** Sockets that a listener takes instead of binding. */
export interface ListenerSockets {
  /** @param address `127.0.0.1:8080`. @returns undefined: the listener binds for itself. */
  get(address: string): InheritedSocket | undefined;
  /** Accepts nothing more. */
  close(): void;
}

/**
 * Servers on the parent's descriptors. Closing a server closes its descriptor for good, so a listener that goes away only
 * lets go: connections are then reset until another listener takes the address, or all are closed with the process.
 */
export class InheritedSockets implements ListenerSockets {
  readonly #fds: InheritedFds;
  readonly #open = new Map<string, OpenSocket>();
  #closed = false;

  constructor(fds: InheritedFds) {
    this.#fds = fds;
  }

  /** @param address `127.0.0.1:8080`. @returns undefined when the parent passed none of this address. */
  get(address: string): InheritedSocket | undefined {
    const fd = this.#fds.get(address);
    if (fd === undefined || this.#closed) return undefined;
    let socket = this.#open.get(address);
    if (socket === undefined) {
      socket = new OpenSocket(fd);
      this.#open.set(address, socket);
    }
    return socket;
  }

  /** Accepts nothing more here; the parent's descriptor stays, and with it the queue for a successor. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#open.values()) socket.close();
    this.#open.clear();
  }
}

class OpenSocket implements InheritedSocket {
  readonly fd: number;
  readonly #server: Server;
  #owner: SocketOwner | undefined;
  #held = false;

  constructor(fd: number) {
    this.fd = fd;
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      if (this.#owner !== undefined) return this.#owner.onConnection(socket);
      socket.on('error', () => {});
      socket.resetAndDestroy();
    });
    this.#server.on('error', (error) => this.#owner?.onError(error));
  }

  take(owner: SocketOwner, backlog: number): () => void {
    this.#owner = owner;
    if (this.#server.listening) owner.onListening(this.#server);
    else {
      this.#server.listen({ fd: this.fd, backlog }, () => {
        if (this.#held) holdQueue(this.#server);
        this.#owner?.onListening(this.#server);
      });
    }
    return () => {
      if (this.#owner !== owner) return;
      this.#owner = undefined;
      // Whoever still waits is told so.
      this.open();
    };
  }

  hold(): void {
    if (this.#held) return;
    this.#held = true;
    if (this.#server.listening) holdQueue(this.#server);
  }

  open(): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.#server.listening) openQueue(this.#server);
  }

  close(): void {
    this.#owner = undefined;
    this.#server.close();
  }
}
