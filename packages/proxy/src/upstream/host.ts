import { type HostFacts, hostName } from './host-facts.ts';
import type { HostPool } from './pool/host-pool.ts';

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
