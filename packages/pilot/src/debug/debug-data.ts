/** Data behind /debug/{syncz,configz,registryz}: plain JSON values of what the control plane holds. */
import type { ConfigObject } from '@weft/contracts/config';
import type { ProxyStatus } from '../ads/proxy-status.ts';
import type { Endpoint, Service } from '../model/service.ts';
import { endpointsOf, type MeshSnapshot } from '../snapshot/mesh-snapshot.ts';

/** In istioctl's words: one row for each proxy, a state for each type. */
export interface SyncRow {
  readonly proxy: string;
  readonly cluster: string;
  readonly cds: string;
  readonly eds: string;
  readonly lds: string;
  readonly rds: string;
  readonly reasons: readonly string[];
}

export function syncz(statuses: readonly ProxyStatus[], clusterId: string): readonly SyncRow[] {
  return statuses.map(({ workload, namespace, types }) => ({
    proxy: `${workload}.${namespace}`,
    cluster: clusterId,
    cds: types.cluster?.state ?? 'NOT SENT',
    eds: types.endpoint?.state ?? 'NOT SENT',
    lds: types.listener?.state ?? 'NOT SENT',
    rds: types.route?.state ?? 'NOT SENT',
    reasons: Object.values(types).flatMap((type) => (type.nack ? [type.nack.reason] : [])),
  }));
}

export const configz = (objects: readonly ConfigObject[]): readonly ConfigObject[] => objects;

export interface RegistryRow extends Service {
  readonly endpoints: readonly Endpoint[];
}

export const registryz = (snapshot: MeshSnapshot): readonly RegistryRow[] =>
  snapshot.services.map((service) => ({ ...service, endpoints: endpointsOf(snapshot, service) }));
