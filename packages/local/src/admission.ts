/** Gives workloads their addresses and ports, and writes them into the registry. */
import { join } from 'node:path';
import {
  GATEWAY_ACCOUNT,
  type OutboundBind,
  type RegisteredService,
  type RegisteredWorkload,
  type WorkloadPort,
} from '@weft/contracts';
import { WeftError, type Clock } from '@weft/kit';
import { blockPlan, createIndexPool } from './addresses.ts';
import type { Admission, WorkloadSpec } from './mesh-link.ts';
import { pickPort } from './port-picker.ts';
import type { LocalRegistry } from './registry.ts';
import type { StateDir } from './state-dir.ts';

export interface MeshEndpoints {
  readonly xdsAddress: string;
  readonly caAddress: string;
  readonly rootCaPem: string;
  readonly adminToken: string;
  readonly certificateTtlMs: number;
}

export interface AdmissionDeps {
  readonly registry: LocalRegistry;
  readonly clock: Clock;
  readonly dir: StateDir;
  /** Undefined where only 127.0.0.1 exists. */
  readonly block: number | undefined;
  readonly gatewayBinds: Admission['gatewayBinds'];
  readonly endpoints: () => MeshEndpoints;
}

export interface Admissions {
  /** Makes services known before their workloads start, so that all get addresses for them. */
  declare(services: readonly RegisteredService[]): void;
  admit(spec: WorkloadSpec): Promise<Admission>;
  leave(name: string, namespace: string): void;
}

const ADMIN_PORT = 15000;
const HTTP_PROXY_PORT = 15080;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export function createAdmissions(deps: AdmissionDeps): Admissions {
  const { registry, block } = deps;
  const plan = block === undefined ? undefined : blockPlan(block);
  const indexes = createIndexPool();
  const indexOf = new Map<string, number>();
  const serviceIndexes = new Map<string, number>();
  const taken = new Set<string>();

  const workloadAddress = (index: number): string => plan?.workload(index) ?? '127.0.0.1';
  const serviceAddress = (index: number, hostname: string): string => {
    let service = serviceIndexes.get(hostname);
    if (service === undefined) {
      service = serviceIndexes.size + 1;
      serviceIndexes.set(hostname, service);
    }
    return plan?.service(index, service) ?? '127.0.0.1';
  };
  const preferred = (port: number): number => (plan ? port : 0);

  /** Outbound listeners of one workload for every declared service port. */
  const outboundFor = async (index: number, known: readonly OutboundBind[]): Promise<OutboundBind[]> => {
    const binds: OutboundBind[] = [];
    for (const { hostname, ports } of registry.state().services) {
      for (const { port: servicePort } of ports) {
        const existing = known.find((item) => item.hostname === hostname && item.servicePort === servicePort);
        if (existing) {
          binds.push(existing);
          continue;
        }
        const bind = serviceAddress(index, hostname);
        binds.push({ hostname, servicePort, bind, port: await pickPort(bind, preferred(servicePort), taken) });
      }
    }
    return binds;
  };

  /** A service that appeared: workloads already here get a listener for it. */
  const extendOthers = async (): Promise<void> => {
    for (const workload of registry.state().workloads) {
      const index = indexOf.get(keyOf(workload));
      if (index === undefined || workload.interception.mode !== 'loopback') continue;
      const outbound = await outboundFor(index, workload.interception.outbound);
      if (outbound.length > workload.interception.outbound.length) {
        registry.update(workload.name, workload.namespace, { interception: { ...workload.interception, outbound } });
      }
    }
  };

  const declare = (services: readonly RegisteredService[]): void =>
    services.forEach((service) => registry.declare(service));

  return {
    declare,
    async admit(spec) {
      checkSpec(spec, registry.state().workloads);
      const index = indexes.take();
      indexOf.set(keyOf(spec), index);
      try {
        const address = workloadAddress(index);
        if (spec.service !== undefined) declare([serviceOf(spec.service, spec)]);
        const ports: WorkloadPort[] = [];
        for (const port of spec.ports)
          ports.push({ ...port, meshPort: await pickPort(address, preferred(port.servicePort), taken) });
        const adminAddress = `${address}:${await pickPort(address, preferred(ADMIN_PORT), taken)}`;
        const gateway = spec.kind === 'gateway';
        const outbound = gateway ? [] : await outboundFor(index, []);
        const httpProxy = gateway
          ? undefined
          : { bind: address, port: await pickPort(address, preferred(HTTP_PROXY_PORT), taken) };
        const gatewayBinds = gateway ? deps.gatewayBinds : [];
        const workload: RegisteredWorkload = {
          name: spec.name,
          namespace: spec.namespace,
          kind: spec.kind,
          serviceAccount: spec.serviceAccount,
          labels: spec.labels,
          ...(spec.service === undefined ? {} : { service: spec.service }),
          address,
          ports,
          interception: gateway
            ? { mode: 'gateway', binds: gatewayBinds }
            : { mode: 'loopback', outbound, ...(httpProxy ? { httpProxy } : {}) },
          health: 'starting',
          adminAddress,
          ...(spec.ownSidecar === true ? { ownSidecar: true } : {}),
          startedAt: deps.clock.now(),
        };
        registry.put(workload);
        await extendOthers();
        return {
          address,
          adminAddress,
          ports,
          outbound,
          ...(httpProxy ? { httpProxy } : {}),
          gatewayBinds,
          trustDomain: registry.state().trustDomain,
          meshId: registry.state().meshId,
          ...deps.endpoints(),
          saveDir: join(deps.dir.proxies, `${spec.name}.${spec.namespace}`),
          logsDir: deps.dir.logs,
        };
      } catch (error) {
        indexes.release(index);
        indexOf.delete(keyOf(spec));
        throw error;
      }
    },
    leave(name, namespace) {
      const workload = registry.state().workloads.find((item) => item.name === name && item.namespace === namespace);
      registry.remove(name, namespace);
      const index = indexOf.get(keyOf({ name, namespace }));
      if (index === undefined) return;
      indexOf.delete(keyOf({ name, namespace }));
      indexes.release(index);
      if (workload) for (const used of addressesOf(workload)) taken.delete(used);
    },
  };
}

