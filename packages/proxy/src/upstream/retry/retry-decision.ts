import type { ReasonCode } from '@weft/contracts';
import type { RateLimitedBackoff, RequestFacts, RetryPolicy } from '@weft/evaluator';
import type { HeadView } from '../../head/head-view.ts';
import type { HostFacts } from '../host-facts.ts';

/** How one attempt went wrong, if it did. */
export type AttemptOutcome =
  | { readonly kind: 'failure'; readonly failure: ReasonCode; readonly anyByte: boolean }
  /** @property meshReason sent by another proxy of the mesh that answered in its application's place. */
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly head: HeadView;
      readonly meshReason: ReasonCode | undefined;
    };

// RFC 9110 §9.2.1: running one of these twice does no harm.
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
export const isSafeMethod = (method: string): boolean => SAFE_METHODS.has(method);

const CONNECT_FAILURES: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'upstream-connect-failure',
  'upstream-connect-timeout',
  'upstream-tls-failure',
  'upstream-identity-mismatch',
]);
const REFUSALS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'draining',
  'overloaded',
  'too-many-connections',
  'config-not-ready',
  'upstream-refused-stream',
]);
const RESETS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'upstream-closed',
  'upstream-reset',
  'upstream-protocol-error',
]);

const GRPC_CONDITIONS: ReadonlyMap<string, string> = new Map([
  ['1', 'cancelled'],
  ['4', 'deadline-exceeded'],
  ['8', 'resource-exhausted'],
  ['13', 'internal'],
  ['14', 'unavailable'],
]);

/** Whether an answer can be one that a policy wants to try again; false for nearly all, and cheap. */
export const mayAskForRetry = ({ looksAtSuccess }: RetryPolicy, status: number, head: HeadView): boolean =>
  status >= 400 || (looksAtSuccess === 'all' ? true : looksAtSuccess === 'grpc' && head.has('grpc-status'));

/** Whether the policy wants another attempt after this one. Limits and budgets are the caller's. */
export function wantsRetry(policy: RetryPolicy, method: string, outcome: AttemptOutcome): boolean {
  return outcome.kind === 'failure'
    ? afterFailure(policy, method, outcome.failure)
    : afterResponse(policy, method, outcome);
}

function afterFailure({ retryOn }: RetryPolicy, method: string, failure: ReasonCode): boolean {
  if (failure === 'upstream-overflow') return false;
  const noResponse = retryOn.has('5xx') || retryOn.has('gateway-error') || retryOn.has('reset');
  if (CONNECT_FAILURES.has(failure))
    return noResponse || retryOn.has('connect-failure') || retryOn.has('reset-before-request');
  if (REFUSALS.has(failure)) return noResponse || retryOn.has('refused-stream');
  if (RESETS.has(failure)) return noResponse || (retryOn.has('weft-safe-reset') && isSafeMethod(method));
  if (failure === 'per-try-timeout') return noResponse;
  return false;
}

function afterResponse(
  policy: RetryPolicy,
  method: string,
  outcome: Extract<AttemptOutcome, { kind: 'response' }>,
): boolean {
  const { retryOn, retriableStatusCodes, retriableHeaders } = policy;
  const { status, head, meshReason } = outcome;
  if (head.has('x-envoy-overloaded')) return false;
  // Who is told to come less often must not come again at once, unless the policy says that it is meant to.
  if (head.has('x-envoy-ratelimited')) return retryOn.has('envoy-ratelimited');
  // A sidecar's answer counts as what made it answer: a refused connection behind it is a refused connection.
  if (meshReason !== undefined && afterFailure(policy, method, meshReason)) return true;
  if (status >= 500 && retryOn.has('5xx')) return true;
  if (status >= 502 && status <= 504 && retryOn.has('gateway-error')) return true;
  if (status === 409 && retryOn.has('retriable-4xx')) return true;
  if (retriableStatusCodes.has(status) && retryOn.has('retriable-status-codes')) return true;
  if (retriableHeaders.length > 0 && retryOn.has('retriable-headers') && matchesHeaders(policy, status, head))
    return true;
  const grpcStatus = head.get('grpc-status');
  const condition = grpcStatus === undefined ? undefined : GRPC_CONDITIONS.get(grpcStatus);
  return condition !== undefined && retryOn.has(condition);
}

function matchesHeaders({ retriableHeaders }: RetryPolicy, status: number, head: HeadView): boolean {
  const facts: RequestFacts = {
    method: '',
    path: '',
    query: '',
    authority: '',
    scheme: '',
    header: (name) => (name === ':status' ? String(status) : head.get(name)),
  };
  return retriableHeaders.some((test) => test(facts));
}

/** Whether retries leave this host to others. */
export const isOmitted = ({ omittedHosts }: RetryPolicy, { lbMetadata }: HostFacts): boolean =>
  omittedHosts.some((match) => Object.entries(match).every(([key, value]) => lbMetadata[key] === value));

const MAX_RESET_FACTOR = 1.5;

/** The wait that the upstream asked for, up to half as long again so that not all come back at once; undefined when it asked for none. */
export function resetWaitMs(
  { headers, maxIntervalMs }: RateLimitedBackoff,
  head: HeadView,
  { timers, random }: { readonly timers: { now(): number }; readonly random: { next(): number } },
): number | undefined {
  for (const { name, format } of headers) {
    const value = Number(head.get(name));
    if (!Number.isFinite(value) || value <= 0) continue;
    const waitMs = format === 'seconds' ? value * 1000 : value * 1000 - timers.now();
    if (waitMs <= 0 || waitMs > maxIntervalMs) continue;
    return Math.round(waitMs * (1 + random.next() * (MAX_RESET_FACTOR - 1)));
  }
  return undefined;
}

/** Full jitter: retry `n` (from 1) waits a uniform time up to (2^n - 1) × base, capped. */
export function backoffMs(
  { baseIntervalMs, maxIntervalMs }: RetryPolicy,
  retry: number,
  random: { next(): number },
): number {
  return Math.round(random.next() * Math.min(maxIntervalMs, (2 ** retry - 1) * baseIntervalMs));
}
