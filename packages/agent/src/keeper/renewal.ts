/** When to renew, and how urgent it is. Pure. */

/** Of the lifetime: renew when half is left, more or less one hundredth, so that many workloads spread out. */
const GRACE_RATIO = 0.5;
const GRACE_JITTER = 0.01;
/** Of the lifetime: below this much left, every failure is an error in the log. */
export const ALARM_RATIO = 0.2;

export interface Lifetime {
  /** When it was received, by our clock. Epoch milliseconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** @param uniform in [0, 1). @returns epoch milliseconds, never before `issuedAt`. */
export function renewAtMs({ issuedAt, expiresAt }: Lifetime, uniform: number): number {
  const ratio = GRACE_RATIO + (uniform * 2 - 1) * GRACE_JITTER;
  return Math.max(issuedAt, expiresAt - ratio * (expiresAt - issuedAt));
}

export type Urgency = 'calm' | 'alarm' | 'expired';

export function urgency({ issuedAt, expiresAt }: Lifetime, nowMs: number): Urgency {
  const left = expiresAt - nowMs;
  if (left <= 0) return 'expired';
  return left < ALARM_RATIO * (expiresAt - issuedAt) ? 'alarm' : 'calm';
}

export const alarmAtMs = ({ issuedAt, expiresAt }: Lifetime): number =>
  expiresAt - ALARM_RATIO * (expiresAt - issuedAt);

const FIRST_RETRY_LIMIT_MS = 3_000;
const RENEWAL_RETRY_LIMIT_MS = 30_000;

/** The longest wait between two tries: short for a workload that waits to start, and for short certificates. */
export function maxRetryDelayMs(lifetime: Lifetime | undefined): number {
  if (!lifetime) return FIRST_RETRY_LIMIT_MS;
  return Math.max(50, Math.min(RENEWAL_RETRY_LIMIT_MS, (lifetime.expiresAt - lifetime.issuedAt) / 20));
}
