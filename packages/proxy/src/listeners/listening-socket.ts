// The socket that a listener listens on: made here, or by the parent.
import { createServer, type Server, type Socket } from 'node:net';
import { type Clock, errorCode, type Timer } from '@weft/kit';
import type { InheritedSocket } from './served-socket.ts';
import { holdQueue, openQueue } from './accept-queue.ts';
import { ACCEPTED } from '../sockets/byte-reader.ts';

export interface ListeningSocket {
  /** -1 while it is not bound. */
  readonly descriptor: number;
  /**
   * Takes nothing more for a while. Clients of the parent's socket wait in the system's queue; one of our own is closed,
   * and its clients are refused.
   */
  hold(): void;
  /** Goes on after `hold`. */
  open(): void;
  /** For good. */
  close(): void;
}

export interface SocketEvents {
  readonly onConnection: (socket: Socket) => void;
  readonly onListening: (server: Server) => void;
  readonly onError: (error: Error) => void;
}

// A predecessor may hold the address until it has drained.
const BIND_AGAIN_MS = 200;

export function parentsSocket(inherited: InheritedSocket, backlog: number, events: SocketEvents): ListeningSocket {
  const letGo = inherited.take(events, backlog);
  return {
    descriptor: inherited.fd,
    hold: () => inherited.hold(),
    open: () => inherited.open(),
    close: letGo,
  };
}

export function ownSocket(
  { address, port, backlog }: { readonly address: string; readonly port: number; readonly backlog: number },
  clock: Clock,
  events: SocketEvents,
): ListeningSocket {
  const server = createServer(ACCEPTED, events.onConnection);
  let state: 'open' | 'held' | 'closed' = 'open';
  let again: Timer | undefined;
  /** Where it was bound before, so that clients find it there again. */
  let boundPort = port;
  const bind = (): void => void server.listen({ host: address, port: boundPort, backlog, exclusive: false });
  server.on('listening', () => {
    const actual = server.address();
    if (typeof actual === 'object' && actual !== null) boundPort = actual.port;
    if (state === 'open') events.onListening(server);
    else server.close();
  });
  server.on('error', (error) => {
    events.onError(error);
    if (errorCode(error) === 'EADDRINUSE' && state === 'open') again = clock.after(BIND_AGAIN_MS, bind);
  });
  bind();
  return {
    get descriptor() {
      return descriptorOf(server);
    },
    hold() {
      if (state !== 'open') return;
      state = 'held';
      again?.cancel();
      if (server.listening && !holdQueue(server)) server.close();
    },
    open() {
      if (state !== 'held') return;
      state = 'open';
      if (server.listening) openQueue(server);
      else bind();
    },
    close() {
      state = 'closed';
      again?.cancel();
      server.close();
    },
  };
}

/** Node has no public word for it. */
const descriptorOf = (server: Server): number =>
  (server as unknown as { readonly _handle: { readonly fd?: number } | null })._handle?.fd ?? -1;
