import type { Random } from './random.ts';

export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Exponential back-off with full jitter: each delay is uniform in [0, min(max, base·2ⁿ)), never below base/2. */
export interface Backoff {
  next(): number;
  reset(): void;
}

export function createBackoff(options: BackoffOptions, random: Random): Backoff {
  let attempt = 0;
  return {
    next() {
      const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30));
      attempt += 1;
      return Math.max(options.baseMs / 2, random.next() * ceiling);
    },
    reset() {
      attempt = 0;
    },
  };
}
