import type { Clock, Timer } from '@weft/kit';
import type { PushOptions } from '../options.ts';
import { dueAtMs, firstChangeMs, record, type ChangeClass, type Pending } from './debounce.ts';

export interface Debouncer {
  changed(change: ChangeClass): void;
  /** Pushes what waits, now. */
  flush(): void;
  close(): void;
}

export interface DebouncerDeps {
  readonly clock: Clock;
  readonly options: PushOptions;
  /** @param waitedMs since the first change of the push. */
  readonly push: (waitedMs: number) => void;
}

export function createDebouncer({ clock, options, push }: DebouncerDeps): Debouncer {
  let pending: Pending = {};
  let timer: Timer | undefined;
  const fire = (): void => {
    timer?.cancel();
    timer = undefined;
    const waitedMs = clock.now() - firstChangeMs(pending);
    if (!Number.isFinite(waitedMs)) return;
    pending = {};
    push(waitedMs);
  };
  return {
    changed(change) {
      pending = record(pending, change, clock.now());
      timer?.cancel();
      timer = clock.at(dueAtMs(pending, options), fire);
    },
    flush: fire,
    close: () => timer?.cancel(),
  };
}
