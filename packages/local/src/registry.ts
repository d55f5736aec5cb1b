/** The supervisor's table of workloads: the truth that the control plane follows. */
import type { RegisteredService, RegisteredWorkload, RegistryState } from '@weft/contracts';

export interface LocalRegistry {
  state(): RegistryState;
  /** Adds a service, or ports to one; services stay until the supervisor ends. */
  declare(service: RegisteredService): void;
  put(workload: RegisteredWorkload): void;
  /** Replaces some fields of a workload, if it is still there. */
  update(name: string, namespace: string, change: Partial<RegisteredWorkload>): void;
  remove(name: string, namespace: string): void;
  /** Called after each change, and once at once. */
  subscribe(onState: (state: RegistryState) => void): () => void;
}

export function createLocalRegistry(meshId: string, trustDomain: string): LocalRegistry {
  let state: RegistryState = { version: 0, meshId, trustDomain, services: [], workloads: [] };
  const subscribers = new Set<(state: RegistryState) => void>();
  const change = (part: Partial<RegistryState>): void => {
    state = { ...state, ...part, version: state.version + 1 };
    for (const notify of subscribers) notify(state);
  };
  const set = (workloads: readonly RegisteredWorkload[]): void => change({ workloads });
  const same = (name: string, namespace: string) => (workload: RegisteredWorkload) =>
    workload.name === name && workload.namespace === namespace;
  return {
    state: () => state,
    declare(service) {
      const known = state.services.find((item) => item.hostname === service.hostname);
      const added = service.ports.filter((port) => !known?.ports.some((item) => item.port === port.port));
      if (known && added.length === 0) return;
      const merged = { ...service, ports: [...(known?.ports ?? []), ...added] };
      change({ services: [...state.services.filter((item) => item !== known), merged] });
    },
    put(workload) {
      const others = state.workloads.filter((item) => !same(workload.name, workload.namespace)(item));
      set([...others, workload]);
    },
    update(name, namespace, change) {
      const is = same(name, namespace);
      if (state.workloads.some(is)) set(state.workloads.map((item) => (is(item) ? { ...item, ...change } : item)));
    },
    remove(name, namespace) {
      const is = same(name, namespace);
      if (state.workloads.some(is)) set(state.workloads.filter((item) => !is(item)));
    },
    subscribe(onState) {
      subscribers.add(onState);
      onState(state);
      return () => void subscribers.delete(onState);
    },
  };
}
