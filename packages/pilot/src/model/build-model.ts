/** Registries and configuration become services and endpoints: a pure function, independent of the order of its input. */
import { parseLocality, type RegisteredWorkload, type RegistryState } from '@weft/contracts';
import type { Config } from '../config-store/config-object.ts';
import type { ServiceSpec } from '../config-store/kinds.ts';
import type { MeshConfig } from '../config-store/mesh-config.ts';
import type { MeshOptions } from '../options.ts';
import { compareText, serviceHostname } from './hostname.ts';
import { workloadEndpoint, type Discovered } from './discovered.ts';
import { matchesLabels } from './labels.ts';
import { protocolOf } from './protocol.ts';
import type { Endpoint, Service, ServicePort } from './service.ts';
import { buildServiceEntries } from './service-entries.ts';

export interface Model {
  /** Sorted by host name, then namespace. */
  readonly services: readonly Service[];
  /** By `serviceKey`; each list sorted by address and port. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** By `namespace/name`. */
  readonly workloads: ReadonlyMap<string, RegisteredWorkload>;
}

export const serviceKey = (service: Pick<Service, 'namespace' | 'hostname'>): string =>
  `${service.namespace}/${service.hostname}`;
export const workloadKey = (namespace: string, name: string): string => `${namespace}/${name}`;

export function buildModel(config: MeshConfig, registry: RegistryState, mesh: MeshOptions): Model {
  const workloads = [...registry.workloads].sort((a, b) =>
    compareText(workloadKey(a.namespace, a.name), workloadKey(b.namespace, b.name)),
  );
  const services = new Map<string, Service>();
  const endpoints = new Map<string, Endpoint[]>();
  for (const { service, endpoints: found } of [
    ...kubernetesServices(config.services, workloads, mesh),
    ...registeredServices(registry, mesh),
    ...workloadServices(workloads, mesh),
    ...buildServiceEntries(config, workloads, mesh),
  ]) {
    const key = serviceKey(service);
    const known = services.get(key);
    services.set(key, known ? mergeServices(known, service) : service);
    endpoints.set(key, [...(endpoints.get(key) ?? []), ...found]);
  }
  return {
    services: [...services.values()].sort(
      (a, b) => compareText(a.hostname, b.hostname) || compareText(a.namespace, b.namespace),
    ),
    endpoints: new Map([...endpoints.entries()].map(([key, list]) => [key, uniqueEndpoints(list)])),
    workloads: new Map(workloads.map((workload) => [workloadKey(workload.namespace, workload.name), workload])),
  };
}

/** The first declaration rules; later ones add ports, addresses and names that it lacks. */
function mergeServices(first: Service, second: Service): Service {
  const known = new Set(first.ports.map((port) => port.number));
  return {
    ...first,
    ports: sortPorts([...first.ports, ...second.ports.filter((port) => !known.has(port.number))]),
    addresses: [...new Set([...first.addresses, ...second.addresses])],
    subjectAltNames: [...new Set([...first.subjectAltNames, ...second.subjectAltNames])].sort(compareText),
    refs: [...first.refs, ...second.refs],
  };
}

const sortPorts = (ports: readonly ServicePort[]): readonly ServicePort[] =>
  ports.toSorted((a, b) => a.number - b.number);

function uniqueEndpoints(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const byKey = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const key = `${endpoint.servicePort}|${endpoint.address}|${endpoint.port}`;
    if (!byKey.has(key)) byKey.set(key, endpoint);
  }
  return [...byKey.values()].sort(
    (a, b) => a.servicePort - b.servicePort || compareText(a.address, b.address) || a.port - b.port,
  );
}

/** Services that the registry names, whether or not a workload of theirs is alive. */
function registeredServices(registry: RegistryState, mesh: MeshOptions): readonly Discovered[] {
  return registry.services
    .toSorted((a, b) => compareText(a.hostname, b.hostname))
    .map(({ name, namespace, hostname, ports, vip }) => ({
      service: {
        ...declaredService(
          { name, namespace, hostname: hostname.toLowerCase() },
          ports.map(({ name: portName, port }) => ({ name: portName, number: port })),
          mesh,
        ),
        addresses: vip === undefined ? [] : [vip],
      },
      endpoints: [],
    }));
}

function declaredService(
  names: Pick<Service, 'name' | 'namespace' | 'hostname'>,
  ports: readonly { readonly name: string; readonly number: number }[],
  mesh: MeshOptions,
): Service {
  return {
    ...names,
    origin: 'workloads',
    addresses: [],
    ports: sortPorts(ports.map(({ name, number }) => ({ number, name, protocol: protocolOf({ name, number }) }))),
    resolution: 'eds',
    external: false,
    exportTo: mesh.defaultServiceExportTo,
    subjectAltNames: [],
    createdAt: undefined,
    refs: [],
  };
}

