/**
 * The one health model, for graph, lists, details, API and CLI. Pure: from counts and states to a status with reasons.
 * States from bad to good: failure, degraded, not-ready, healthy, unknown. The worst reason wins and is the `why`.
 */
import type { RegisteredWorkload } from '@weft/contracts';
import type { Health, HealthReason, HealthStatus } from '@weft/contracts/console-views';
import type { ProxyRecord } from '../ports.ts';
import { countCodes, type Outcome, type Tally } from './traffic.ts';

interface Tolerance {
  readonly code: string;
  readonly matches: (outcome: Outcome) => boolean;
  /** More than this many percent is degraded, or this many when it is not 0. */
  readonly degraded: number;
  readonly failure: number;
  readonly what: string;
}

const TOLERANCES: readonly Tolerance[] = [
  { code: 'server-errors', matches: ({ code }) => code >= 500, degraded: 0, failure: 10, what: 'failed with 5xx' },
  {
    code: 'grpc-errors',
    matches: ({ code, grpcStatus }) => code > 0 && code < 500 && grpcStatus > 0,
    degraded: 0,
    failure: 10,
    what: 'failed with a gRPC status',
  },
  { code: 'no-answer', matches: ({ code }) => code === 0, degraded: 0, failure: 10, what: 'got no answer' },
  {
    code: 'client-errors',
    matches: ({ code }) => code >= 400 && code < 500,
    degraded: 10,
    failure: 20,
    what: 'were refused with 4xx',
  },
];

/** Fewer requests than this in the window say nothing: one error in two requests is not 50 % down. */
export const LOW_TRAFFIC = 10;

/** A proxy may lag behind a change this long before anybody is told. */
export const STALE_AFTER_MS = 10_000;

const RANK: Readonly<Record<HealthReason['severity'], number>> = {
  failure: 5,
  degraded: 4,
  'not-ready': 3,
  healthy: 2,
  info: 1,
  unknown: 0,
};

/** @param calm what to say when no reason speaks: `undefined` leaves the object's health unknown. */
export function healthOf(reasons: readonly HealthReason[], calm: string | undefined, nothing: string): Health {
  const sorted = reasons.toSorted((a, b) => RANK[b.severity] - RANK[a.severity]);
  const [worst] = sorted;
  if (worst && worst.severity !== 'info') return { status: worst.severity, why: worst.message, reasons: sorted };
  if (calm === undefined) return { status: 'unknown', why: worst?.message ?? nothing, reasons: sorted };
  return { status: 'healthy', why: worst?.message ?? calm, reasons: sorted };
}

