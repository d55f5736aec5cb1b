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
  readonly healthy: boolean;
  readonly locality: string;
  /** Endpoint metadata `envoy.transport_socket_match`. */
  readonly transportMatch: Readonly<Record<string, unknown>>;
  /** Endpoint metadata `istio.workload`. */
  readonly workload: string;
}

/** "address:port", as logs and the admin page show it. */
export const hostName = (facts: Pick<HostFacts, 'address' | 'port'>): string =>
  facts.address.includes(':') ? `[${facts.address}]:${facts.port}` : `${facts.address}:${facts.port}`;
