// Profiles of the running process, by the engine's own inspector: no port is opened.
import { Session } from 'node:inspector';

/**
 * - `cpu`: where the processor spent its time, as `.cpuprofile`.
 * - `heap`: which functions held how much of what they allocated, as `.heapprofile`: sizes, no contents.
 */
export type ProfileKind = 'cpu' | 'heap';

/** Of the thread that made it. */
export interface Profiler {
  /** @throws while another profile is made. */
  make(kind: ProfileKind, ms: number): Promise<string>;
}

export function createProfiler(wait: (ms: number) => Promise<void>): Profiler {
  let busy = false;
  const during = async (start: string, stop: string, setup: string | undefined, ms: number): Promise<string> => {
    if (busy) throw new Error('another profile is being made');
    busy = true;
    const session = new Session();
    try {
      session.connect();
      const post = (method: string): Promise<object> =>
        new Promise((resolve, reject) => {
          session.post(method, (error, result) => (error === null ? resolve(result ?? {}) : reject(error)));
        });
      if (setup !== undefined) await post(setup);
      await post(start);
      await wait(ms);
      const { profile } = (await post(stop)) as { readonly profile?: object };
      return JSON.stringify(profile ?? {});
    } finally {
      session.disconnect();
      busy = false;
    }
  };
  return {
    make: (kind, ms) =>
      kind === 'cpu'
        ? during('Profiler.start', 'Profiler.stop', 'Profiler.enable', ms)
        : during('HeapProfiler.startSampling', 'HeapProfiler.stopSampling', undefined, ms),
  };
}

/** Of several threads, by name. */
export interface ThreadProfilers {
  /** Of the thread that carries traffic, or of the first one that does. */
  readonly usual: string;
  /** @returns undefined when there is no such thread. */
  of(thread: string): Profiler | undefined;
}

const MAIN = 'main';
const ALL = 'all';

/** @param workers how many there are beside the main thread. @param inWorker asks one of them. */
export function threadProfilers(
  main: Profiler,
  workers: number,
  inWorker: (worker: number, kind: ProfileKind, ms: number) => Promise<string>,
): ThreadProfilers {
  const each = new Map<string, Profiler>([[MAIN, main]]);
  for (let worker = 0; worker < workers; worker += 1)
    each.set(String(worker), { make: (kind, ms) => inWorker(worker, kind, ms) });
  /** One profile for each thread, under its name. */
  const all: Profiler = {
    async make(kind, ms) {
      const made = await Promise.all(
        [...each].map(async ([name, one]) => `${JSON.stringify(name)}:${await one.make(kind, ms)}`),
      );
      return `{${made.join(',')}}`;
    },
  };
  return { usual: workers === 0 ? MAIN : '0', of: (thread) => (thread === ALL ? all : each.get(thread)) };
}
