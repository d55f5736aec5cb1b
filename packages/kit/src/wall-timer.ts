import type { Clock, Timer } from './clock.ts';

const CHECK_EVERY_MS = 60_000;

/**
 * Runs once the wall clock has reached `dueMs`, looking at it at least each minute. Timers of the system count running
 * time, so on a host that slept they fire late; this one fires within a minute of waking.
 */
export function atWallTime(clock: Clock, dueMs: number, run: () => void, checkEveryMs = CHECK_EVERY_MS): Timer {
  let timer: Timer;
  const arm = (): void => {
    timer = clock.at(Math.min(dueMs, clock.now() + checkEveryMs), () => {
      if (clock.now() >= dueMs) run();
      else arm();
    });
  };
  arm();
  return { cancel: () => timer.cancel() };
}
