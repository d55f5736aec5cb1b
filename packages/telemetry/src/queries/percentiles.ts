import type { Percentiles } from '@weft/contracts';

/**
 * The value below which the share of observations lies, straight-lined inside its bucket. Beyond the last bound nothing is
 * known, so the last bound is the answer there. @param counts each bucket alone, one more than bounds.
 */
export function quantile(share: number, bounds: readonly number[], counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= 0) return 0;
  const rank = share * total;
  let below = 0;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && below + count >= rank) {
      const lower = i === 0 ? 0 : (bounds[i - 1] ?? 0);
      const upper = bounds[i];
      return upper === undefined ? lower : lower + ((upper - lower) * Math.max(0, rank - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1) ?? 0;
}

/** @returns undefined when nothing was observed. */
export function percentiles(bounds: readonly number[], counts: readonly number[]): Percentiles | undefined {
  if (!counts.some((count) => count > 0)) return undefined;
  return {
    p50: quantile(0.5, bounds, counts),
    p95: quantile(0.95, bounds, counts),
    p99: quantile(0.99, bounds, counts),
  };
}
