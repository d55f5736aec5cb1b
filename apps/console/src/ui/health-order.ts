import type { HealthStatus } from '@weft/contracts/console-views';

/** Worst first, as on the server. */
export const HEALTH_ORDER: readonly HealthStatus[] = ['failure', 'degraded', 'not-ready', 'healthy', 'unknown'];
