import type { Logger } from '@weft/kit';
import type { ConfigEvent } from './config-store.ts';

export interface Listeners {
  add(listener: (event: ConfigEvent) => void): () => void;
  tell(event: ConfigEvent): void;
}

/** Calls every listener, also when one of them throws. */
export function createListeners(logger: Logger): Listeners {
  const listeners = new Set<(event: ConfigEvent) => void>();
  return {
    add(listener) {
      // A wrapper of its own, so that one function subscribed twice is called twice.
      const entry = (event: ConfigEvent): void => listener(event);
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    tell(event) {
      // Who subscribes meanwhile is not told of this change.
      const told = [...listeners];
      for (const listener of told) {
        try {
          listener(event);
        } catch (error) {
          logger.error({ err: error }, 'a reader of configuration failed on a change');
        }
      }
    },
  };
}
