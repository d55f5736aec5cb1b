import type { RegistryState } from '@weft/contracts';
import { EMPTY_REGISTRY, type ServiceRegistry } from './service-registry.ts';

/** A registry that its owner fills: for the supervisor's stream, for a file, for tests. */
export interface MemoryRegistry extends ServiceRegistry {
  set(state: RegistryState): void;
}

export function createMemoryRegistry(name: string, initial?: RegistryState): MemoryRegistry {
  let current = initial;
  const listeners = new Set<() => void>();
  return {
    name,
    state: () => current ?? EMPTY_REGISTRY,
    synced: () => current !== undefined,
    subscribe(changed) {
      listeners.add(changed);
      return () => void listeners.delete(changed);
    },
    set(state) {
      current = state;
      for (const changed of listeners) changed();
    },
    close: () => listeners.clear(),
  };
}
