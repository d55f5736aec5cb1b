import { FakeClock } from '@weft/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Deadline, TimerQueue } from './timer-queue.ts';

describe('TimerQueue', () => {
  it('runs each deadline once, when due, and none that was cancelled', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(500), wait: fc.constantFrom(5, 50, 300), cancel: fc.boolean() }), {
          maxLength: 40,
        }),
        (plans) => {
          const clock = new FakeClock();
          const timers = new TimerQueue(clock);
          const ran: string[] = [];
          const expected: string[] = [];
          plans.forEach(({ at, wait, cancel }, i) => {
            const deadline = new Deadline({ onDeadline: (kind) => void ran.push(`${i}/${kind}@${clock.now()}`) }, 7);
            clock.at(at, () => timers.arm(deadline, wait));
            if (cancel) clock.at(at + 3, () => timers.cancel(deadline));
            else expected.push(`${i}/7@${at + wait}`);
          });
          clock.advance(1_000);
          expect(ran.sort((a, b) => a.localeCompare(b))).toEqual(expected.sort((a, b) => a.localeCompare(b)));
          expect(timers.size).toBe(0);
          expect(clock.pending).toBe(0);
        },
      ),
    );
  });

  it('moves a deadline that is armed again', () => {
    const clock = new FakeClock();
    const timers = new TimerQueue(clock);
    let ran = 0;
    const deadline = new Deadline({ onDeadline: () => void (ran += 1) }, 0);
    timers.arm(deadline, 10);
    clock.advance(9);
    timers.arm(deadline, 10);
    clock.advance(9);
    expect(ran).toBe(0);
    clock.advance(1);
    expect(ran).toBe(1);
  });

  it('is not held up by what arms itself with no wait', () => {
    const clock = new FakeClock(1);
    const timers = new TimerQueue(clock);
    let ran = 0;
    const deadline = new Deadline(
      {
        onDeadline: () => {
          ran += 1;
          if (ran < 10) timers.arm(deadline, 0);
        },
      },
      0,
    );
    timers.arm(deadline, 0);
    clock.advance(1);
    expect(ran).toBe(10);
  });
});
