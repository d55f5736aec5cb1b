import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { errorCode, errorMessage } from '@weft/kit';
import type { UpstreamFailure } from '../http/streams.ts';
import { type Beforehand, connectPlain, connectSecure, type TakeBytes } from '../sockets/byte-reader.ts';
import type { OpenMarked } from '../sockets/native-sockets.ts';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';
import { IdentityMismatchError, type UpstreamTls } from '../tls/upstream-tls.ts';
import type { HostFacts } from './host-facts.ts';

export interface ConnectOptions {
  readonly facts: HostFacts;
  /** Name that TLS asks the host for; empty = the one of its settings. */
  readonly asked: string;
  /** undefined = plain. */
  readonly tls: UpstreamTls | undefined;
  /** Covers TCP and TLS. */
  readonly timeoutMs: number;
  /** Local address to connect from; undefined = the system's choice. */
  readonly sourceAddress: string | undefined;
  /** Makes the socket; undefined leaves that to Node. */
  readonly openMarked: OpenMarked | undefined;
  /** What is said before everything else. */
  readonly preamble: Buffer | undefined;
  /** What may wait for the host before more for it is held back; undefined = Node's choice. */
  readonly bufferBytes: number | undefined;
  readonly readBuffer: Buffer;
  readonly timers: TimerQueue;
}

export interface ConnectOutcome {
  /** @param peer SPIFFE id of the verified peer; empty on plain connections. */
  onConnected(socket: Socket, peer: string): void;
  onConnectFailed(failure: UpstreamFailure, detail: string): void;
}

export interface Connecting {
  /** No callback follows. */
  cancel(): void;
}

/** Opens one connection to a host, with TLS and a limit in time. Exactly one of the outcome's methods is called. */
export function openConnection(options: ConnectOptions, take: TakeBytes, outcome: ConnectOutcome): Connecting {
  const { facts, asked, tls, timers } = options;
  let over = false;
  const deadline = new Deadline({ onDeadline: () => fail('upstream-connect-timeout', 'connect timeout') }, 0);
  let socket: Socket | undefined;

  // Read before the handshake: the sessions may change meanwhile.
  const startMs = timers.now();
  const resumed = tls?.resumablePeer(facts, startMs, asked) ?? '';
  const peerOf = (connected: Socket): string =>
    tls !== undefined && connected instanceof TLSSocket ? tls.peerOf(connected, resumed) : '';

  const settle = (): boolean => {
    if (over) return false;
    over = true;
    timers.cancel(deadline);
    return true;
  };
  const fail = (failure: UpstreamFailure, detail: string): void => {
    if (!settle()) return;
    socket?.destroy();
    outcome.onConnectFailed(failure, detail);
  };
  const succeed = (): void => {
    if (socket === undefined || !settle()) return;
    outcome.onConnected(socket, peerOf(socket));
  };

  const buffer = options.bufferBytes === undefined ? {} : { highWaterMark: options.bufferBytes };
  const where =
    facts.port === 0 && facts.address.startsWith('/')
      ? { path: facts.address, ...buffer }
      : {
          host: facts.address,
          port: facts.port,
          ...buffer,
          ...(options.sourceAddress === undefined ? {} : { localAddress: options.sourceAddress }),
        };
  const beforehand = (): Beforehand => ({
    fd: 'path' in where ? undefined : options.openMarked?.(facts.address),
    preamble: options.preamble,
  });
  try {
    if (tls === undefined) {
      socket = connectPlain(where, options.readBuffer, take, beforehand());
      socket.once('connect', succeed);
    } else {
      const secure = tls.connectOptions(facts, startMs, asked);
      if (typeof secure === 'string') {
        queueMicrotask(() => fail('upstream-tls-failure', secure));
        return { cancel: () => void settle() };
      }
      const tlsSocket = connectSecure({ ...where, ...secure }, options.readBuffer, take, beforehand());
      tls.watch(tlsSocket, facts, startMs, asked);
      tlsSocket.once('secureConnect', succeed);
      socket = tlsSocket;
    }
  } catch (error) {
    queueMicrotask(() => fail('upstream-connect-failure', errorMessage(error)));
    return { cancel: () => void settle() };
  }
  socket.on('error', (error) => {
    if (over) return;
    if (error instanceof IdentityMismatchError) fail('upstream-identity-mismatch', error.message);
    else if (tls !== undefined && !isConnectError(error)) fail('upstream-tls-failure', errorMessage(error));
    else fail('upstream-connect-failure', errorCode(error) ?? errorMessage(error));
  });
  socket.on('close', () =>
    fail(tls === undefined ? 'upstream-connect-failure' : 'upstream-tls-failure', 'closed while connecting'),
  );
  timers.arm(deadline, options.timeoutMs);
  return {
    cancel: () => {
      if (settle()) socket?.destroy();
    },
  };
}

const isConnectError = (error: unknown): boolean =>
  ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT', 'ENOENT'].includes(
    errorCode(error) ?? '',
  );
