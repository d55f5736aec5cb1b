import { parseLocality, type RegisteredWorkload } from '@weft/contracts';
import type { Config } from '../config-store/config-object.ts';
import type { ServiceEntrySpec, WorkloadEntrySpec } from '../config-store/kinds.ts';
import type { MeshConfig } from '../config-store/mesh-config.ts';
import type { MeshOptions } from '../options.ts';
import { workloadEndpoint, type Discovered } from './discovered.ts';
import { identityOf } from './identity.ts';
import { matchesLabels, type Labels } from './labels.ts';
import { parseProtocol } from './protocol.ts';
import type { Endpoint, Resolution, Service } from './service.ts';
import { exportToOr } from './visibility.ts';

const RESOLUTION: Readonly<Record<string, Resolution>> = {
  NONE: 'passthrough',
  STATIC: 'eds',
  DNS: 'dns',
  DNS_ROUND_ROBIN: 'dns-round-robin',
};

type EntryPort = NonNullable<ServiceEntrySpec['ports']>[number];

/** One service per host of each ServiceEntry, with its inline endpoints or the workloads and WorkloadEntries it selects. */
export function buildServiceEntries(
  config: MeshConfig,
  workloads: readonly RegisteredWorkload[],
  mesh: MeshOptions,
): readonly Discovered[] {
  return config.serviceEntries.flatMap((entry) => {
    const resolution = RESOLUTION[entry.spec.resolution ?? 'NONE'];
    // DYNAMIC_DNS needs a forward proxy that resolves per request; the diagnostics say that it is not there yet.
    if (!resolution) return [];
    return entry.spec.hosts.map((host) => ({
      service: entryService(entry, host.toLowerCase(), resolution, mesh),
      endpoints: entryEndpoints(entry, host.toLowerCase(), resolution, config, workloads, mesh),
    }));
  });
}

function entryService(
  entry: Config<ServiceEntrySpec>,
  hostname: string,
  resolution: Resolution,
  mesh: MeshOptions,
): Service {
  const { spec } = entry;
  return {
    hostname,
    namespace: entry.namespace,
    name: hostname.endsWith(`.svc.${mesh.domainSuffix}`) ? (hostname.split('.', 1)[0] ?? hostname) : hostname,
    origin: 'service-entry',
    addresses: spec.addresses ?? [],
    ports: (spec.ports ?? [])
      .map((port) => ({
        number: port.number,
        name: port.name,
        protocol: parseProtocol(port.protocol ?? port.name) ?? ('auto' as const),
      }))
      .toSorted((a, b) => a.number - b.number),
    resolution,
    external: spec.location !== 'MESH_INTERNAL',
    exportTo: exportToOr(spec.exportTo, mesh.defaultServiceExportTo),
    subjectAltNames: spec.subjectAltNames ?? [],
    createdAt: entry.createdAt,
    refs: [entry.ref],
  };
}

function entryEndpoints(
  entry: Config<ServiceEntrySpec>,
  hostname: string,
  resolution: Resolution,
  config: MeshConfig,
  workloads: readonly RegisteredWorkload[],
  mesh: MeshOptions,
): readonly Endpoint[] {
  const { spec } = entry;
  const ports = spec.ports ?? [];
  const isDns = resolution === 'dns' || resolution === 'dns-round-robin';
  const inline = spec.endpoints ?? [];
  if (resolution === 'passthrough') return [];
  if (isDns && inline.length === 0 && spec.workloadSelector === undefined) {
    return ports.map((port) => entryEndpoint({ address: hostname }, port, { ...entry, name: '' }, {}, mesh));
  }
  const own = inline.flatMap((endpoint) =>
    ports.map((port) => entryEndpoint(endpoint, port, entry, endpoint.labels ?? {}, mesh)),
  );
  return [...own, ...selectedEndpoints(entry, ports, config, workloads, mesh)].filter(
    (endpoint) => endpoint.address !== '',
  );
}

function selectedEndpoints(
  entry: Config<ServiceEntrySpec>,
  ports: readonly EntryPort[],
  config: MeshConfig,
  workloads: readonly RegisteredWorkload[],
  mesh: MeshOptions,
): readonly Endpoint[] {
  const labels = entry.spec.workloadSelector?.labels;
  if (labels === undefined) return [];
  const fromEntries = config.workloadEntries
    .filter(
      (candidate) => candidate.namespace === entry.namespace && matchesLabels(labels, candidate.spec.labels ?? {}),
    )
    .flatMap((candidate) =>
      ports.map((port) => entryEndpoint(candidate.spec, port, candidate, candidate.spec.labels ?? {}, mesh)),
    );
  const fromWorkloads = workloads
    .filter(
      (workload) =>
        workload.namespace === entry.namespace && workload.kind === 'sidecar' && matchesLabels(labels, workload.labels),
    )
    .flatMap((workload) =>
      ports.flatMap((port) => {
        const found = workload.ports.find((candidate) => candidate.servicePort === (port.targetPort ?? port.number));
        return found ? [workloadEndpoint(workload, port.number, found, mesh)] : [];
      }),
    );
  return [...fromEntries, ...fromWorkloads];
}

/** Port order: the entry's own port of that name, the service's target port, the service port. */
function entryEndpoint(
  spec: WorkloadEntrySpec,
  port: EntryPort,
  owner: Pick<Config<unknown>, 'name' | 'namespace'>,
  labels: Labels,
  mesh: MeshOptions,
): Endpoint {
  const number = spec.ports?.[port.name] ?? port.targetPort ?? port.number;
  return {
    servicePort: port.number,
    address: spec.address ?? '',
    port: number,
    workloadPort: number,
    health: 'healthy',
    weight: spec.weight ?? 1,
    labels,
    locality: parseLocality(spec.locality),
    workload: owner.name,
    namespace: owner.namespace,
    identity: identityOf(mesh.trustDomain, owner.namespace, spec.serviceAccount),
    hasSidecar: labels['security.istio.io/tlsMode'] === 'istio',
  };
}
