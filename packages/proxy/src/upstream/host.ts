import type { HostPool } from './pool/host-pool.ts';

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

/** One live upstream address. It survives updates of its cluster as long as its address stays. */
export class Host {
  /** "address:port", as logs and the admin page show it. */
  readonly name: string;
  facts: HostFacts;
  /** Requests in flight; what least-request compares. */
  activeRequests = 0;
  totalRequests = 0;
  failedRequests = 0;
  connectFailures = 0;
  /** Made on first use. */
  pool: HostPool | undefined;
  /** Statistics slots by peer identity, see request-slots.ts. */
  readonly slots = new Map<string, number>();

  constructor(facts: HostFacts) {
    this.facts = facts;
    this.name = hostName(facts);
  }
}

export const hostName = (facts: Pick<HostFacts, 'address' | 'port'>): string =>
  facts.address.includes(':') ? `[${facts.address}]:${facts.port}` : `${facts.address}:${facts.port}`;
