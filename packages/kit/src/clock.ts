/** A cancellable callback in the future. Cancelling twice, or after it ran, is harmless. */
export interface Timer {
  cancel(): void;
}

/** Time as an argument, so that no test sleeps. All times are milliseconds since the Unix epoch. */
export interface Clock {
  now(): number;
  /** Runs once at or after `dueMs` (epoch milliseconds); a due time in the past runs on the next turn. */
  at(dueMs: number, run: () => void): Timer;
  after(delayMs: number, run: () => void): Timer;
}

// setTimeout fires at once for delays above 2^31-1 ms (about 24.8 days).
const MAX_DELAY_MS = 0x7fffffff;

function wait(dueMs: number, run: () => void): Timer {
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const left = dueMs - Date.now();
    handle = left > MAX_DELAY_MS ? setTimeout(arm, MAX_DELAY_MS) : setTimeout(run, Math.max(0, left));
    handle.unref();
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}

/** The machine's clock. Its timers do not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  at: wait,
  after: (delayMs, run) => wait(Date.now() + delayMs, run),
};
