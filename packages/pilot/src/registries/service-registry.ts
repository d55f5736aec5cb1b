import type { RegistryState } from '@weft/contracts';

/** Where workloads are known. Implementations tell the whole state; the model finds what changed. */
export interface ServiceRegistry {
  readonly name: string;
  /** The latest state; an empty one until the first arrives. Frozen by convention: a change is a new object. */
  state(): RegistryState;
  /** False until the first state has arrived: pushing before that would tell proxies that nobody is there. */
  synced(): boolean;
  /** @returns a function that ends the subscription. */
  subscribe(changed: () => void): () => void;
  close(): void | Promise<void>;
}

export const EMPTY_REGISTRY: RegistryState = {
  version: 0,
  meshId: '',
  trustDomain: 'cluster.local',
  services: [],
  workloads: [],
};
