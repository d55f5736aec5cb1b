import type { LbSettings } from './lb/balancer.ts';
import type { CircuitLimits } from './circuit.ts';
import type { HostFacts } from './host-facts.ts';
import type { HealthCheckSettings } from './health/health-check-settings.ts';
import type { OutlierSettings } from './outlier/outlier-settings.ts';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import type { Speaks } from './pool/speaks.ts';
import type { UpstreamHttp } from './upstream-http.ts';

export type Discovery = 'eds' | 'static' | 'dns' | 'original-dst';

/** One way to speak to hosts; the first whose labels a host has is taken. */
export interface TransportChoice {
  readonly match: Readonly<Record<string, unknown>>;
  /** undefined = plain. */
  readonly tls: Readonly<Record<Speaks | 'tcp', UpstreamTls>> | undefined;
  /** Connections begin with the PROXY header of this version. */
  readonly proxyProtocol: 1 | 2 | undefined;
}

/** Hosts of the callers' own choice. */
export interface OriginalHostsOptions {
  /** A request's header that names "address:port" instead; empty = none. */
  readonly header: string;
  /** Goes before the port of the destination, also of one that the header names. */
  readonly port: number | undefined;
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
  /** What may wait for a host on one connection; undefined = Node's choice. */
  readonly bufferBytes: number | undefined;
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
  /** The whole of it, by namespace. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Equal texts mean that connections of one may serve the other; else new ones are made, by the new limits. */
  readonly transportFingerprint: string;
}
