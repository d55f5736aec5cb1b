import type { RegisteredService, RegisteredWorkload, RegistryState } from '@weft/contracts';
import { compareText } from '../model/hostname.ts';
import type { ServiceRegistry } from './service-registry.ts';

/** Several registries as one. A workload that two of them name (namespace and name) is taken from the first. */
export function mergeRegistries(registries: readonly ServiceRegistry[]): ServiceRegistry {
  const [only, ...others] = registries;
  if (only && others.length === 0) return only;
  return {
    name: registries.map((registry) => registry.name).join('+'),
    state: () => mergeStates(registries.map((registry) => registry.state())),
    synced: () => registries.every((registry) => registry.synced()),
    subscribe(changed) {
      const ends = registries.map((registry) => registry.subscribe(changed));
      return () => ends.forEach((end) => end());
    },
    async close() {
      await Promise.all(registries.map(async (registry) => registry.close()));
    },
  };
}

export function mergeStates(states: readonly RegistryState[]): RegistryState {
  const workloads = new Map<string, RegisteredWorkload>();
  for (const state of states) {
    for (const workload of state.workloads) {
      const key = `${workload.namespace}/${workload.name}`;
      if (!workloads.has(key)) workloads.set(key, workload);
    }
  }
  const services = new Map<string, RegisteredService>();
  for (const service of states.flatMap((state) => state.services)) {
    const known = services.get(service.hostname);
    services.set(service.hostname, known ? joinServices(known, service) : service);
  }
  return {
    version: states.reduce((sum, state) => sum + state.version, 0),
    meshId: states.find((state) => state.meshId !== '')?.meshId ?? '',
    trustDomain:
      states.find((state) => state.workloads.length > 0)?.trustDomain ?? states[0]?.trustDomain ?? 'cluster.local',
    services: sorted(services),
    workloads: sorted(workloads),
  };
}

const sorted = <T>(byKey: ReadonlyMap<string, T>): readonly T[] =>
  [...byKey.entries()].sort(([a], [b]) => compareText(a, b)).map(([, value]) => value);

/** The same host name from two registries is one service with the ports of both; the first virtual IP holds. */
function joinServices(first: RegisteredService, second: RegisteredService): RegisteredService {
  const known = new Set(first.ports.map((port) => port.port));
  const vip = first.vip ?? second.vip;
  return {
    ...first,
    ...(vip === undefined ? {} : { vip }),
    ports: [...first.ports, ...second.ports.filter((port) => !known.has(port.port))],
  };
}
