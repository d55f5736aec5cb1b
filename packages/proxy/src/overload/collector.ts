import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '@weft/kit';

const MIN_PAUSE_MS = 1_000;
// A collection stops everything: it may take a twentieth of the time.
const PAUSE_PER_MS = 20;

/**
 * Collects garbage, but not often. V8 does so by itself as memory is asked for; a proxy that takes nothing more because
 * memory is full asks for none, and would never find out that most of it is garbage.
 * @returns whether it did.
 */
export function createCollector(clock: Clock, collect: () => void = garbageCollection()): () => boolean {
  let notBeforeMs = 0;
  return () => {
    const beganMs = clock.now();
    if (beganMs < notBeforeMs) return false;
    collect();
    const endedMs = clock.now();
    notBeforeMs = endedMs + Math.max(MIN_PAUSE_MS, (endedMs - beganMs) * PAUSE_PER_MS);
    return true;
  };
}

/** Of this thread's heap. Made when it is first wanted. */
function garbageCollection(): () => void {
  let run: (() => void) | undefined;
  return () => {
    if (run === undefined) {
      setFlagsFromString('--expose-gc');
      run = runInNewContext('gc') as () => void;
      setFlagsFromString('--no-expose-gc');
    }
    run();
  };
}
