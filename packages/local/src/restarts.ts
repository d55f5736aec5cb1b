/** Who can give a workload another sidecar process: its runner, in this process or in another one. */
import { WeftError } from '@weft/kit';

export interface RestartRequest {
  /** How long the connections of the process before may go on. */
  readonly drainMs: number;
  /** Answer when the process before has ended, not when it was replaced. */
  readonly wait: boolean;
  /** Of the new process, beside those that each needs. Default: as the one before. */
  readonly proxyFlags?: readonly string[];
}

export interface RestartResult {
  readonly pid?: number;
  readonly formerPid?: number;
  /** What the drain deadline cut; only when waited for. */
  readonly cutConnections?: number;
}

export type Restart = (request: RestartRequest) => Promise<RestartResult>;

export interface Restarts {
  /** @returns what takes it away. */
  offer(name: string, namespace: string, restart: Restart): () => void;
  /** @throws {WeftError} WEFT_NOT_FOUND, WEFT_RESTART_FAILED. */
  restart(name: string, namespace: string, request: RestartRequest): Promise<RestartResult>;
}

/** @param onOffer told after each offer. */
export function createRestarts(
  known: (name: string, namespace: string) => boolean,
  onOffer: (name: string, namespace: string) => void = () => {},
): Restarts {
  const offers = new Map<string, Restart>();
  const keyOf = (name: string, namespace: string): string => `${namespace}/${name}`;
  return {
    offer(name, namespace, restart) {
      const key = keyOf(name, namespace);
      offers.set(key, restart);
      onOffer(name, namespace);
      return () => {
        if (offers.get(key) === restart) offers.delete(key);
      };
    },
    async restart(name, namespace, request) {
      const found = offers.get(keyOf(name, namespace));
      if (found !== undefined) return found(request);
      if (!known(name, namespace))
        throw new WeftError('WEFT_NOT_FOUND', `no workload ${name} in namespace ${namespace}`, {
          fix: '"weft status" lists what runs',
        });
      throw new WeftError('WEFT_RESTART_FAILED', `the sidecar of ${name} is not the mesh's own`, {
        fix: 'restart it where you started it',
      });
    },
  };
}

const MAX_DRAIN_MS = 86_400_000;

/** @throws {WeftError} WEFT_BAD_REQUEST. */
export function parseRestart(value: unknown): RestartRequest {
  const { drainMs, wait = false } = (value ?? {}) as Partial<RestartRequest>;
  if (typeof drainMs !== 'number' || !(drainMs >= 0 && drainMs <= MAX_DRAIN_MS) || typeof wait !== 'boolean')
    throw new WeftError('WEFT_BAD_REQUEST', `a restart needs drainMs, 0 to ${MAX_DRAIN_MS}`);
  return { drainMs, wait };
}
