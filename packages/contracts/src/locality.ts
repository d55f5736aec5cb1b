/** Where something runs; empty where it is not known. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** One label for all three, with `.` for `/`, as labels can not hold that. */
export const LOCALITY_LABEL = 'topology.istio.io/locality';
export const REGION_LABEL = 'topology.kubernetes.io/region';
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
export const SUBZONE_LABEL = 'topology.istio.io/subzone';

/** The cluster whose hosts are a proxy's own peers: with it, it knows how callers are spread over zones. */
export const LOCAL_CLUSTER = 'local_cluster';

/** `region/zone/subzone`; missing parts are empty. */
export function parseLocality(text: string | undefined): Locality {
  const [region = '', zone = '', subZone = ''] = (text ?? '').split('/');
  return { region, zone, subZone };
}

/** Where a workload says it is: in one label, or in one for each part. */
export function localityOf(labels: Readonly<Record<string, string>>): Locality {
  const whole = labels[LOCALITY_LABEL] ?? labels['istio-locality'];
  if (whole !== undefined) return parseLocality(whole.replaceAll('.', '/'));
  return {
    region: labels[REGION_LABEL] ?? labels['topology.istio.io/region'] ?? '',
    zone: labels[ZONE_LABEL] ?? labels['topology.istio.io/zone'] ?? '',
    subZone: labels[SUBZONE_LABEL] ?? '',
  };
}

export const localityName = ({ region, zone, subZone }: Locality): string => [region, zone, subZone].join('/');
