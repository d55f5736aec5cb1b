import type { RouteMatch, RouteTable } from '@weft/evaluator';
import type { Direction } from '../../request-record.ts';
import type { TracingSettings } from '../../ports.ts';
import type { TargetRules } from '../../http1/framing.ts';
import type { HeadLimits } from '../../http1/head-parser.ts';
import type { H2Limits } from '../../http2/connection/options.ts';
import type { HttpFilter } from './http-filter.ts';

export type CertForwarding = 'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only';

export interface DownstreamHttp2 {
  readonly limits: H2Limits;
  /** Extended CONNECT (RFC 8441) is offered. */
  readonly connectProtocol: boolean;
}

/** What an HttpConnectionManager message says, compiled. */
export interface HcmSettings {
  readonly listener: string;
  readonly direction: Direction;
  readonly statPrefix: string;
  /** The client's address is that of the connection: true at the edge. */
  readonly useRemoteAddress: boolean;
  readonly trustedHops: number;
  readonly skipXffAppend: boolean;
  readonly certForwarding: CertForwarding;
  readonly certDetails: { readonly subject: boolean; readonly uri: boolean };
  readonly generateRequestId: boolean;
  readonly preserveRequestId: boolean;
  readonly requestIdInResponse: boolean;
  readonly serverName: string;
  readonly serverHeader: 'overwrite' | 'append-if-absent' | 'pass-through';
  readonly via: string;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'unescape-and-redirect' | 'unescape-and-forward';
  readonly stripPort: 'no' | 'matching' | 'any';
  /** What happens to requests that have header names with `_`. */
  readonly underscores: 'allow' | 'reject' | 'drop';
  readonly limits: HeadLimits;
  /** Of a request's body, for another attempt. */
  readonly keptBytes: number;
  /** After so long, or so many requests, a connection drains; 0 = no limit, for both. */
  readonly maxConnectionMs: number;
  readonly maxRequestsPerConnection: number;
  /** 0 = none, for each of these. */
  readonly idleTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** For routes that do not say. */
  readonly maxStreamDurationMs: number;
  readonly headersTimeoutMs: number;
  readonly lingerMs: number;
  /** HTTP/1.1 clients get trailers without having asked for them. */
  readonly trailers: boolean;
  readonly target: TargetRules;
  /** `auto`: by ALPN, else by the first bytes. */
  readonly codec: 'auto' | 'http1' | 'http2';
  readonly http2: DownstreamHttp2;
  /** `100 Continue` is for the upstream to say; else it is said here as soon as the filters let a request through. */
  readonly forwardContinue: boolean;
  /** Lower-case upgrade types that are allowed unless the route says no. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly tracing: TracingSettings | undefined;
  readonly suppressEnvoyHeaders: boolean;
}

/** The routes of one connection manager with the filter chain that each outcome gets. Swapped whole. */
export interface HcmRoutes {
  readonly table: RouteTable<unknown> | undefined;
  /** By `RouteMatch.index`. */
  readonly chains: readonly (readonly HttpFilter[])[];
  /** For requests that match no route: filters come before the 404. */
  readonly unroutedChain: readonly HttpFilter[];
  readonly slots: number;
}

export const NO_ROUTES: HcmRoutes = { table: undefined, chains: [], unroutedChain: [], slots: 0 };
export type Outcome = RouteMatch<unknown>;
