// Profiles of the running process, by the engine's own inspector: no port is opened.
import { Session } from 'node:inspector';

export interface Profiler {
  /** Where the processor spent its time, as `.cpuprofile`. @throws while another profile is made. */
  cpu(ms: number): Promise<string>;
  /** Which functions held how much of what they allocated, as `.heapprofile`: sizes, no contents. @throws as `cpu`. */
  heap(ms: number): Promise<string>;
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
      return `${JSON.stringify(profile ?? {})}\n`;
    } finally {
      session.disconnect();
      busy = false;
    }
  };
  return {
    cpu: (ms) => during('Profiler.start', 'Profiler.stop', 'Profiler.enable', ms),
    heap: (ms) => during('HeapProfiler.startSampling', 'HeapProfiler.stopSampling', undefined, ms),
  };
}
