import type { Clock } from '@weft/kit';

/** A token bucket for each peer; peers that are back at full are forgotten. */
export interface RateLimit {
  /** @returns false when the peer has used up its share. */
  take(peer: string): boolean;
}

const MAX_PEERS = 1024;

export function createRateLimit(clock: Clock, perSecond: number, burst: number): RateLimit {
  const buckets = new Map<string, { left: number; atMs: number }>();
  const refill = (bucket: { left: number; atMs: number }): void => {
    const now = clock.now();
    bucket.left = Math.min(burst, bucket.left + (Math.max(0, now - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = now;
  };
  const forgetFull = (): void => {
    for (const [peer, bucket] of buckets) {
      refill(bucket);
      if (bucket.left >= burst) buckets.delete(peer);
    }
  };
  return {
    take(peer) {
      let bucket = buckets.get(peer);
      if (!bucket) {
        if (buckets.size >= MAX_PEERS) forgetFull();
        if (buckets.size >= MAX_PEERS) return false;
        bucket = { left: burst, atMs: clock.now() };
        buckets.set(peer, bucket);
      }
      refill(bucket);
      if (bucket.left < 1) return false;
      bucket.left -= 1;
      return true;
    },
  };
}
