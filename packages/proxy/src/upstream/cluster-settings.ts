import type { LbSettings } from './lb/balancer.ts';
import type { CircuitLimits } from './circuit.ts';
import type { HostFacts } from './host-facts.ts';
import type { HealthCheckSettings } from './health/health-check-settings.ts';
import type { OutlierSettings } from './outlier/outlier-settings.ts';
import type { Socket } from 'node:net';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import type { Speaks } from './pool/speaks.ts';

/** How HTTP is spoken to the hosts of a cluster. */
export interface UpstreamHttp {
  /** `downstream`: as the caller speaks; `auto`: as ALPN says. */
  readonly protocol: 'http1' | 'http2' | 'downstream' | 'auto';
  /** Without any exchange; 0 = no limit, for each of these. */
  readonly idleTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxConnectionDurationMs: number;
  /** HTTP/1.1 hosts get trailers of requests that did not announce them. */
  readonly trailers: boolean;
  readonly http2: UpstreamHttp2;
  /** Another proxy of this mesh gets HTTP/1.1 in one connection of HTTP/2 (carried.ts), unless connections are limited. */
  readonly carries: boolean;
  /** Sets TCP keepalive, where it is wanted. */
  readonly keepalive: ((socket: Socket) => void) | undefined;
}

export interface UpstreamHttp2 {
  readonly maxConcurrentStreams: number;
  /** PING of ours; undefined = none. */
  readonly keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | undefined;
}

export type Discovery = 'eds' | 'static' | 'dns' | 'original-dst';

/** One way to speak to hosts; the first whose labels a host has is taken. */
export interface TransportChoice {
  readonly match: Readonly<Record<string, unknown>>;
  /** undefined = plain. */
  readonly tls: Readonly<Record<Speaks | 'tcp', UpstreamTls>> | undefined;
}

/** Hosts of the callers' own choice. */
export interface OriginalHostsOptions {
  /** A request's header that names "address:port" instead; empty = none. */
  readonly header: string;
  /** A host that nobody used for so long is forgotten. */
  readonly cleanupMs: number;
}

/** What a cluster resource says, compiled. Immutable; an update brings another one. */
export interface ClusterSettings {
  readonly name: string;
  readonly discovery: Discovery;
  /** Name under which endpoints are looked up. */
  readonly edsName: string;
  readonly lb: LbSettings;
  readonly connectTimeoutMs: number;
  readonly http: UpstreamHttp;
  readonly circuit: CircuitLimits;
  /** undefined = nobody is taken out. */
  readonly outlier: OutlierSettings | undefined;
  readonly healthCheck: HealthCheckSettings | undefined;
  readonly transports: readonly TransportChoice[];
  /** Hosts of the cluster resource itself; names to resolve with `dns`. */
  readonly staticHosts: readonly HostFacts[];
  readonly dnsRefreshMs: number;
  readonly sourceAddress: string | undefined;
  /** With `original-dst`: how hosts come about. */
  readonly original: OriginalHostsOptions | undefined;
  /** `istio.services[0]` of the metadata. */
  readonly serviceHost: string;
  readonly serviceName: string;
  readonly serviceNamespace: string;
  /** Equal texts mean that connections of one may serve the other; else new ones are made, by the new limits. */
  readonly transportFingerprint: string;
}
