/** Registries for tests: Bookinfo as `weft demo` registers it, in the loopback form. */
import type { OutboundBind, RegisteredService, RegisteredWorkload, RegistryState } from '@weft/contracts';

export interface WorkloadSpec {
  readonly service: string;
  readonly version?: string;
  readonly index: number;
  readonly namespace?: string;
  readonly portName?: string;
  readonly port?: number;
  readonly health?: RegisteredWorkload['health'];
  readonly account?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const hostname = (service: string, namespace: string): string => `${service}.${namespace}.svc.cluster.local`;

export const BOOKINFO: readonly WorkloadSpec[] = [
  { service: 'productpage', index: 2 },
  { service: 'details', index: 3 },
  { service: 'reviews', version: 'v1', index: 4 },
  { service: 'reviews', version: 'v2', index: 5 },
  { service: 'reviews', version: 'v3', index: 6 },
  { service: 'ratings', index: 7 },
];

/** Every workload can call every service that the list names. */
export function registryOf(specs: readonly WorkloadSpec[]): RegistryState {
  const names = [...new Map(specs.map((spec) => [`${spec.namespace ?? 'default'}/${spec.service}`, spec])).values()];
  const services = names.map((spec): RegisteredService => {
    const namespace = spec.namespace ?? 'default';
    return {
      name: spec.service,
      namespace,
      hostname: hostname(spec.service, namespace),
      ports: [{ name: spec.portName ?? 'http', port: spec.port ?? 9080 }],
    };
  });
  const binds = (index: number): readonly OutboundBind[] =>
    services.map((service, offset) => ({
      hostname: service.hostname,
      servicePort: service.ports[0]?.port ?? 0,
      bind: `127.66.${index}.${offset + 2}`,
      port: service.ports[0]?.port ?? 0,
    }));
  return {
    version: 1,
    meshId: 'test',
    trustDomain: 'cluster.local',
    services,
    workloads: [...specs.map((spec) => workload(spec, binds(spec.index))), gateway()],
  };
}

export const bookinfo = (): RegistryState => registryOf(BOOKINFO);

/** The same workloads, and one that speaks a protocol of its own and one that does not say, in the isolated form. */
export function isolatedBookinfo(): RegistryState {
  const state = registryOf([
    ...BOOKINFO,
    { service: 'mongodb', index: 8, portName: 'tcp-mongo', port: 27_017 },
    { service: 'mystery', index: 9, portName: 'port', port: 7000 },
  ]);
  return {
    ...state,
    services: state.services.map((service, index) => ({ ...service, vip: `10.96.0.${index + 10}` })),
    workloads: state.workloads.map((entry): RegisteredWorkload => {
      if (entry.kind === 'gateway') return entry;
      const index = entry.address.split('.')[2] ?? '';
      const address = `10.244.0.${index}`;
      return {
        ...entry,
        address,
        ports: entry.ports.map((port) => ({ ...port, appAddress: address, appPort: port.servicePort })),
        interception: { mode: 'redirect' },
        adminAddress: '127.0.0.1:15000',
      };
    }),
  };
}

function workload(spec: WorkloadSpec, outbound: readonly OutboundBind[]): RegisteredWorkload {
  const version = spec.version ?? 'v1';
  const address = `127.66.${spec.index}.1`;
  const port = spec.port ?? 9080;
  return {
    name: `${spec.service}-${version}`,
    namespace: spec.namespace ?? 'default',
    kind: 'sidecar',
    serviceAccount: spec.account ?? `bookinfo-${spec.service}`,
    labels: { app: spec.service, version, ...spec.labels },
    service: spec.service,
    address,
    ports: [
      {
        name: spec.portName ?? 'http',
        servicePort: port,
        meshPort: port,
        appAddress: '127.0.0.1',
        appPort: 30_000 + spec.index,
      },
    ],
    interception: { mode: 'loopback', outbound, httpProxy: { bind: address, port: 15_080 } },
    health: spec.health ?? 'healthy',
    adminAddress: `${address}:15000`,
    startedAt: 0,
  };
}

function gateway(): RegisteredWorkload {
  return {
    name: 'gateway',
    namespace: 'weft-system',
    kind: 'gateway',
    serviceAccount: 'weft-gateway',
    labels: { app: 'gateway', version: 'v1', istio: 'ingressgateway' },
    address: '127.66.1.1',
    ports: [],
    interception: {
      mode: 'gateway',
      binds: [
        { gatewayPort: 80, bind: '127.0.0.1', port: 8080 },
        { gatewayPort: 8080, bind: '127.0.0.1', port: 8080 },
      ],
    },
    health: 'healthy',
    adminAddress: '127.66.1.1:15000',
    startedAt: 0,
  };
}