const keyOf = ({ name, namespace }: { readonly name: string; readonly namespace: string }): string =>
  `${namespace}/${name}`;

function addressesOf(workload: RegisteredWorkload): string[] {
  const { interception } = workload;
  return [
    workload.adminAddress,
    ...workload.ports.map((port) => `${workload.address}:${port.meshPort}`),
    ...(interception.mode === 'loopback' ? interception.outbound.map((item) => `${item.bind}:${item.port}`) : []),
    ...(interception.mode === 'loopback' && interception.httpProxy
      ? [`${interception.httpProxy.bind}:${interception.httpProxy.port}`]
      : []),
  ];
}

export function serviceOf(name: string, spec: Pick<WorkloadSpec, 'namespace' | 'ports'>): RegisteredService {
  return {
    name,
    namespace: spec.namespace,
    hostname: `${name}.${spec.namespace}.svc.cluster.local`,
    ports: spec.ports.map((port) => ({ name: port.name, port: port.servicePort })),
  };
}

function checkSpec(spec: WorkloadSpec, present: readonly RegisteredWorkload[]): void {
  for (const [what, value] of [
    ['name', spec.name],
    ['namespace', spec.namespace],
    ['service account', spec.serviceAccount],
    ...(spec.service === undefined ? [] : [['service', spec.service]]),
  ] as const) {
    if (!DNS_LABEL.test(value ?? '')) {
      throw new WeftError('WEFT_BAD_WORKLOAD', `the workload's ${what} "${value}" is not a DNS label`, {
        fix: 'use lower-case letters, digits and "-", at most 63 of them',
      });
    }
  }
  if (spec.kind === 'gateway' && spec.serviceAccount !== GATEWAY_ACCOUNT) {
    throw new WeftError('WEFT_BAD_WORKLOAD', `a gateway has the service account ${GATEWAY_ACCOUNT}`);
  }
  if (present.some((item) => item.name === spec.name && item.namespace === spec.namespace)) {
    throw new WeftError('WEFT_NAME_TAKEN', `a workload ${spec.name} already runs in namespace ${spec.namespace}`, {
      fix: 'choose another name with --name',
    });
  }
}
