import type { HealthCheckSettings } from './health-check-settings.ts';
import type { ProbeResult } from './probe.ts';

export interface CheckState {
  /** Whether any question has had an outcome yet. */
  readonly known: boolean;
  readonly healthy: boolean;
  /** Outcomes in a row that speak against the present state. */
  readonly against: number;
}

export const UNKNOWN_STATE: CheckState = { known: false, healthy: false, against: 0 };

/** Envoy's rule: the first outcome counts alone; later ones have to repeat, but what a host says against itself counts at once. */
export function afterProbe(
  { known, healthy, against }: CheckState,
  result: ProbeResult,
  { healthyThreshold, unhealthyThreshold }: HealthCheckSettings,
): CheckState {
  const passed = result === 'passed';
  if (!known) return { known: true, healthy: passed, against: 0 };
  if (passed === healthy) return { known, healthy, against: 0 };
  const needed = passed ? healthyThreshold : result === 'failed-now' ? 1 : unhealthyThreshold;
  return against + 1 >= needed ? { known, healthy: passed, against: 0 } : { known, healthy, against: against + 1 };
}

/** How long until the next question. */
export function waitAfterMs(
  { healthy, against }: CheckState,
  settings: HealthCheckSettings,
  hasTraffic: boolean,
  random: { next(): number },
): number {
  const base = baseIntervalMs(healthy, against > 0, settings, hasTraffic);
  const range = settings.jitterMs + (base * settings.jitterPercent) / 100;
  return Math.max(1, Math.round(base + jitterOf(range, random)));
}

function baseIntervalMs(
  healthy: boolean,
  changing: boolean,
  settings: HealthCheckSettings,
  hasTraffic: boolean,
): number {
  if (!hasTraffic) return healthy ? settings.noTrafficHealthyIntervalMs : settings.noTrafficIntervalMs;
  // The outcome that is being repeated is the opposite of the present state.
  if (changing) return healthy ? settings.unhealthyEdgeIntervalMs : settings.healthyEdgeIntervalMs;
  return healthy ? settings.intervalMs : settings.unhealthyIntervalMs;
}

// Timers are kept by duration: a few steps spread questions as well as any number.
const JITTER_STEPS = 8;

export const jitterOf = (rangeMs: number, random: { next(): number }): number =>
  (Math.floor(random.next() * JITTER_STEPS) * rangeMs) / JITTER_STEPS;
