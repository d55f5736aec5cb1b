import type { DownstreamConnection } from './http/streams.ts';
import type { WireMeter } from './http/wire-meter.ts';
import { type FlagSet, NO_FLAGS } from './response-flags.ts';
import type { UpstreamLink } from './upstream/upstream-link.ts';

export type Direction = 'inbound' | 'outbound' | 'gateway';
export type Protocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | 'TCP';

/** One try to reach a host. */
export interface Attempt {
  /** "address:port", and its name where its endpoint has one. */
  readonly host: string;
  readonly hostname: string;
  readonly beganMs: number;
  /** Of the connection that took it; 0 while none has. */
  connectionId: number;
}

/** Filter metadata by namespace. */
export type Metadata = Readonly<Record<string, unknown>>;

/** What configuration says of those that took part. */
export interface RecordMetadata {
  route: Metadata | undefined;
  cluster: Metadata | undefined;
  host: Metadata | undefined;
}

/**
 * All that logs, metrics and spans read of one request or TCP connection. Plain and mutable: the data path fills it in
 * as things become known, and hands it out once at the end. Empty string and 0 mean "not known".
 */
export class RequestRecord {
  /** Epoch milliseconds at the first byte of the head. */
  startMs = 0;
  direction: Direction = 'outbound';
  listener = '';
  protocol: Protocol = 'HTTP/1.1';
  method = '';
  /** As received, with query. */
  path = '';
  authority = '';
  scheme: 'http' | 'https' = 'http';
  /** Status sent downstream; 0 when none was. */
  code = 0;
  flags: FlagSet = NO_FLAGS;
  /** How a gRPC call ended; -1 when it is none, 17 when no status came. */
  grpcStatus = -1;
  /** Envoy's response code details, for example `via_upstream`. */
  details = '';
  /** Weft's reason code (contracts/src/reasons.ts) when the mesh itself answered; empty when the application did. */
  reason = '';
  connectionTermination = '';
  upstreamTransportFailure = '';
  downstreamTransportFailure = '';
  /** The client's connection; what it is like is read when a log asks. */
  connection: DownstreamConnection | undefined = undefined;
  /** The connection of the last attempt that got one. */
  upstreamLink: UpstreamLink | undefined = undefined;
  /** Body bytes, without heads and framing. */
  requestBytes = 0;
  responseBytes = 0;
  /** Messages of gRPC; 0 for everything else. */
  requestMessages = 0;
  responseMessages = 0;
  /** Whole exchange. */
  durationMs = 0;
  /** From the first byte sent upstream to the response head; -1 when there was none. */
  upstreamMs = -1;
  /** Since the first byte: when the request was here whole, and when it was first sent on; -1 = never. */
  requestEndMs = -1;
  upstreamSentMs = -1;
  routeName = '';
  /** Decorator operation of the route, for the span's name. */
  operation = '';
  cluster = '';
  /** "address:port" of the host of the last attempt. */
  upstreamHost = '';
  /** Name of the host, where its endpoint has one. */
  upstreamHostName = '';
  upstreamLocalAddress = '';
  downstreamRemoteAddress = '';
  /** The client as trusted X-Forwarded-For tells, where that is not who connected. As it was written there. */
  forwardedClient = '';
  downstreamLocalAddress = '';
  requestedServerName = '';
  /** Peer identities, as SPIFFE URIs; empty on plain connections. */
  sourcePrincipal = '';
  destinationPrincipal = '';
  /** "name;namespace;canonical service;revision;cluster" of the chosen endpoint. */
  destinationWorkload = '';
  /** The caller in the same form, for inbound requests of mesh peers. */
  sourceWorkload = '';
  mutualTls = false;
  /** Of the client's certificate. */
  peerSubject = '';
  peerFingerprint = '';
  requestId = '';
  /** Set by the tracer for sampled requests. */
  traceId = '';
  /** Of the span that this request is, in its trace. */
  spanId = '';
  forwardedFor = '';
  userAgent = '';
  /** Attempts made upstream, the first included. */
  attempts = 0;
  /** What the proxy answered by itself. */
  localReply = '';
  /** What follows is there where the access log asked for it. */
  requestHeaders: ReadonlyMap<string, string> | undefined = undefined;
  responseHeaders: ReadonlyMap<string, string> | undefined = undefined;
  responseTrailers: ReadonlyMap<string, string> | undefined = undefined;
  downstreamWire: WireMeter | undefined = undefined;
  upstreamWire: WireMeter | undefined = undefined;
  triedHosts: Attempt[] | undefined = undefined;
  /** From the last attempt's begin until there was a connection for it; -1 = there was none. */
  poolReadyMs = -1;
  metadata: RecordMetadata | undefined = undefined;
}
