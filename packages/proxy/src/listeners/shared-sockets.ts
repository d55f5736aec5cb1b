import { closeSync } from 'node:fs';
import type { ListenerSockets } from './inherited-sockets.ts';
import { ServedSocket } from './served-socket.ts';

/**
 * A worker's share of the sockets that the main thread made, or got from its parent: a descriptor of its own for each. A
 * listener may ask for one before it comes.
 */
export class SharedSockets implements ListenerSockets {
  readonly #sockets = new Map<string, ServedSocket>();
  #closed = false;

  get(address: string): ServedSocket {
    let socket = this.#sockets.get(address);
    if (socket === undefined) {
      socket = new ServedSocket();
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
    const socket = this.#sockets.get(address);
    if (socket !== undefined) end(socket);
    this.#sockets.delete(address);
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets.values()) end(socket);
    this.#sockets.clear();
  }
}

function end(socket: ServedSocket): void {
  if (!socket.close() && socket.fd >= 0) closeSync(socket.fd);
}
