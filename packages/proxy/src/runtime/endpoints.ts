import type { Address } from '@weft/contracts/lean/envoy/config/core/v3/address';
import { HealthStatus } from '@weft/contracts/lean/envoy/config/core/v3/health_check';
import type { ClusterLoadAssignment } from '@weft/contracts/lean/envoy/config/endpoint/v3/endpoint';
import { ISTIO_METADATA, TRANSPORT_SOCKET_MATCH_METADATA } from '@weft/contracts';
import { ConfigRejectedError } from '@weft/evaluator';
import type { HostFacts } from '../upstream/host-facts.ts';

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
        healthy: isHealthy(entry.healthStatus),
        locality: [region, zone, subZone].join('/'),
        transportMatch: metadata[TRANSPORT_SOCKET_MATCH_METADATA] ?? {},
        workload: typeof workload === 'string' ? workload : '',
      });
    });
  });
  return hosts;
}

function isHealthy(status: HealthStatus): boolean {
  return status === HealthStatus.UNKNOWN || status === HealthStatus.HEALTHY || status === HealthStatus.DEGRADED;
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
