import type { InheritedFds } from '../ports.ts';
import { type InheritedSocket, ServedSocket } from './served-socket.ts';

/** Sockets that a listener takes instead of binding. */
export interface ListenerSockets {
  /** @param address `127.0.0.1:8080`. @returns undefined: the listener binds for itself. */
  get(address: string): InheritedSocket | undefined;
  /** Accepts nothing more. */
  close(): void;
}

/** Sockets on the parent's descriptors, kept for the listeners that come and go there until the process closes them all. */
export class InheritedSockets implements ListenerSockets {
  readonly #fds: InheritedFds;
  readonly #open = new Map<string, ServedSocket>();
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
      socket = new ServedSocket(fd);
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
