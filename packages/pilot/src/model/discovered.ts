/** What one source says of a service: itself and the endpoints that it knows. */
import { localityOf, type RegisteredWorkload, type WorkloadPort } from '@weft/contracts';
import type { MeshOptions } from '../options.ts';
import { identityOf } from './identity.ts';
import type { Endpoint, Service } from './service.ts';

export interface Discovered {
  readonly service: Service;
  readonly endpoints: readonly Endpoint[];
}

const HEALTH: Readonly<Record<RegisteredWorkload['health'], Endpoint['health']>> = {
  starting: 'unhealthy',
  healthy: 'healthy',
  unhealthy: 'unhealthy',
  draining: 'draining',
};

export function workloadEndpoint(
  workload: RegisteredWorkload,
  servicePort: number,
  port: WorkloadPort,
  mesh: MeshOptions,
): Endpoint {
  return {
    servicePort,
    address: workload.address,
    port: port.meshPort,
    workloadPort: port.servicePort,
    health: HEALTH[workload.health],
    weight: 1,
    labels: workload.labels,
    locality: localityOf(workload.labels),
    workload: workload.name,
    namespace: workload.namespace,
    identity: identityOf(mesh.trustDomain, workload.namespace, workload.serviceAccount),
    hasSidecar: true,
  };
}
