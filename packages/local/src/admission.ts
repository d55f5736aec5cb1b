/** Gives workloads their addresses and ports, and writes them into the registry. */
import { join } from 'node:path';
import { GATEWAY_ACCOUNT, type RegisteredService, type RegisteredWorkload } from '@weft/contracts';
import { WeftError, type Clock } from '@weft/kit';
import type { Admission, MeshEndpoints, WorkloadSpec } from './mesh-link.ts';
import type { Placer } from './placement.ts';
import type { LocalRegistry } from './registry.ts';
import type { StateDir } from './state-dir.ts';

export interface AdmissionDeps {
  readonly registry: LocalRegistry;
  readonly clock: Clock;
  readonly dir: StateDir;
  readonly placer: Placer;
  readonly endpoints: () => MeshEndpoints;
  readonly proxyFlags: (spec: WorkloadSpec) => readonly string[];
}

export interface Admissions {
  /** Makes services known before their workloads start, so that all get addresses for them. */
  declare(services: readonly RegisteredService[]): void;
  admit(spec: WorkloadSpec): Promise<Admission>;
  leave(name: string, namespace: string): void;
}

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export function createAdmissions(deps: AdmissionDeps): Admissions {
  const { registry, placer } = deps;

  /** A service that appeared: workloads already here may get a listener for it. */
  const extendOthers = async (): Promise<void> => {
    for (const workload of registry.state().workloads) {
      const interception = await placer.extend(workload, registry);
      if (interception) registry.update(workload.name, workload.namespace, { interception });
    }
  };

  const declare = (services: readonly RegisteredService[]): void => {
    for (const service of services) {
      const vip = placer.serviceAddress(service.hostname);
      registry.declare(vip === undefined ? service : { ...service, vip });
    }
  };

  return {
    declare,
    async admit(spec) {
      checkSpec(spec, registry.state().workloads);
      if (spec.service !== undefined) declare([serviceOf(spec.service, spec)]);
      try {
        const { interception, ...place } = await placer.place(spec, registry);
        registry.put({
          name: spec.name,
          namespace: spec.namespace,
          kind: spec.kind,
          serviceAccount: spec.serviceAccount,
          labels: spec.labels,
          ...(spec.service === undefined ? {} : { service: spec.service }),
          address: place.address,
          ports: place.ports,
          interception,
          health: 'starting',
          adminAddress: place.adminAddress,
          ...(spec.ownSidecar === true ? { ownSidecar: true } : {}),
          startedAt: deps.clock.now(),
        });
        await extendOthers();
        return {
          ...place,
          services: registry.state().services,
          trustDomain: registry.state().trustDomain,
          meshId: registry.state().meshId,
          ...deps.endpoints(),
          proxyFlags: deps.proxyFlags(spec),
          saveDir: join(deps.dir.proxies, `${spec.name}.${spec.namespace}`),
          logsDir: deps.dir.logs,
        };
      } catch (error) {
        placer.leave(spec, undefined);
        throw error;
      }
    },
    leave(name, namespace) {
      const workload = registry.state().workloads.find((item) => item.name === name && item.namespace === namespace);
      registry.remove(name, namespace);
      placer.leave({ name, namespace }, workload);
    },
  };
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
