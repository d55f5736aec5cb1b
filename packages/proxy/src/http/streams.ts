// One HTTP exchange seen from the two sides of the proxy, whatever protocol carries it. A codec implements the `Stream`
// of its side and calls the `Receiver`. Bytes handed to a method or a callback are valid during the call only.
import type { HeadView } from '../head/head-view.ts';
import type { ReasonCode } from '@weft/contracts';
import type { TransportFacts } from '../tls/transport-facts.ts';
import type { WireMeter } from './wire-meter.ts';

/** Facts about a downstream connection that every request on it shares. */
export interface DownstreamConnection {
  /** 1 and up; 0 for those that nobody counts. */
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Who connected: differs from `remoteAddress` where a proxy in front told of its client. */
  readonly directAddress: string;
  readonly directPort: number;
  /** Where the client was going, also when it was redirected here. */
  readonly localAddress: string;
  readonly localPort: number;
  /** Where the connection ended: differs from `localAddress` where it was redirected. */
  readonly directLocalAddress: string;
  readonly directLocalPort: number;
  readonly redirected?: boolean;
  /** Set when one is chosen. */
  filterChain: string;
  /** Where a log asks for it; undefined for plain connections. */
  readonly transport?: TransportFacts | undefined;
  readonly secure: boolean;
  /** SPIFFE URI of the verified peer; empty when there is none. */
  readonly peerPrincipal: string;
  /** URI of the certificate shown to the peer. */
  readonly ownPrincipal: string;
  /** SHA-256 of the peer's certificate in lower-case hex, and its subject; empty without one. */
  readonly peerFingerprint: string;
  readonly peerSubject: string;
  readonly requestedServerName: string;
  /** Who the peer says it is (`PeerExchange`), remembered for the requests that follow; empty until told. */
  peerWorkload: string;
  /** Stands for identity and workload of the peer; changes with the latter. */
  peerKey: string;
  /** Tells who let the client in that the connection had to be closed for a flood. */
  readonly abuse?: (() => void) | undefined;
}

export interface DownstreamStream {
  readonly connection: DownstreamConnection;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** Bytes are counted into this from here on; before the first of the answer. */
  meter(into: WireMeter): void;
  /** A 1xx answer; the final one follows. */
  sendInformational(head: HeadView): void;
  /** The head waits to be written with the first data; call `flush` when none follows at once. */
  sendHead(status: number, head: HeadView, end: boolean): void;
  sendData(buffer: Buffer, start: number, end: number, last: boolean): void;
  /** Ends the message with trailers; a protocol or a peer that takes none gets the end without them. */
  sendTrailers(trailers: HeadView): void;
  flush(): void;
  /**
   * Request data and trailers stop (bytes stay in the kernel, or within the window) and go on: while paused neither is
   * called. Both may be called twice.
   */
  pauseRequest(): void;
  resumeRequest(): void;
  /** True when so much is queued for the client that no more should be fetched for it; `onDownstreamWritable` follows. */
  readonly congested: boolean;
  /** After a 101: bytes both ways without framing. */
  startTunnel(): void;
  /** Ends the exchange so that the client sees it was cut. */
  abort(): void;
}

export interface RequestReceiver {
  /** @param head valid until the exchange is over. */
  onRequestHead(head: HeadView, last: boolean): void;
  onRequestData(buffer: Buffer, start: number, end: number, last: boolean): void;
  /** The end of a message that has trailers: no data was `last`. @param trailers valid during the call. */
  onRequestTrailers(trailers: HeadView): void;
  /** The bytes that had arrived are used up, and more of the request is to come. */
  onRequestPause(): void;
  onDownstreamWritable(): void;
  /** The client went away, or what it sent of the body was not valid; nothing more can be sent to it when the reply of `reason` has status 0. */
  onRequestAborted(reason: ReasonCode): void;
  /** Everything of this exchange is with the kernel or gone; called exactly once. */
  onExchangeOver(): void;
  /** Kept of the request, beside what the stream holds. */
  readonly heldBytes?: number;
}

/** Why an upstream exchange ended before its response did. */
export type UpstreamFailure = Extract<
  ReasonCode,
  | 'upstream-connect-failure'
  | 'upstream-connect-timeout'
  | 'upstream-tls-failure'
  | 'upstream-identity-mismatch'
  | 'upstream-closed'
  | 'upstream-reset'
  | 'upstream-refused-stream'
  | 'upstream-protocol-error'
  | 'upstream-overflow'
>;

export interface UpstreamStream {
  readonly peerPrincipal: string;
  readonly localAddress: string;
  /** True when this connection served other requests before: a reset may then mean that it was closed while idle. */
  readonly reused: boolean;
  /** Bytes are counted into this; before the head. */
  meter(into: WireMeter): void;
  /** The head waits to be written with the first data; call `flush` when none follows at once. */
  sendHead(head: HeadView, last: boolean): void;
  sendData(buffer: Buffer, start: number, end: number, last: boolean): void;
  /** Ends the message with trailers; a protocol or a peer that takes none gets the end without them. */
  sendTrailers(trailers: HeadView): void;
  flush(): void;
  /** Data and trailers of the response stop, once what was read already was handed on, and go on, as `pauseRequest` says. */
  pauseResponse(): void;
  resumeResponse(): void;
  readonly congested: boolean;
  startTunnel(): void;
  /** Nothing more of this exchange is wanted; no callback follows. */
  cancel(): void;
}

export interface ResponseReceiver {
  onInformational(head: HeadView): void;
  /** @param head valid during the call. */
  onResponseHead(status: number, head: HeadView, last: boolean): void;
  onResponseData(buffer: Buffer, start: number, end: number, last: boolean): void;
  /** The end of a message that has trailers: no data was `last`. @param trailers valid during the call. */
  onResponseTrailers(trailers: HeadView): void;
  onResponsePause(): void;
  onUpstreamWritable(): void;
  /** @param anyByte whether a byte of the response had come. */
  onUpstreamFailed(failure: UpstreamFailure, detail: string, anyByte: boolean): void;
}