const percent = (value: number): string => `${value >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;

/** @param toward `inbound`: requests to the object; `outbound`: requests that it made. */
export function requestReasons(tally: Tally, toward: 'inbound' | 'outbound'): readonly HealthReason[] {
  const subject = toward === 'inbound' ? 'requests' : 'calls that it makes';
  const reasons: HealthReason[] = [];
  // Of a window that begins between two readings a share is counted, so that counts may be broken.
  const whole = (requests: number): number => Math.max(1, Math.round(requests));
  for (const { code, matches, degraded, failure, what } of TOLERANCES) {
    const count = countCodes(tally, matches);
    if (count === 0) continue;
    const value = (count / tally.requests) * 100;
    if (tally.requests < LOW_TRAFFIC) {
      const message = `${whole(count)} of ${whole(tally.requests)} ${subject} ${what}; fewer than ${LOW_TRAFFIC} say little.`;
      reasons.push({ code: 'low-traffic', severity: 'info', message, value, direction: toward });
      continue;
    }
    const severity = value >= failure ? 'failure' : value > degraded || degraded === 0 ? 'degraded' : undefined;
    if (!severity) continue;
    const threshold = severity === 'failure' ? failure : degraded;
    const limit = threshold === 0 ? 'any is too many' : `the limit is ${threshold} %`;
    const message = `${percent(value)} of ${subject} ${what} (${whole(count)} of ${whole(tally.requests)}); ${limit}.`;
    reasons.push({ code, severity, message, value, threshold, direction: toward });
  }
  return reasons;
}

export function proxyReasons(proxy: ProxyRecord, nowMs: number): readonly HealthReason[] {
  if (!proxy.connected) {
    const message = 'Its proxy is not connected to the control plane and runs on its last good configuration.';
    return [{ code: 'proxy-disconnected', severity: 'degraded', message }];
  }
  return proxy.sync.flatMap((sync): HealthReason[] => {
    if (sync.state === 'rejected') {
      const reason = sync.rejection?.message ?? 'no reason was given';
      const message = `Its proxy rejected ${sync.type}: ${reason.replace(/[.\s]+$/, '')}.`;
      return [{ code: 'proxy-rejected', severity: 'degraded', message }];
    }
    if (sync.state !== 'stale' || sync.sinceMs === undefined) return [];
    const age = nowMs - sync.sinceMs;
    if (age < STALE_AFTER_MS) return [];
    const message = `Its proxy has not confirmed ${sync.type} for ${Math.round(age / 1000)} s; the limit is ${STALE_AFTER_MS / 1000} s.`;
    return [{ code: 'proxy-stale', severity: 'degraded', message, value: age, threshold: STALE_AFTER_MS }];
  });
}

export function proxyHealth(proxy: ProxyRecord, nowMs: number): Health {
  return healthOf(proxyReasons(proxy, nowMs), 'Connected and up to date.', '');
}

export function workloadHealth(
  workload: RegisteredWorkload,
  proxy: ProxyRecord | undefined,
  inbound: Tally,
  outbound: Tally,
  nowMs: number,
): Health {
  const reasons = [
    ...stateReasons(workload),
    ...(proxy ? proxyReasons(proxy, nowMs) : missingProxy(workload, nowMs)),
    ...requestReasons(inbound, 'inbound'),
    ...requestReasons(outbound, 'outbound'),
  ];
  const requests = inbound.requests + outbound.requests;
  const calm = requests > 0 ? `No errors in ${requests} requests.` : 'Running; no requests in this time.';
  return healthOf(reasons, calm, '');
}

function stateReasons({ health, name }: RegisteredWorkload): readonly HealthReason[] {
  if (health === 'unhealthy')
    return [{ code: 'workload-unhealthy', severity: 'failure', message: `${name} does not answer its health check.` }];
  if (health === 'starting')
    return [{ code: 'workload-starting', severity: 'not-ready', message: `${name} is still starting.` }];
  if (health === 'draining')
    return [{ code: 'workload-draining', severity: 'not-ready', message: `${name} is shutting down.` }];
  return [];
}

function missingProxy({ health, startedAt, name }: RegisteredWorkload, nowMs: number): readonly HealthReason[] {
  if (health === 'starting' || nowMs - startedAt < STALE_AFTER_MS) return [];
  const message = `The proxy of ${name} has not connected to the control plane.`;
  return [{ code: 'proxy-missing', severity: 'degraded', message }];
}

/** @param internal whether the service has workloads in the mesh at all. */
export function serviceHealth(
  endpoints: { readonly ready: number; readonly total: number },
  inbound: Tally,
  internal: boolean,
): Health {
  const reasons: HealthReason[] = [...requestReasons(inbound, 'inbound')];
  const { ready, total } = endpoints;
  if (internal && total === 0)
    // A service that all have left and nobody calls hurts nobody.
    reasons.push({
      code: 'no-endpoints',
      severity: inbound.requests > 0 ? 'not-ready' : 'info',
      message: 'No workload offers this service.',
    });
  else if (internal && ready === 0)
    reasons.push({
      code: 'no-ready-endpoints',
      severity: 'failure',
      message: `None of its ${total} endpoints is ready.`,
    });
  else if (ready < total)
    reasons.push({
      code: 'endpoints-missing',
      severity: 'degraded',
      message: `${ready} of ${total} endpoints are ready.`,
      value: ready,
      threshold: total,
    });
  const calm =
    inbound.requests > 0
      ? `No errors in ${Math.round(inbound.requests)} requests.`
      : 'Ready; no requests in this time.';
  const known = (internal && total > 0) || inbound.requests > 0;
  return healthOf(reasons, known ? calm : undefined, 'No requests in this time.');
}

/** A call from one to another, by its own codes. */
export function edgeHealth(tally: Tally): Health {
  return healthOf(requestReasons(tally, 'inbound'), `No errors in ${Math.round(tally.requests)} requests.`, '');
}

const ORDER: readonly HealthStatus[] = ['failure', 'degraded', 'not-ready', 'healthy', 'unknown'];

/** For sorting: worst first. */
export const compareHealth = (a: HealthStatus, b: HealthStatus): number => ORDER.indexOf(a) - ORDER.indexOf(b);
