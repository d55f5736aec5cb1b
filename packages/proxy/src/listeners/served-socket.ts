import { createServer, type Server, type Socket } from 'node:net';
import { ACCEPTED } from '../sockets/byte-reader.ts';
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

/**
 * A server on a descriptor that somebody else bound, for one owner after the other. While it has none, connections are
 * reset. Closing a server closes its descriptor for good, so an owner that goes away only lets go.
 */
export class ServedSocket implements InheritedSocket {
  fd: number;
  #server: Server | undefined;
  #owner: SocketOwner | undefined;
  #backlog = 0;
  #held = false;

  /** @param fd -1 = it is still to come, by `put`. */
  constructor(fd = -1) {
    this.fd = fd;
  }

  take(owner: SocketOwner, backlog: number): () => void {
    this.#owner = owner;
    this.#backlog = backlog;
    if (this.#server?.listening === true) owner.onListening(this.#server);
    else this.#listen();
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
    if (this.#server?.listening === true) holdQueue(this.#server);
  }

  open(): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.#server?.listening === true) openQueue(this.#server);
  }

  put(fd: number): void {
    this.fd = fd;
    this.#listen();
  }

  /** @returns false when nobody has taken it: its descriptor, if there is one, stays open. */
  close(): boolean {
    this.#owner = undefined;
    this.#server?.close();
    return this.#server !== undefined;
  }

  #listen(): void {
    if (this.fd < 0 || this.#owner === undefined || this.#server !== undefined) return;
    const server = createServer(ACCEPTED, (socket) => this.#accept(socket));
    this.#server = server;
    server.on('error', (error) => this.#owner?.onError(error));
    server.listen({ fd: this.fd, backlog: this.#backlog }, () => {
      if (this.#held) holdQueue(server);
      this.#owner?.onListening(server);
    });
  }

  #accept(socket: Socket): void {
    if (this.#owner !== undefined) return this.#owner.onConnection(socket);
    socket.on('error', () => {});
    socket.resetAndDestroy();
  }
}
