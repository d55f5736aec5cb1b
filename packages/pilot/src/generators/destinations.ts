/** Where a route's destinations lead: cluster names by Istio's rules for short hosts, subsets and absent ports. */
import { clusterName } from '@weft/contracts';
import type { Destination } from '../config-store/kinds.ts';
import { resolveHost } from '../model/hostname.ts';
import type { Service } from '../model/service.ts';
import type { GeneratorContext } from './context.ts';

export interface ResolvedDestination {
  readonly cluster: string;
  readonly hostname: string;
  readonly port: number;
  readonly service: Service | undefined;
}

/**
 * No port: that of a service with one port, else the port being accessed. An unknown host or subset gives the name of a
 * cluster that does not exist, so that requests fail as 503 NC.
 */
export function resolveDestination(
  { snapshot, scope }: GeneratorContext,
  destination: Destination,
  namespace: string,
  accessedPort: number,
): ResolvedDestination {
  const hostname = resolveHost(destination.host, namespace, snapshot.mesh.domainSuffix);
  const service = scope.byHostname.get(hostname);
  const [only, ...others] = service?.ports ?? [];
  const port = destination.port?.number ?? (only && others.length === 0 ? only.number : accessedPort);
  return { cluster: clusterName('outbound', port, hostname, destination.subset), hostname, port, service };
}
