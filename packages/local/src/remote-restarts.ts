/** Restarts of workloads whose runner is another process: asked over the stream that it joined by, answered by a call. */
import { WeftError } from '@weft/kit';
import type { RestartRequest, RestartResult } from './restarts.ts';

/** A line of the stream behind the first one. */
export interface RestartLine {
  readonly restart: RestartRequest & { readonly id: number };
}

export interface RestartAnswer {
  readonly id: number;
  readonly result?: RestartResult;
  readonly error?: { readonly code: string; readonly message: string; readonly fix?: string };
}

export interface RemoteRestarts {
  ask(write: (line: RestartLine) => void, request: RestartRequest): Promise<RestartResult>;
  answer(answer: RestartAnswer): void;
}

interface Asked {
  readonly resolve: (result: RestartResult) => void;
  readonly reject: (error: WeftError) => void;
}

/** Of one runner. */
export function createRemoteRestarts(): RemoteRestarts & { close(): void } {
  const waiting = new Map<number, Asked>();
  let last = 0;
  return {
    ask(write, request) {
      last += 1;
      const id = last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        write({ restart: { ...request, id } });
      });
    },
    answer({ id, result, error }) {
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) asked?.resolve(result ?? {});
      else asked?.reject(new WeftError(error.code, error.message, error.fix === undefined ? {} : { fix: error.fix }));
    },
    close() {
      for (const { reject } of waiting.values())
        reject(new WeftError('WEFT_RESTART_FAILED', 'the workload ended meanwhile'));
      waiting.clear();
    },
  };
}
