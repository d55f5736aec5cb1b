// Profiles of workers: asked for by message, since a thread can only look at itself.
import type { Clock } from '@weft/kit';
import type { ProfileKind } from '../admin/profiles.ts';
import type { ProfileAnswer, ToWorker } from './messages.ts';

export interface WorkerProfiles {
  /** @returns what the worker found. @throws when it is busy with another, does not answer, or ended. */
  make(worker: number, kind: ProfileKind, ms: number): Promise<string>;
  take(answer: ProfileAnswer): void;
  /** Nothing more will come from it. */
  ended(worker: number): void;
}

interface Asked {
  readonly worker: number;
  readonly resolve: (profile: string) => void;
  readonly reject: (error: Error) => void;
}

/** Beyond the time that the profile takes. */
const ANSWER_WITHIN_MS = 10_000;

export function createWorkerProfiles(post: (worker: number, message: ToWorker) => void, clock: Clock): WorkerProfiles {
  const asked = new Map<number, Asked>();
  let last = 0;
  return {
    async make(worker, kind, ms) {
      last += 1;
      const id = last;
      const answer = new Promise<string>((resolve, reject) => asked.set(id, { worker, resolve, reject }));
      const limit = clock.after(ms + ANSWER_WITHIN_MS, () =>
        asked.get(id)?.reject(new Error(`worker ${worker} did not answer`)),
      );
      post(worker, { type: 'profile', id, kind, ms });
      try {
        return await answer;
      } finally {
        limit.cancel();
        asked.delete(id);
      }
    },
    take({ id, profile, error }) {
      if (profile === undefined) asked.get(id)?.reject(new Error(error));
      else asked.get(id)?.resolve(profile);
    },
    ended(worker) {
      for (const one of asked.values()) if (one.worker === worker) one.reject(new Error(`worker ${worker} ended`));
    },
  };
}
