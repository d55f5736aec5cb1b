/** Discovery streams over gRPC: who may open one, and one connection object for each. */
import * as grpc from '@grpc/grpc-js';
import {
  createDeltaStream,
  createSotwStream,
  type Handled,
  type ServerResponse,
  type ServerStream,
} from '../protocol/server-stream.ts';
import type { DeltaRequest, SotwRequest } from '../protocol/messages.ts';
import type { PeerCall, PeerVerdict } from '../transport/peer.ts';
import type { AdsLimits, AdsServer, AdsServerOptions } from './ads-server-types.ts';
import { createConnection, type Connection, type EndReason } from './connection.ts';
import { nodeOfPeer } from './node-of-peer.ts';
import { createRateLimit } from './rate-limit.ts';

export const DEFAULT_ADS_LIMITS: AdsLimits = {
  streams: 10_000,
  streamsPerIdentity: 2_000,
  newStreamsPerSecond: 100,
  typesPerStream: 32,
  namesPerType: 50_000,
  answerTimeoutMs: 60_000,
  firstRequestTimeoutMs: 10_000,
};

const STATUS: Record<EndReason, grpc.status> = {
  invalid: grpc.status.INVALID_ARGUMENT,
  denied: grpc.status.PERMISSION_DENIED,
  exhausted: grpc.status.RESOURCE_EXHAUSTED,
  unresponsive: grpc.status.UNAVAILABLE,
  unavailable: grpc.status.UNAVAILABLE,
};

export type AdsCall<Request> = grpc.ServerDuplexStream<Request, ServerResponse>;

interface StreamKind<Request> {
  readonly protocol: 'delta' | 'sotw';
  readonly create: (noncePrefix: string) => ServerStream<Request>;
}

export const DELTA: StreamKind<DeltaRequest> = { protocol: 'delta', create: createDeltaStream };
export const SOTW: StreamKind<SotwRequest> = { protocol: 'sotw', create: createSotwStream };

interface Open {
  readonly spiffeId: string;
  readonly connection: Pick<Connection<never>, 'record' | 'end'>;
}

export interface Acceptor extends Pick<AdsServer, 'connections' | 'counters' | 'close'> {
  accept<Request extends DeltaRequest | SotwRequest>(kind: StreamKind<Request>, call: AdsCall<Request>): void;
}

/** @param identify who is at the other end of a call. */
export function createAcceptor(options: AdsServerOptions, identify: (call: PeerCall) => PeerVerdict): Acceptor {
  const { source, clock, random, logger, authorize = nodeOfPeer } = options;
  const limits: AdsLimits = { ...DEFAULT_ADS_LIMITS, ...options.limits };
  const open = new Set<Open>();
  const perIdentity = new Map<string, number>();
  const rate = createRateLimit(limits.newStreamsPerSecond, clock);
  const counters = { streamsOpened: 0, streamsRefused: 0, responses: 0, rejects: 0, staleNonces: 0 };
  let closing = false;

  function count(event: Handled | 'response'): void {
    if (event === 'response') counters.responses += 1;
    if (event === 'rejected') counters.rejects += 1;
    if (event === 'stale') counters.staleNonces += 1;
  }

  function refusal(spiffeId: string): string | undefined {
    if (closing) return 'the server is closing';
    if (open.size >= limits.streams) return 'too many streams';
    if ((perIdentity.get(spiffeId) ?? 0) >= limits.streamsPerIdentity) return `too many streams of ${spiffeId}`;
    return rate.take() ? undefined : 'too many new streams at once';
  }

  function accept<Request extends DeltaRequest | SotwRequest>(kind: StreamKind<Request>, call: AdsCall<Request>): void {
    const fail = (code: grpc.status, details: string): void => void call.emit('error', { code, details });
    // A broken connection is told by `cancelled`; without a listener it would be an uncaught error.
    call.on('error', () => {});
    const peer = identify(call);
    if (!peer.ok) {
      counters.streamsRefused += 1;
      logger.warn({ address: call.getPeer(), reason: peer.reason }, 'xds stream refused');
      fail(grpc.status.UNAUTHENTICATED, peer.reason);
      return;
    }
    const refused = refusal(peer.spiffeId);
    if (refused !== undefined) {
      counters.streamsRefused += 1;
      logger.warn({ peer: peer.spiffeId, reason: refused }, 'xds stream refused');
      fail(grpc.status.RESOURCE_EXHAUSTED, refused);
      return;
    }
    const id = Buffer.from(random.bytes(9)).toString('base64url');
    const connection = createConnection<Request>({
      id,
      protocol: kind.protocol,
      peer,
      stream: kind.create(`${id}-`),
      source,
      authorize,
      limits,
      clock,
      logger,
      count,
      writer: {
        write: (response, written) => void call.write(response, (error?: Error | null) => error ?? written()),
        end: (reason, message) => {
          leave();
          fail(STATUS[reason], message);
        },
      },
    });
    const entry: Open = { spiffeId: peer.spiffeId, connection };
    const leave = (): void => {
      if (!open.delete(entry)) return;
      const left = (perIdentity.get(peer.spiffeId) ?? 1) - 1;
      if (left > 0) perIdentity.set(peer.spiffeId, left);
      else perIdentity.delete(peer.spiffeId);
    };
    const over = (): void => {
      leave();
      connection.closed();
    };
    open.add(entry);
    perIdentity.set(peer.spiffeId, (perIdentity.get(peer.spiffeId) ?? 0) + 1);
    counters.streamsOpened += 1;
    call.on('data', (request: Request) => connection.receive(request));
    call.on('cancelled', over);
    call.on('close', over);
    call.on('end', () => {
      over();
      call.end();
    });
  }

  return {
    accept,
    connections: () => [...open].flatMap(({ connection }) => connection.record() ?? []),
    counters: () => ({ ...counters }),
    close() {
      closing = true;
      for (const { connection } of open) connection.end('unavailable', 'the server is closing');
    },
  };
}
