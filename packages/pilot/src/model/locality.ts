import type { Labels } from './labels.ts';
import { parseLocality, type Locality } from './service.ts';

export const REGION_LABEL = 'topology.kubernetes.io/region';
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
export const SUBZONE_LABEL = 'topology.istio.io/subzone';

/** Where a workload says it is: in one label, with `.` for `/`, or in one for each part. */
export function localityOf(labels: Labels): Locality {
  const whole = labels['topology.istio.io/locality'] ?? labels['istio-locality'];
  if (whole !== undefined) return parseLocality(whole.replaceAll('.', '/'));
  return {
    region: labels[REGION_LABEL] ?? labels['topology.istio.io/region'] ?? '',
    zone: labels[ZONE_LABEL] ?? labels['topology.istio.io/zone'] ?? '',
    subZone: labels[SUBZONE_LABEL] ?? '',
  };
}

export const localityName = ({ region, zone, subZone }: Locality): string => [region, zone, subZone].join('/');

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
