import { takeBelow } from '../shared/take-below.ts';

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

export const CIRCUIT_CELLS = 4;

/** What is in flight to one cluster, in cells that all workers count in. */
export class Circuit {
  limits: CircuitLimits;
  readonly #counts: Int32Array;
  readonly #onOverflow: ((counter: OverflowCounter) => void) | undefined;

  /** @param onOverflow called with the name of what is counted, each time that a limit says no. */
  constructor(
    limits: CircuitLimits,
    onOverflow?: (counter: OverflowCounter) => void,
    cells: Int32Array = new Int32Array(CIRCUIT_CELLS),
  ) {
    this.limits = limits;
    this.#onOverflow = onOverflow;
    this.#counts = cells;
  }

  get connections(): number {
    return Atomics.load(this.#counts, CONNECTIONS);
  }
  get pending(): number {
    return Atomics.load(this.#counts, PENDING);
  }
  get requests(): number {
    return Atomics.load(this.#counts, REQUESTS);
  }
  get retries(): number {
    return Atomics.load(this.#counts, RETRIES);
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
  /** A host without any connection gets one, whatever the limit says; with workers, in each of them. */
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
    if (takeBelow(this.#counts, index, limit) >= 0) return true;
    this.#onOverflow?.(OVERFLOW_COUNTERS[index] ?? 'upstream_rq_pending_overflow');
    return false;
  }
}
