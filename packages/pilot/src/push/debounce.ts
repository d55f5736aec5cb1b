/** When to push: decided with numbers. The timer is in debouncer.ts. */
import type { PushOptions } from '../options.ts';

/** `endpoints`: instances came or went, and callers may be talking to the dead. `config`: a user changed something else. */
export type ChangeClass = 'config' | 'endpoints';

export interface Window {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Changes that wait for a push, by class. Undefined parts have none. */
export interface Pending {
  readonly config?: Window;
  readonly endpoints?: Window;
}

export function record(pending: Pending, change: ChangeClass, nowMs: number): Pending {
  const former = pending[change];
  return { ...pending, [change]: { firstMs: former?.firstMs ?? nowMs, lastMs: nowMs } };
}

/** Push once quiet, but never later than the class's limit after its first change; everything that waits goes with the first that is due. */
export function dueAtMs(pending: Pending, options: PushOptions): number {
  const due = (window: Window | undefined, quietMs: number, maxMs: number): number =>
    window === undefined ? Number.POSITIVE_INFINITY : Math.min(window.lastMs + quietMs, window.firstMs + maxMs);
  return Math.min(
    due(pending.config, options.quietMs, options.maxMs),
    due(pending.endpoints, options.endpointQuietMs, options.endpointMaxMs),
  );
}

export const firstChangeMs = (pending: Pending): number =>
  Math.min(pending.config?.firstMs ?? Infinity, pending.endpoints?.firstMs ?? Infinity);
