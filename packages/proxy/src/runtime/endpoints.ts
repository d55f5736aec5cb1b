import type { Address } from '@weft/contracts/lean/envoy/config/core/v3/address';
import { HealthStatus } from '@weft/contracts/lean/envoy/config/core/v3/health_check';
import type { ClusterLoadAssignment } from '@weft/contracts/lean/envoy/config/endpoint/v3/endpoint';
import { ISTIO_METADATA, TRANSPORT_SOCKET_MATCH_METADATA } from '@weft/contracts';
import { ConfigRejectedError } from '@weft/evaluator';
import { DEFAULT_OVERPROVISIONING_PERCENT, type Endpoints, type HostFacts } from '../upstream/host-facts.ts';

/** @throws {ConfigRejectedError} for an address that can not be used. */
export const readEndpoints = (assignment: ClusterLoadAssignment, resource: string): Endpoints => ({
  hosts: readHosts(assignment, resource),
  overprovisioningPercent: assignment.policy?.overprovisioningFactor ?? DEFAULT_OVERPROVISIONING_PERCENT,
});

/** The hosts of one load assignment. @throws {ConfigRejectedError} for an address that can not be used. */
export function readHosts(assignment: ClusterLoadAssignment | undefined, resource: string): HostFacts[] {
  if (assignment === undefined) return [];
  const hosts: HostFacts[] = [];
  assignment.endpoints.forEach((group, g) => {
    const { region = '', zone = '', subZone = '' } = group.locality ?? {};
    group.lbEndpoints.forEach((entry, e) => {
      if (entry.hostIdentifier.case !== 'endpoint') return;
      const place = `endpoints[${g}].lb_endpoints[${e}]`;
      const { address, port } = readAddress(entry.hostIdentifier.value.address, resource, place);
      const metadata = entry.metadata?.filterMetadata ?? {};
      const { workload } = metadata[ISTIO_METADATA] ?? {};
      hosts.push({
        address,
        port,
        hostname: entry.hostIdentifier.value.hostname,
        weight: Math.max(1, entry.loadBalancingWeight ?? 1),
        priority: group.priority,
        health: healthOf(entry.healthStatus),
        locality: [region, zone, subZone].join('/'),
        localityWeight: group.loadBalancingWeight ?? 0,
        lbMetadata: metadata[LB_METADATA] ?? {},
        hashKey: textOf(metadata[LB_METADATA]?.['hash_key']),
        transportMatch: metadata[TRANSPORT_SOCKET_MATCH_METADATA] ?? {},
        workload: textOf(workload),
        metadata,
      });
    });
  });
  return hosts;
}

const LB_METADATA = 'envoy.lb';
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function healthOf(status: HealthStatus): HostFacts['health'] {
  switch (status) {
    case HealthStatus.UNKNOWN:
    case HealthStatus.HEALTHY:
      return 'healthy';
    case HealthStatus.DEGRADED:
      return 'degraded';
    case HealthStatus.DRAINING:
      return 'draining';
    case HealthStatus.UNHEALTHY:
    case HealthStatus.TIMEOUT:
      return 'unhealthy';
  }
}

export function readAddress(
  address: Address | undefined,
  resource: string,
  place: string,
): { readonly address: string; readonly port: number } {
  const kind = address?.address;
  if (kind?.case === 'pipe') return { address: kind.value.path, port: 0 };
  if (kind?.case !== 'socketAddress')
    throw new ConfigRejectedError(resource, `${place}: the address is not set, or of a kind that is not supported`);
  const { portSpecifier } = kind.value;
  if (portSpecifier.case !== 'portValue') throw new ConfigRejectedError(resource, `${place}: port_value is not set`);
  return { address: kind.value.address, port: portSpecifier.value };
}
