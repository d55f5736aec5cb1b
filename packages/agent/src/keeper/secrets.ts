import type { WorkloadSecret } from '@weft/contracts';
import { errorMessage, type Logger } from '@weft/kit';

/** All that a proxy needs to be this workload. Held in memory only. */
export interface AgentSecrets {
  readonly default: WorkloadSecret;
  /** One or more roots. */
  readonly rootCaPem: string;
}

/** One SDS resource that changed. */
export type SecretUpdate =
  | ({ readonly name: 'default' } & WorkloadSecret)
  | { readonly name: 'ROOTCA'; readonly pem: string };

export type SecretListener = (update: SecretUpdate) => void;

/** The current secrets and who wants to know of new ones. */
export interface SecretHub {
  current(): AgentSecrets | undefined;
  /** Publishes what differs: roots before the certificate, so that nobody meets a chain whose root is not trusted yet. */
  replace(next: AgentSecrets): void;
  /** Calls back at once with what there is, and then on each change. @returns how to stop. */
  subscribe(listener: SecretListener): () => void;
}

export function createSecretHub(logger: Logger): SecretHub {
  let current: AgentSecrets | undefined;
  const listeners = new Set<SecretListener>();
  const tell = (listener: SecretListener, update: SecretUpdate): void => {
    try {
      listener(update);
    } catch (error) {
      logger.error({ resource: update.name, error: errorMessage(error) }, 'a receiver of secrets failed');
    }
  };
  const publish = (update: SecretUpdate): void => {
    for (const listener of listeners) tell(listener, update);
  };
  return {
    current: () => current,
    replace(next) {
      const former = current;
      if (former?.rootCaPem !== next.rootCaPem) {
        // Until the certificate follows, `current` pairs the new roots with the former certificate.
        if (former) current = { default: former.default, rootCaPem: next.rootCaPem };
        publish({ name: 'ROOTCA', pem: next.rootCaPem });
      }
      current = next;
      publish({ name: 'default', ...next.default });
    },
    subscribe(listener) {
      listeners.add(listener);
      if (current) {
        tell(listener, { name: 'ROOTCA', pem: current.rootCaPem });
        tell(listener, { name: 'default', ...current.default });
      }
      return () => void listeners.delete(listener);
    },
  };
}
