import type { Clock } from '@weft/kit';

/** Token bucket: a burst of one second's worth, refilled steadily. */
export function createRateLimit(perSecond: number, clock: Clock): { take(): boolean } {
  let tokens = perSecond;
  let last = clock.now();
  return {
    take() {
      const now = clock.now();
      tokens = Math.min(perSecond, tokens + (Math.max(0, now - last) / 1000) * perSecond);
      last = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
