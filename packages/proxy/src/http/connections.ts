// Connections that carry exchanges, whatever protocol they speak, and what stands above them: the connection manager on
// the downstream side, the pool on the upstream side.
import type { ReasonCode } from '@weft/contracts';
import type { UpstreamLink } from '../upstream/upstream-link.ts';
import type { DownstreamStream, RequestReceiver, ResponseReceiver, UpstreamStream } from './streams.ts';

/** A client's connection. */
export interface ServerConnection {
  /** True when no request is being read or answered. */
  readonly idle: boolean;
  onBytes(buffer: Buffer, start: number, end: number): void;
  /** `ExchangeSource.draining` has become true: HTTP/2 says GOAWAY, HTTP/1 says close with its next answer. */
  onDraining(): void;
  /** Ends now: what has no answer yet is refused, the rest is cut. Called again, it waits for nothing. */
  destroy(): void;
  /** Tells what each request in progress holds in memory. */
  weigh?(take: WeighExchange): void;
}

/** @param cut ends that request: `overloaded` where there is no answer yet, else it is cut. Harmless when it is over. */
export type WeighExchange = (bytes: number, cut: () => void) => void;

/** Why a client's connection ends although nobody did wrong. */
export type ConnectionEnd = 'idle_timeout' | 'max_duration_reached' | 'max_requests_reached';

/** What a client's connection needs from the HTTP connection manager above it. */
export interface ExchangeSource {
  /** A new request begins. */
  newExchange(stream: DownstreamStream): RequestReceiver;
  /** A head was refused before there was a request: answers it through `stream`, where the reason has an answer, and writes the log line. */
  refuse(stream: DownstreamStream, reason: ReasonCode): void;
  /** True when every further answer should close its connection. */
  readonly draining: boolean;
  /** A limit of the connection was reached. */
  onLimit?(end: ConnectionEnd): void;
  /** Called exactly once. */
  onConnectionClosed(connection: ServerConnection): void;
}

/** A connection to an upstream host: one exchange at a time over HTTP/1, many over HTTP/2. */
export interface UpstreamConnection {
  readonly peerPrincipal: string;
  readonly localAddress: string;
  /** Exchanges begun so far. */
  readonly exchanges: number;
  /**
   * How many more exchanges can begin at this moment; 0 or less when none. For HTTP/2 the lesser of what the peer and the
   * cluster allow, less those in progress; for HTTP/1 1 or 0. Stays 0 once the connection ends after what it carries.
   */
  readonly capacity: number;
  /** What logs say of it; set by the pool. */
  link: UpstreamLink | undefined;
  /** The pool's own mark: whether the connection is among those that take exchanges. */
  listed: boolean;
  /** Takes the connection for one more exchange; only while `capacity` is above 0. */
  begin(receiver: ResponseReceiver): UpstreamStream;
  /** No exchange waits for it: it may end itself when it carries none and none comes in time. */
  rest(): void;
  /** No further exchange; those in progress may finish. */
  retire(): void;
  /** Ends now; exchanges in progress hear no more. */
  destroy(): void;
  onBytes(buffer: Buffer, start: number, end: number): void;
}

/** The pool's side of an upstream connection. */
export interface ConnectionKeeper {
  /** `capacity` is above 0 and was less a moment ago: an exchange is complete, or the peer allows more. */
  onReusable(connection: UpstreamConnection): void;
  /** No exchange can begin on it any more (GOAWAY, last request allowed), though some may be in progress. Optional to call before `onClosed`. */
  onExhausted(connection: UpstreamConnection): void;
  /** The connection is gone; called exactly once. */
  onClosed(connection: UpstreamConnection): void;
}

export interface UpstreamConnectionOptions {
  /** Exchanges on one connection; 0 = no limit. */
  readonly maxRequests: number;
  /** Without any exchange; 0 = no limit. */
  readonly idleTimeoutMs: number;
  /** From its begin until it takes no further exchange; 0 = no limit. */
  readonly maxDurationMs: number;
}
