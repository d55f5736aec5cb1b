import { randomUUID } from 'node:crypto';
import { configKey, refOf, type ConfigKey, type ConfigObject } from '@weft/contracts/config';
import { silentLogger, type Clock, type Logger } from '@weft/kit';
import type { ApplyResult, WritableConfigStore } from './config-store.ts';
import { createListeners } from './listeners.ts';
import { createObjectTable, sameContent } from './object-table.ts';

export interface MemoryStoreDeps {
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly objects?: readonly ConfigObject[];
}

/** A store without files: for tests, and for a mesh whose configuration comes from elsewhere. */
export function createMemoryStore({
  clock,
  logger = silentLogger,
  objects = [],
}: MemoryStoreDeps): WritableConfigStore {
  const table = createObjectTable({ timestamp: () => new Date(clock.now()).toISOString(), uid: randomUUID });
  const listeners = createListeners(logger);
  const held = new Map<ConfigKey, ConfigObject>();

  const put = (object: ConfigObject): void => void held.set(configKey(refOf(object)), object);
  const settle = (): void => {
    const event = table.replace(held.values());
    if (event !== undefined) listeners.tell(event);
  };
  for (const object of objects) put(object);
  table.replace(held.values());

  return {
    // The table is keyed by kind, so a list of one kind holds that kind only.
    list: (kind) => table.list(kind) as never,
    get: (kind, namespace, name) => table.get(configKey({ kind, namespace, name })) as never,
    subscribe: (listener) => listeners.add(listener),
    status: () => ({ ready: true, version: table.version(), objects: table.size(), problems: [], files: [] }),
    apply(items) {
      const results = items.map(({ object }): ApplyResult => {
        const ref = refOf(object);
        const former = held.get(configKey(ref));
        put(object);
        if (former === undefined) return { ref, outcome: 'created' };
        return { ref, outcome: sameContent(former, object) ? 'unchanged' : 'configured' };
      });
      settle();
      return Promise.resolve(results);
    },
    delete(ref) {
      const existed = held.delete(configKey(ref));
      settle();
      return Promise.resolve(existed);
    },
    close: () => Promise.resolve(),
  };
}
