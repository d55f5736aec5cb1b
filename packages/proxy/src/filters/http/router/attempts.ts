import type { HashPolicy, RetryPolicy } from '@weft/evaluator';
import type { Cluster } from '../../../upstream/cluster.ts';
import type { Host } from '../../../upstream/host.ts';
import type { LbAttempt } from '../../../upstream/lb/lb-policy.ts';
import type { OriginalHosts } from '../../../upstream/original-hosts.ts';
import { type AttemptOutcome, isOmitted, wantsRetry } from '../../../upstream/retry/retry-decision.ts';
import type { RoutedStream } from './routed-stream.ts';

const NO_HOSTS: ReadonlySet<Host> = new Set();

/** The attempts of one request: how many there were and at which hosts, where the next goes, and whether there may be one. */
export class Attempts implements LbAttempt {
  hashed = false;
  hashHigh = 0;
  hashLow = 0;
  /** A cookie to give to the client, for the hash of its next requests; empty when it needs none. */
  hashCookie = '';
  /** Those that have begun. */
  count = 0;
  /** Those that were to follow a failed one. */
  retries = 0;
  readonly #stream: RoutedStream;
  readonly #policy: RetryPolicy | undefined;
  readonly #cluster: Cluster;
  #tried: Set<Host> | undefined;
  /** The circuit counts a retry of this request. */
  #countsAsRetry = false;

  constructor(stream: RoutedStream, policy: RetryPolicy | undefined, cluster: Cluster) {
    this.#stream = stream;
    this.#policy = policy;
    this.#cluster = cluster;
  }

  /** @returns the host of the next one; undefined when there is none. */
  begin(): Host | undefined {
    this.count += 1;
    this.#stream.record.attempts = this.count;
    const { original } = this.#cluster;
    return original === undefined ? this.#cluster.pick(this) : this.#originalHost(original);
  }

  #originalHost(original: OriginalHosts): Host | undefined {
    const { downstream, head } = this.#stream;
    const { header } = original.options;
    return original.hostFor(downstream.connection, header === '' ? '' : (head?.get(header) ?? ''));
  }

  /** The last one did not happen. */
  takeBack(): void {
    this.count -= 1;
  }

  /**
   * Asks policy, limit and circuit for one more after this one.
   * @returns true when the circuit counts it from now on, until the next is asked for or `end`.
   */
  mayRetry(outcome: AttemptOutcome): boolean {
    const policy = this.#policy;
    if (policy === undefined || !wantsRetry(policy, this.#stream.method, outcome)) return false;
    if (this.retries >= policy.numRetries) {
      if (this.retries > 0) this.#stream.flag('URX');
      return false;
    }
    this.end();
    if (!this.#cluster.circuit.tryRetry()) {
      this.#stream.flag('UO');
      return false;
    }
    this.#countsAsRetry = true;
    return true;
  }

  onHostLeft(host: Host): void {
    if (this.#policy !== undefined) (this.#tried ??= new Set()).add(host);
  }

  end(): void {
    if (this.#countsAsRetry) this.#cluster.circuit.endRetry();
    this.#countsAsRetry = false;
  }

  // What the balancer asks.

  /** Takes what the route's policies find in the request. */
  hash(policies: readonly HashPolicy[]): void {
    const { requestHash } = this.#stream.manager;
    requestHash.evaluate(policies, this.#stream);
    this.hashed = requestHash.found;
    this.hashHigh = requestHash.high;
    this.hashLow = requestHash.low;
    this.hashCookie = requestHash.setCookie;
  }

  get tried(): ReadonlySet<Host> {
    return this.#tried ?? NO_HOSTS;
  }
  get repicks(): number {
    const policy = this.#policy;
    if (policy === undefined || this.#tried === undefined) return 0;
    return policy.avoidPreviousHosts || policy.omittedHosts.length > 0 ? policy.hostSelectionAttempts : 0;
  }
  rejects(host: Host): boolean {
    const policy = this.#policy;
    if (policy === undefined) return false;
    return (policy.avoidPreviousHosts && this.tried.has(host)) || isOmitted(policy, host.facts);
  }
  get failedAttempts(): number {
    return this.count - 1;
  }
  get otherPriorityEvery(): number {
    return this.#policy?.otherPriorityEvery ?? 0;
  }
  get boundTo(): string {
    return this.count > 1 ? '' : this.#stream.boundTo;
  }
  get boundStrictly(): boolean {
    return this.#stream.boundStrictly;
  }
}
