import { closeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { holdQueue, openQueue } from './accept-queue.ts';
import type { InheritedSocket, ListenerSockets, SocketOwner } from './inherited-sockets.ts';

/**
 * A worker's share of the sockets that the main thread made, or got from its parent: a descriptor of its own for each. A
 * listener may ask for one before it comes.
 */
export class SharedSockets implements ListenerSockets {
  readonly #sockets = new Map<string, SharedSocket>();
  #closed = false;

  get(address: string): SharedSocket {
    let socket = this.#sockets.get(address);
    if (socket === undefined) {
      socket = new SharedSocket();
      this.#sockets.set(address, socket);
    }
    return socket;
  }

  /** It has come. @param fd nobody else's. */
  put(address: string, fd: number): void {
    if (this.#closed) closeSync(fd);
    else this.get(address).put(fd);
  }

  /** Nobody is to connect there any more. */
  remove(address: string): void {
    this.#sockets.get(address)?.close();
    this.#sockets.delete(address);
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }
}

class SharedSocket implements InheritedSocket {
  fd = -1;
  #server: Server | undefined;
  #owner: SocketOwner | undefined;
  #backlog = 0;
  #held = false;

  /** Connections of nobody are reset until somebody takes the socket. */
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

  /** It has come. */
  put(fd: number): void {
    this.fd = fd;
    this.#listen();
  }

  close(): void {
    this.#owner = undefined;
    if (this.#server !== undefined) this.#server.close();
    else if (this.fd >= 0) closeSync(this.fd);
  }

  #listen(): void {
    if (this.fd < 0 || this.#owner === undefined || this.#server !== undefined) return;
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
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
