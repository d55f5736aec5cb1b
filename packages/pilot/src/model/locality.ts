import type { Locality } from '@weft/contracts';

/** Whether a place is in what a pattern names: `region/zone/*`, `region/*`, `region`, `*`. */
export function inLocality({ region, zone, subZone }: Locality, pattern: string): boolean {
  const parts = pattern.split('/');
  for (const [i, own] of [region, zone, subZone].entries()) {
    const part = parts[i];
    if (part === undefined || part === '' || part === '*') return true;
    if (part !== own) return false;
  }
  return true;
}
