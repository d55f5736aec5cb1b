/** Which tone (and so which icon) a state has. Pure. */
import type { HealthStatus, MtlsState, SyncState } from '@weft/contracts/console-views';

export type Tone = 'good' | 'warn' | 'bad' | 'wait' | 'none';

export const HEALTH_TONE: Readonly<Record<HealthStatus, Tone>> = {
  failure: 'bad',
  degraded: 'warn',
  'not-ready': 'wait',
  healthy: 'good',
  unknown: 'none',
};
export const MTLS_TONE: Readonly<Record<MtlsState, Tone>> = {
  mutual: 'good',
  mixed: 'warn',
  plaintext: 'warn',
  unknown: 'none',
};
export const SYNC_TONE: Readonly<Record<SyncState | 'disconnected', Tone>> = {
  synced: 'good',
  stale: 'warn',
  'not-sent': 'none',
  rejected: 'bad',
  disconnected: 'warn',
};
export const VALIDITY_TONE = { valid: 'good', warning: 'warn', error: 'bad' } as const satisfies Record<string, Tone>;
export const CERTIFICATE_TONE = { valid: 'good', ending: 'warn', expired: 'bad' } as const satisfies Record<
  string,
  Tone
>;
export const STATE_TONE = {
  healthy: 'good',
  starting: 'wait',
  draining: 'wait',
  unhealthy: 'bad',
} as const satisfies Record<string, Tone>;

/** By the thresholds of the health model on the server: any error is remarkable, a tenth is a failure. */
export const errorTone = (percent: number): Tone => (percent >= 10 ? 'bad' : percent > 0 ? 'warn' : 'none');

export const statusTone = (status: number): Tone =>
  status === 0 || status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'none';
