/** Limits of one cluster; `Infinity` stands for none. */
export interface CircuitLimits {
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly maxRequests: number;
  /** Retries at one time. */
  readonly maxRetries: number;
  /** When given, it replaces `maxRetries`: share of the requests in flight, and a floor. */
  readonly retryBudget: { readonly percent: number; readonly minConcurrency: number } | undefined;
}

// Envoy's defaults where a cluster says nothing; Istio always says something.
export const DEFAULT_CIRCUIT_LIMITS: CircuitLimits = {
  maxConnections: 1024,
  maxPending: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: undefined,
};

const CONNECTIONS = 0;
const PENDING = 1;
const REQUESTS = 2;
const RETRIES = 3;

/** Envoy's names; by its own count a request too many was pending. */
const OVERFLOW_COUNTERS = [
  'upstream_cx_overflow',
  'upstream_rq_pending_overflow',
  'upstream_rq_pending_overflow',
  'upstream_rq_retry_overflow',
] as const;
export type OverflowCounter = (typeof OVERFLOW_COUNTERS)[number];

/** What is in flight to one cluster, in shared memory, so that workers can count together. */
export class Circuit {
  limits: CircuitLimits;
  readonly #counts = new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));

  readonly #onOverflow: ((counter: OverflowCounter) => void) | undefined;

  /** @param onOverflow called with the name of what is counted, each time that a limit says no. */
  constructor(limits: CircuitLimits, onOverflow?: (counter: OverflowCounter) => void) {
    this.limits = limits;
    this.#onOverflow = onOverflow;
  }

  get connections(): number {
    return this.#counts[CONNECTIONS] ?? 0;
  }
  get pending(): number {
    return this.#counts[PENDING] ?? 0;
  }
  get requests(): number {
    return this.#counts[REQUESTS] ?? 0;
  }
  get retries(): number {
    return this.#counts[RETRIES] ?? 0;
  }

  tryRequest(): boolean {
    return this.#tryAdd(REQUESTS, this.limits.maxRequests);
  }
  tryPending(): boolean {
    return this.#tryAdd(PENDING, this.limits.maxPending);
  }
  tryConnection(): boolean {
    return this.#tryAdd(CONNECTIONS, this.limits.maxConnections);
  }
  /** A host without any connection gets one, whatever the limit says. */
  forceConnection(): void {
    Atomics.add(this.#counts, CONNECTIONS, 1);
  }
  tryRetry(): boolean {
    const { retryBudget, maxRetries } = this.limits;
    const limit =
      retryBudget === undefined
        ? maxRetries
        : Math.max(retryBudget.minConcurrency, Math.floor((this.requests * retryBudget.percent) / 100));
    return this.#tryAdd(RETRIES, limit);
  }

  endRequest(): void {
    Atomics.sub(this.#counts, REQUESTS, 1);
  }
  endPending(): void {
    Atomics.sub(this.#counts, PENDING, 1);
  }
  endConnection(): void {
    Atomics.sub(this.#counts, CONNECTIONS, 1);
  }
  endRetry(): void {
    Atomics.sub(this.#counts, RETRIES, 1);
  }

  #tryAdd(index: number, limit: number): boolean {
    if (Atomics.add(this.#counts, index, 1) < limit) return true;
    Atomics.sub(this.#counts, index, 1);
    this.#onOverflow?.(OVERFLOW_COUNTERS[index] ?? 'upstream_rq_pending_overflow');
    return false;
  }
}
