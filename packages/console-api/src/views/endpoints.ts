import type { RegisteredWorkload } from '@weft/contracts';
import type { ServiceRecord } from '../ports.ts';

/** Workloads that offer a service. */
export const workloadsOf = (
  service: Pick<ServiceRecord, 'namespace' | 'name'>,
  workloads: readonly RegisteredWorkload[],
): readonly RegisteredWorkload[] =>
  workloads.filter((workload) => workload.namespace === service.namespace && workload.service === service.name);

export function endpointCount(
  service: Pick<ServiceRecord, 'namespace' | 'name'>,
  workloads: readonly RegisteredWorkload[],
): { readonly ready: number; readonly total: number } {
  const offering = workloadsOf(service, workloads);
  return { ready: offering.filter(({ health }) => health === 'healthy').length, total: offering.length };
}
