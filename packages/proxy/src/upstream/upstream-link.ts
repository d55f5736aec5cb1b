import type { Socket } from 'node:net';
import { readTransport, type TransportFacts } from '../tls/transport-facts.ts';

/** What logs can say of a connection to an upstream. */
export class UpstreamLink {
  readonly id: number;
  /** What is spoken; empty for TCP. */
  readonly protocol: string;
  readonly #socket: Socket | undefined;
  #transport: TransportFacts | undefined;
  #read = false;

  /** @param socket undefined where others use it, too, as in a tunnel. */
  constructor(id: number, protocol: string, socket: Socket | undefined) {
    this.id = id;
    this.protocol = protocol;
    this.#socket = socket;
  }

  /** While the connection is open: a closed one has forgotten. */
  readTransport(): void {
    if (this.#read) return;
    this.#read = true;
    this.#transport = this.#socket === undefined ? undefined : readTransport(this.#socket);
  }

  /** undefined when it is plain, or `readTransport` was not called. */
  get transport(): TransportFacts | undefined {
    return this.#transport;
  }
}
