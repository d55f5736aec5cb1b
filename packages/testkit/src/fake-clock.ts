import type { Clock, Timer } from '@weft/kit';

/** Time that moves only when told to. Timers fire in due order, each seeing its own due time as `now()`. */
export class FakeClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<{ readonly dueMs: number; readonly run: () => void }>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  at(dueMs: number, run: () => void): Timer {
    const timer = { dueMs, run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  after(delayMs: number, run: () => void): Timer {
    return this.at(this.#nowMs + delayMs, run);
  }

  /** Timers not yet fired or cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    const nextDue = () => [...this.#timers].filter((t) => t.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
    for (let timer = nextDue(); timer; timer = nextDue()) {
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.run();
    }
    this.#nowMs = endMs;
  }

  /** Moves in steps and lets promises settle between them. */
  async advanceAsync(ms: number, stepMs = ms): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.advance(Math.min(stepMs, left));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
