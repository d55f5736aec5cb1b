/** The hosts of a cluster, from EDS, DNS or the cluster itself. */
export interface Endpoints {
  readonly hosts: readonly HostFacts[];
  /** 140 = a priority is taken to manage with 72 % of its hosts. */
  readonly overprovisioningPercent: number;
}

export const DEFAULT_OVERPROVISIONING_PERCENT = 140;

/** What EDS, DNS or the cluster itself says about one address. */
export interface HostFacts {
  readonly address: string;
  /** 0 with a Unix socket path as address. */
  readonly port: number;
  readonly hostname: string;
  /** At least 1. */
  readonly weight: number;
  /** 0 is tried first. */
  readonly priority: number;
  /** What discovery says of it; checks and detection of our own come on top. */
  readonly health: 'healthy' | 'degraded' | 'unhealthy' | 'draining';
  readonly locality: string;
  /** Of all of its locality; 0 = none given. */
  readonly localityWeight: number;
  /** Endpoint metadata `envoy.lb`. */
  readonly lbMetadata: Readonly<Record<string, unknown>>;
  /** Endpoint metadata `envoy.lb.hash_key`: what stands for it on a ring; empty = its address. */
  readonly hashKey: string;
  /** Endpoint metadata `envoy.transport_socket_match`. */
  readonly transportMatch: Readonly<Record<string, unknown>>;
  /** Endpoint metadata `istio.workload`. */
  readonly workload: string;
  /** All of the endpoint's metadata, by namespace. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Nothing is known of it but its address. */
export const plainHost = (address: string, port: number): HostFacts => ({
  address,
  port,
  hostname: '',
  weight: 1,
  priority: 0,
  health: 'healthy',
  locality: '',
  localityWeight: 0,
  lbMetadata: {},
  hashKey: '',
  transportMatch: {},
  workload: '',
  metadata: {},
});

/** "address:port", as logs and the admin page show it. */
export const hostName = (facts: Pick<HostFacts, 'address' | 'port'>): string =>
  facts.address.includes(':') ? `[${facts.address}]:${facts.port}` : `${facts.address}:${facts.port}`;
