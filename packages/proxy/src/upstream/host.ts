import { type HostFacts, hostName } from './host-facts.ts';
import type { OutlierCounts } from './outlier/outlier-counts.ts';
import type { HostPools } from './pool/host-pools.ts';

/** Whether a host gets traffic: degraded ones only what the healthy ones of all priorities can not take. */
export type Availability = 'healthy' | 'degraded' | 'unhealthy';

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
  timedOutRequests = 0;
  /** Connections begun for HTTP, also those that failed. */
  totalConnections = 0;
  /** Made on first use. */
  pool: HostPools | undefined;
  /** Statistics slots by peer identity, see request-slots.ts. */
  readonly slots = new Map<string, number>();
  /** When it came or became healthy: slow start begins there. */
  inServiceSinceMs: number;
  /** What its cluster's outlier detection knows of it; undefined until it counted something. */
  outlier: OutlierCounts | undefined;
  /** Taken out by outlier detection. */
  ejected = false;
  /** Taken out by active health checks. */
  checkFailed = false;
  /** No health check has had an answer yet, while others of its cluster have. */
  checkPending = false;

  constructor(facts: HostFacts, nowMs = 0) {
    this.facts = facts;
    this.name = hostName(facts);
    this.inServiceSinceMs = nowMs;
  }

  get availability(): Availability {
    const { health } = this.facts;
    if (this.ejected || this.checkFailed || this.checkPending || health === 'unhealthy' || health === 'draining')
      return 'unhealthy';
    return health;
  }
}
