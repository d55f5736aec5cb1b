import { connect, type Socket } from 'node:net';

export interface RawClient {
  readonly socket: Socket;
  /** All that came, as latin1. */
  got(): string;
  /** Its connection is over. */
  gone(): boolean;
}

/** Clients that say what bytes they like. */
export class RawClients {
  readonly #open: Socket[] = [];

  /** @param bytes said at once. */
  connect(port: number, ...bytes: readonly (string | Buffer)[]): RawClient {
    const socket = connect({ host: '127.0.0.1', port });
    this.#open.push(socket);
    let [text, gone] = ['', false];
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => (gone = true));
    for (const some of bytes) socket.write(some);
    return { socket, got: () => text, gone: () => gone };
  }

  close(): void {
    for (const socket of this.#open.splice(0)) socket.destroy();
  }
}
