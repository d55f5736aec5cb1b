import { describe, expect, it } from 'vitest';
import type { Clock, Timer } from './clock.ts';
import { atWallTime } from './wall-timer.ts';

/** A wall clock and one timer, both moved by hand: a sleeping host moves only the first. */
function handClock(): Clock & { wallMs: number; fire(): void; readonly dueMs: number | undefined } {
  let due: { readonly dueMs: number; readonly run: () => void } | undefined;
  const clock = {
    wallMs: 0,
    now: () => clock.wallMs,
    at(dueMs: number, run: () => void): Timer {
      due = { dueMs, run };
      return { cancel: () => void (due = undefined) };
    },
    after: (delayMs: number, run: () => void) => clock.at(clock.wallMs + delayMs, run),
    fire() {
      const fired = due;
      due = undefined;
      fired?.run();
    },
    get dueMs() {
      return due?.dueMs;
    },
  };
  return clock;
}

describe('atWallTime', () => {
  it('looks at the wall clock at least each minute, and runs once when it is time', () => {
    const clock = handClock();
    let ran = 0;
    atWallTime(clock, 150_000, () => (ran += 1));
    expect(clock.dueMs).toBe(60_000);
    clock.wallMs = 60_000;
    clock.fire();
    expect(clock.dueMs).toBe(120_000);
    clock.wallMs = 120_000;
    clock.fire();
    expect(clock.dueMs).toBe(150_000);
    clock.wallMs = 150_000;
    clock.fire();
    expect([ran, clock.dueMs]).toEqual([1, undefined]);
  });

  it('runs at the next look after a sleep that lasted past its time', () => {
    const clock = handClock();
    let ran = 0;
    atWallTime(clock, 3_600_000, () => (ran += 1));
    clock.wallMs = 8_000_000;
    clock.fire();
    expect(ran).toBe(1);
  });

  it('can be cancelled after it looked', () => {
    const clock = handClock();
    const timer = atWallTime(clock, 120_000, () => expect.unreachable());
    clock.wallMs = 60_000;
    clock.fire();
    timer.cancel();
    expect(clock.dueMs).toBeUndefined();
  });
});
