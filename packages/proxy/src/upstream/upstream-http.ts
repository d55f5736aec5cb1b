import type { Socket } from 'node:net';
import type { HeadLimits } from '../http1/head-parser.ts';
import type { H2Limits } from '../http2/connection/options.ts';

/** How HTTP is spoken to the hosts of a cluster. */
export interface UpstreamHttp {
  /** `downstream`: as the caller speaks; `auto`: as ALPN says. */
  readonly protocol: 'http1' | 'http2' | 'downstream' | 'auto';
  /** Over TLS, a host is asked for the name that the request asks for (`auto_sni`). */
  readonly autoSni: boolean;
  /** Over TLS, peers that no rule names have to be who was asked for. */
  readonly sanValidation: boolean;
  /** Without any exchange; 0 = no limit, for each of these. */
  readonly idleTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxConnectionDurationMs: number;
  /** Of answers. */
  readonly headLimits: HeadLimits;
  /** HTTP/1.1 hosts get trailers of requests that did not announce them. */
  readonly trailers: boolean;
  readonly http2: UpstreamHttp2;
  /** Another proxy of this mesh gets HTTP/1.1 in one connection of HTTP/2 (carried.ts), unless connections are limited or a rule says not to. */
  readonly carries: boolean;
  /** Sets TCP keepalive, where it is wanted. */
  readonly keepalive: ((socket: Socket) => void) | undefined;
}

export interface UpstreamHttp2 {
  readonly maxConcurrentStreams: number;
  /** Where they differ from ours. */
  readonly floods: Partial<H2Limits>;
  /** PING of ours; undefined = none. */
  readonly keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | undefined;
}
