import type { WeighExchange } from '../http/connections.ts';

interface Weighed {
  readonly bytes: number;
  readonly cut: () => void;
}

/** Ending less than this helps nobody. */
const MIN_BYTES = 64 * 1024;
/** At a time: each may answer, log and free much. */
const MAX_CUTS = 50;

/**
 * Ends the requests that hold most, until they held so many bytes together.
 * @param weigh tells all requests in progress.
 * @returns how many were ended.
 */
export function cutHeaviest(wantedBytes: number, weigh: (take: WeighExchange) => void): number {
  const heavy: Weighed[] = [];
  weigh((bytes, cut) => {
    if (bytes >= MIN_BYTES) heavy.push({ bytes, cut });
  });
  heavy.sort((a, b) => b.bytes - a.bytes);
  let freed = 0;
  let cuts = 0;
  for (const { bytes, cut } of heavy) {
    if (freed >= wantedBytes || cuts === MAX_CUTS) break;
    cut();
    freed += bytes;
    cuts += 1;
  }
  return cuts;
}