/** Services that exist because workloads say that they are instances of them. */
function workloadServices(workloads: readonly RegisteredWorkload[], mesh: MeshOptions): readonly Discovered[] {
  return workloads.flatMap((workload) => {
    if (workload.service === undefined || workload.kind !== 'sidecar') return [];
    const service = declaredService(
      {
        name: workload.service,
        namespace: workload.namespace,
        hostname: serviceHostname(workload.service, workload.namespace, mesh.domainSuffix),
      },
      workload.ports.map((port) => ({ name: port.name, number: port.servicePort })),
      mesh,
    );
    return [
      { service, endpoints: workload.ports.map((port) => workloadEndpoint(workload, port.servicePort, port, mesh)) },
    ];
  });
}

/** Kubernetes Service objects in the configuration: their selectors choose among the workloads of their namespace. */
function kubernetesServices(
  configs: readonly Config<ServiceSpec>[],
  workloads: readonly RegisteredWorkload[],
  mesh: MeshOptions,
): readonly Discovered[] {
  return configs.map((config) => {
    const { spec } = config;
    const ports = (spec.ports ?? []).filter((port) => protocolOf({ ...port, number: port.port }) !== 'udp');
    const addresses = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
    const external = spec.type === 'ExternalName' && spec.externalName !== undefined;
    const service: Service = {
      hostname: serviceHostname(config.name, config.namespace, mesh.domainSuffix),
      namespace: config.namespace,
      name: config.name,
      origin: 'kubernetes',
      addresses: addresses.filter((address) => address !== '' && address !== 'None'),
      ports: sortPorts(
        ports.map((port) => ({
          number: port.port,
          name: port.name ?? '',
          protocol: protocolOf({
            name: port.name,
            number: port.port,
            protocol: port.protocol,
            appProtocol: port.appProtocol,
          }),
        })),
      ),
      resolution: external ? 'dns' : 'eds',
      external,
      exportTo: annotationExportTo(config, mesh),
      subjectAltNames: [],
      createdAt: config.createdAt,
      refs: [config.ref],
      ...sessionOf(config.labels),
      ...preferenceOf(spec.trafficDistribution ?? config.annotations[TRAFFIC_ANNOTATION]),
    };
    if (external)
      return { service, endpoints: ports.map((port) => externalEndpoint(config, spec.externalName ?? '', port.port)) };
    const selector = spec.selector ?? {};
    const selected =
      Object.keys(selector).length === 0
        ? []
        : workloads.filter(
            (workload) =>
              workload.namespace === config.namespace &&
              workload.kind === 'sidecar' &&
              matchesLabels(selector, workload.labels),
          );
    const endpoints = selected.flatMap((workload) =>
      ports.flatMap((port) => {
        const target = port.targetPort ?? port.port;
        const found = workload.ports.find((candidate) =>
          typeof target === 'string' ? candidate.name === target : candidate.servicePort === target,
        );
        return found ? [workloadEndpoint(workload, port.port, found, mesh)] : [];
      }),
    );
    return { service, endpoints };
  });
}

const TRAFFIC_ANNOTATION = 'networking.istio.io/traffic-distribution';

/** Other words are for other meshes. */
function preferenceOf(word: string | undefined): Pick<Service, 'prefer'> {
  switch (word?.toLowerCase()) {
    case 'preferclose':
    case 'prefersamezone':
      return { prefer: 'zone' };
    case 'prefersamenode':
      return { prefer: 'node' };
    default:
      return {};
  }
}

const COOKIE_LABEL = 'istio.io/persistent-session';
const HEADER_LABEL = 'istio.io/persistent-session-header';

/** `NAME` or `NAME:PATH` for a cookie; labels can not hold a `/`, so that annotations of the same name count too. */
function sessionOf(words: Readonly<Record<string, string>>): Pick<Service, 'session'> {
  const header = words[HEADER_LABEL];
  if (header !== undefined && header !== '') return { session: { kind: 'header', name: header.toLowerCase() } };
  const [name = '', path = '/'] = (words[COOKIE_LABEL] ?? '').split(':');
  return name === '' ? {} : { session: { kind: 'cookie', name, path } };
}

function annotationExportTo(config: Config<unknown>, mesh: MeshOptions): readonly string[] {
  const text = config.annotations['networking.istio.io/exportTo'];
  const entries = (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  return entries.length === 0 ? mesh.defaultServiceExportTo : entries;
}

function externalEndpoint(config: Config<unknown>, address: string, port: number): Endpoint {
  return {
    servicePort: port,
    address,
    port,
    workloadPort: port,
    health: 'healthy',
    weight: 1,
    labels: {},
    locality: parseLocality(undefined),
    workload: '',
    namespace: config.namespace,
    identity: undefined,
    hasSidecar: false,
  };
}
