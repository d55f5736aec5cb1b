/** The supervisor's registry as pilot and the console see it. */
import type { RegisteredWorkload, RegistryState } from '@weft/contracts';
import type { RegistrySource, ServiceRecord } from '@weft/console-api';
import type { World } from '@weft/config';
import { watchRegistry } from '@weft/local';
import type { Clock, Logger, Random } from '@weft/kit';

export interface FollowedRegistry {
  readonly name: string;
  state(): RegistryState;
  /** False until the first state has arrived. */
  synced(): boolean;
  subscribe(changed: () => void): () => void;
  close(): void;
}

export function followRegistry(
  socketPath: string,
  trustDomain: string,
  deps: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
): FollowedRegistry {
  let state: RegistryState = { version: 0, meshId: '', trustDomain, services: [], workloads: [] };
  let synced = false;
  const listeners = new Set<() => void>();
  const client = watchRegistry(socketPath, {
    ...deps,
    onState(next) {
      state = next;
      synced = true;
      for (const notify of listeners) notify();
    },
  });
  return {
    name: 'local',
    state: () => state,
    synced: () => synced,
    subscribe(changed) {
      listeners.add(changed);
      return () => void listeners.delete(changed);
    },
    close: () => client.close(),
  };
}

export function createRegistrySource(registry: FollowedRegistry): RegistrySource {
  return {
    services: () => registry.state().services.map(serviceRecord),
    workloads: (): readonly RegisteredWorkload[] => registry.state().workloads,
    subscribe: (changed) => registry.subscribe(changed),
  };
}

function serviceRecord({ namespace, name, hostname, ports }: RegistryState['services'][number]): ServiceRecord {
  const protocolOf = (portName: string): string => portName.split('-')[0] ?? portName;
  return {
    namespace,
    name,
    hostname,
    internal: true,
    ports: ports.map((port) => ({ name: port.name, port: port.port, protocol: protocolOf(port.name) })),
  };
}

/** What the analyzer checks names against; the same object until the registry changes. */
export function followWorld(registry: Pick<FollowedRegistry, 'state'>): () => World {
  let of: RegistryState | undefined;
  let world: World | undefined;
  return () => {
    const state = registry.state();
    if (world === undefined || of !== state) world = worldOf(state);
    of = state;
    return world;
  };
}

function worldOf({ services, workloads }: RegistryState): World {
  return {
    services: services.map(({ name, namespace, hostname, ports }) => ({
      hostname,
      ports: ports.map((port) => ({ number: port.port, name: port.name })),
      workloads: workloads
        .filter((workload) => workload.service === name && workload.namespace === namespace)
        .map((workload) => workload.labels),
    })),
    workloads: workloads.map(({ namespace, labels }) => ({ namespace, labels })),
    // What is not here has never run here; a host of outside has a ServiceEntry.
    complete: true,
  };
}
