import type { RetryPolicy } from '@weft/evaluator';
import { describe, expect, it } from 'vitest';
import { FieldsHead } from '../../head/fields-head.ts';
import { facts } from '../../test-support/hosts.ts';
import {
  type AttemptOutcome,
  backoffMs,
  isOmitted,
  mayAskForRetry,
  resetWaitMs,
  wantsRetry,
} from './retry-decision.ts';

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
  omittedHosts: [],
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
    ['5xx', 'POST', response(503, undefined, { 'x-envoy-ratelimited': 'true' }), false],
    ['envoy-ratelimited', 'POST', response(429, undefined, { 'x-envoy-ratelimited': 'true' }), true],
    ['envoy-ratelimited', 'POST', response(429), false],
    ['cancelled', 'POST', response(200, undefined, { 'grpc-status': '1' }), true],
    ['deadline-exceeded', 'POST', response(200, undefined, { 'grpc-status': '4' }), true],
    ['resource-exhausted', 'POST', response(200, undefined, { 'grpc-status': '8' }), true],
    ['internal', 'POST', response(200, undefined, { 'grpc-status': '13' }), true],
    ['internal', 'POST', response(200, undefined, { 'grpc-status': '14' }), false],
    ['gateway-error', 'GET', failure('upstream-reset'), true],
    ['reset-before-request', 'POST', failure('upstream-connect-failure'), true],
    ['retriable-status-codes', 'GET', response(503), false],
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

it('leaves out hosts by their metadata', () => {
  const omitted = (lbMetadata: Record<string, unknown>): boolean =>
    isOmitted(
      policy('5xx', { omittedHosts: [{ canary: true }, { stage: 'test', tier: 1 }] }),
      facts(1, { lbMetadata }),
    );
  expect([omitted({}), omitted({ canary: false }), omitted({ stage: 'test' })]).toEqual([false, false, false]);
  expect([omitted({ canary: true }), omitted({ stage: 'test', tier: 1, more: 2 })]).toEqual([true, true]);
});

describe('which answers are looked at', () => {
  it('are those from 400 up, and below only what a policy may want', () => {
    const asks = (looksAtSuccess: RetryPolicy['looksAtSuccess'], status: number, headers = {}): boolean => {
      const answer = response(status, undefined, headers);
      return answer.kind === 'response' && mayAskForRetry(policy('5xx', { looksAtSuccess }), status, answer.head);
    };
    expect(asks('no', 404)).toBe(true);
    expect(asks('no', 200, { 'grpc-status': '14' })).toBe(false);
    expect(asks('grpc', 200)).toBe(false);
    expect(asks('grpc', 200, { 'grpc-status': '14' })).toBe(true);
    expect(asks('all', 200)).toBe(true);
  });
});

describe('a wait that the upstream asks for', () => {
  const wait = (headers: Record<string, string>, drawn = 0): number | undefined => {
    const answer = response(429, undefined, headers);
    if (answer.kind !== 'response') return undefined;
    return resetWaitMs(
      {
        headers: [
          { name: 'retry-after', format: 'seconds' },
          { name: 'x-reset', format: 'unix-time' },
        ],
        maxIntervalMs: 60_000,
      },
      answer.head,
      { timers: { now: () => 1_000_000 }, random: { next: () => drawn } },
    );
  };
  it('is in seconds or up to a time, and half as long again at most', () => {
    expect(wait({ 'retry-after': '2' })).toBe(2_000);
    expect(wait({ 'retry-after': '2' }, 1)).toBe(3_000);
    expect(wait({ 'x-reset': '1010' })).toBe(10_000);
  });
  it('is not taken when it is absent, in the past, too long or no number', () => {
    expect(wait({})).toBeUndefined();
    expect(wait({ 'x-reset': '10' })).toBeUndefined();
    expect(wait({ 'retry-after': '61' })).toBeUndefined();
    expect(wait({ 'retry-after': 'soon' })).toBeUndefined();
    expect(wait({ 'retry-after': '90', 'x-reset': '1001' })).toBe(1_000);
  });
});

describe('backoffMs', () => {
  it('is uniform up to a doubling limit with a cap', () => {
    const highest = { next: () => 1 };
    expect([1, 2, 3, 4, 10].map((n) => backoffMs(policy(''), n, highest))).toEqual([25, 75, 175, 250, 250]);
    expect(backoffMs(policy(''), 3, { next: () => 0 })).toBe(0);
  });
});
