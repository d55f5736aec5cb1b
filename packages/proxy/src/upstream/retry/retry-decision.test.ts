import type { RetryPolicy } from '@weft/evaluator';
import { describe, expect, it } from 'vitest';
import { FieldsHead } from '../../head/fields-head.ts';
import { type AttemptOutcome, backoffMs, wantsRetry } from './retry-decision.ts';

const policy = (retryOn: string, more: Partial<RetryPolicy> = {}): RetryPolicy => ({
  retryOn: new Set(retryOn.split(',')),
  numRetries: 2,
  perTryTimeoutMs: undefined,
  perTryIdleTimeoutMs: undefined,
  baseIntervalMs: 25,
  maxIntervalMs: 250,
  retriableStatusCodes: new Set(),
  retriableHeaders: [],
  avoidPreviousHosts: false,
  hostSelectionAttempts: 1,
  otherPriorityEvery: 0,
  rateLimited: undefined,
  looksAtSuccess: 'no',
  ...more,
});
type Failure = Extract<AttemptOutcome, { kind: 'failure' }>['failure'];
const failure = (reason: Failure): AttemptOutcome => ({ kind: 'failure', failure: reason, anyByte: false });
const response = (status: number, meshReason?: Failure, headers: Record<string, string> = {}): AttemptOutcome => {
  const head = FieldsHead.response(status);
  for (const [name, value] of Object.entries(headers)) head.add(name, value);
  return { kind: 'response', status, head, meshReason };
};
const DEFAULT = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,weft-safe-reset';

describe('wantsRetry', () => {
  it.each([
    // The default policy: what was surely not run is run again, what may have been run only if that does no harm.
    [DEFAULT, 'POST', failure('upstream-connect-failure'), true],
    [DEFAULT, 'POST', failure('upstream-connect-timeout'), true],
    [DEFAULT, 'POST', failure('upstream-reset'), false],
    [DEFAULT, 'GET', failure('upstream-reset'), true],
    [DEFAULT, 'GET', failure('upstream-overflow'), false],
    [DEFAULT, 'GET', response(503), false],
    [DEFAULT, 'POST', response(503, 'upstream-connect-failure'), true],
    [DEFAULT, 'POST', response(503, 'upstream-closed'), false],
    [DEFAULT, 'GET', response(503, 'upstream-closed'), true],
    [DEFAULT, 'POST', response(503, 'draining'), true],
    [DEFAULT, 'GET', response(403, 'rbac-denied'), false],
    [DEFAULT, 'GET', response(404, 'no-route'), false],
    [DEFAULT, 'POST', response(200, undefined, { 'grpc-status': '14' }), true],
    [DEFAULT, 'POST', response(200, undefined, { 'grpc-status': '0' }), false],
    ['5xx', 'POST', response(500), true],
    ['5xx', 'POST', failure('upstream-reset'), true],
    ['5xx', 'POST', response(503, undefined, { 'x-envoy-overloaded': 'true' }), false],
    ['5xx', 'POST', failure('per-try-timeout'), true],
    ['gateway-error', 'GET', response(500), false],
    ['gateway-error', 'GET', response(504), true],
    ['retriable-4xx', 'GET', response(409), true],
    ['retriable-4xx', 'GET', response(404), false],
    ['reset', 'POST', failure('upstream-closed'), true],
    ['reset-before-request', 'POST', failure('upstream-closed'), false],
  ] as const)('%s, %s, %j: %s', (retryOn, method, outcome, wanted) => {
    expect(wantsRetry(policy(retryOn), method, outcome)).toBe(wanted);
  });

  it('looks at listed status codes', () => {
    expect(
      wantsRetry(policy('retriable-status-codes', { retriableStatusCodes: new Set([418]) }), 'GET', response(418)),
    ).toBe(true);
  });
});

describe('backoffMs', () => {
  it('is uniform up to a doubling limit with a cap', () => {
    const highest = { next: () => 1 };
    expect([1, 2, 3, 4, 10].map((n) => backoffMs(policy(''), n, highest))).toEqual([25, 75, 175, 250, 250]);
    expect(backoffMs(policy(''), 3, { next: () => 0 })).toBe(0);
  });
});
