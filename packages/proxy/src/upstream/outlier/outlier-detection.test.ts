import { seededRandom } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { PRIVATE_CELLS } from '../../shared/shared-cells.ts';
import { host } from '../../test-support/hosts.ts';
import { TimerQueue } from '../../timers/timer-queue.ts';
import type { Host } from '../host.ts';
import { OutlierDetection } from './outlier-detection.ts';
import type { OutlierSettings } from './outlier-settings.ts';
import { successRateThreshold } from './success-rate.ts';

const SETTINGS: OutlierSettings = {
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  jitterMs: 0,
  maxEjectionPercent: 100,
  alwaysEjectOne: false,
  splitLocal: false,
  consecutive5xx: 5,
  consecutiveGateway: 5,
  consecutiveLocal: 5,
  successRate: { minHosts: 5, volume: 100, factor: 1.9 },
  failurePercentage: { threshold: 85, minHosts: 5, volume: 50 },
  enforcing: {
    consecutive_5xx: 100,
    consecutive_gateway_failure: 0,
    consecutive_local_origin_failure: 100,
    success_rate: 100,
    local_origin_success_rate: 100,
    failure_percentage: 0,
    local_origin_failure_percentage: 0,
  },
  checkBringsBack: true,
};

function detection(count: number, more: Partial<OutlierSettings> = {}) {
  const clock = new FakeClock();
  const hosts: Host[] = Array.from({ length: count }, (_, i) => host(i + 1));
  const values = new Map<string, number>();
  const names: string[] = [];
  const slot = (name: string): number => names.push(name) - 1;
  let changes = 0;
  const one = new OutlierDetection(
    { ...SETTINGS, ...more },
    {
      cluster: 'c',
      timers: new TimerQueue(clock),
      random: seededRandom(1),
      stats: {
        counter: slot,
        gauge: slot,
        add: (at, by) => values.set(names[at] ?? '', (values.get(names[at] ?? '') ?? 0) + by),
        set: (at, value) => values.set(names[at] ?? '', value),
      },
      shared: PRIVATE_CELLS,
      hosts: () => hosts,
      onChange: () => (changes += 1),
    },
  );
  const first = hosts[0];
  if (first === undefined) throw new Error('no hosts');
  return {
    clock,
    hosts,
    first,
    one,
    changes: () => changes,
    stat: (name: string): number => values.get(`cluster.c.outlier_detection.ejections_${name}`) ?? 0,
    answer: (at: Host, ...statuses: number[]) => statuses.forEach((status) => one.onStatus(at, status)),
    out: () => hosts.filter(({ ejected }) => ejected).map(({ facts }) => facts.port),
  };
}
const times = (count: number, status: number): number[] => Array.from({ length: count }, () => status);

describe('consecutive failures', () => {
  it('eject at the fifth 5xx; a success between starts anew', () => {
    const { answer, first, out, stat, changes } = detection(3);
    answer(first, ...times(4, 500), 200, ...times(4, 503));
    expect(out()).toEqual([]);
    answer(first, 500);
    expect(out()).toEqual([1]);
    expect([stat('active'), stat('enforced_consecutive_5xx'), stat('enforced_total'), changes()]).toEqual([1, 1, 1, 1]);
  });

  it('count gateway failures apart, and act on them only where asked to', () => {
    const quiet = detection(3, { consecutive5xx: 100 });
    quiet.answer(quiet.first, ...times(5, 503));
    expect([quiet.out(), quiet.stat('detected_consecutive_gateway_failure')]).toEqual([[], 1]);
    const enforcing = { ...SETTINGS.enforcing, consecutive_gateway_failure: 100 };
    const { answer, first, out } = detection(3, { consecutive5xx: 100, enforcing });
    answer(first, ...times(4, 503), 500, ...times(4, 504));
    expect(out()).toEqual([]);
    answer(first, 502);
    expect(out()).toEqual([1]);
  });

  it('take failures without an answer for 503 unless they are split', () => {
    const joined = detection(3);
    for (let i = 0; i < 5; i += 1) joined.one.onLocalFailure(joined.first, 503);
    expect(joined.out()).toEqual([1]);
    const split = detection(3, { splitLocal: true, consecutiveLocal: 3, consecutive5xx: 1 });
    split.one.onLocalFailure(split.first, 503);
    split.one.onLocalFailure(split.first, 503);
    split.one.onConnected(split.first, false);
    split.one.onLocalFailure(split.first, 504);
    split.one.onLocalFailure(split.first, 503);
    expect(split.out()).toEqual([]);
    split.one.onLocalFailure(split.first, 503);
    expect([split.out(), split.stat('enforced_consecutive_local_origin_failure')]).toEqual([[1], 1]);
  });

  it('are off with a threshold of 0', () => {
    const { answer, first, out } = detection(3, { consecutive5xx: 0, consecutiveGateway: 0 });
    answer(first, ...times(50, 503));
    expect(out()).toEqual([]);
  });
});

describe('how many may be out', () => {
  it('is nobody of fewer than ten at 10 percent, unless one always may', () => {
    const none = detection(9, { maxEjectionPercent: 10 });
    none.answer(none.first, ...times(5, 500));
    expect([none.out(), none.stat('overflow')]).toEqual([[], 1]);
    const ten = detection(10, { maxEjectionPercent: 10 });
    ten.answer(ten.first, ...times(5, 500));
    expect(ten.out()).toEqual([1]);
    const always = detection(2, { maxEjectionPercent: 10, alwaysEjectOne: true });
    for (const one of always.hosts) always.answer(one, ...times(5, 500));
    expect(always.out()).toEqual([1]);
  });
});

describe('coming back', () => {
  it('takes the base time, longer each time, up to the most, and shrinks while all is well', () => {
    const { answer, first, out, clock } = detection(3, { maxEjectionMs: 60_000 });
    const eject = (): void => answer(first, ...times(5, 500));
    const outFor = (): number => {
      const start = clock.now();
      eject();
      while (out().length > 0) clock.advance(10_000);
      return clock.now() - start;
    };
    expect([outFor(), outFor(), outFor()]).toEqual([30_000, 60_000, 60_000]);
    clock.advance(30_000);
    expect(outFor()).toBe(30_000);
  });

  it('forgets what was counted before', () => {
    const { answer, first, out, clock } = detection(3, { consecutiveGateway: 7 });
    answer(first, ...times(5, 503));
    clock.advance(30_000);
    answer(first, ...times(4, 500));
    expect(out()).toEqual([]);
  });

  it('happens at once when an active check is passed', () => {
    const { answer, first, out, one, stat } = detection(3);
    answer(first, ...times(5, 500));
    one.onCheckPassed(first);
    expect([out(), stat('active')]).toEqual([[], 0]);
    const stays = detection(3, { checkBringsBack: false });
    stays.answer(stays.first, ...times(5, 500));
    stays.one.onCheckPassed(stays.first);
    expect(stays.out()).toEqual([1]);
  });

  it('happens to all when detection is switched off', () => {
    const { answer, first, out, one } = detection(3);
    answer(first, ...times(5, 500));
    one.close();
    expect(out()).toEqual([]);
  });
});

describe('rates', () => {
  it('stand out by mean and deviation as Envoy computes them', () => {
    expect(successRateThreshold([50, 100, 100, 100, 100], 1.9)).toEqual({ mean: 90, deviation: 20, threshold: 52 });
  });

  const load = (of: ReturnType<typeof detection>, failing: number, calls = 100): void => {
    for (const one of of.hosts)
      for (let i = 0; i < calls; i += 1) of.one.onStatus(one, one === of.first && i % 100 < failing ? 500 : 200);
  };

  it('eject who is far below the others, after a whole interval', () => {
    const some = detection(5, { consecutive5xx: 1000, consecutiveGateway: 1000 });
    load(some, 48);
    some.clock.advance(10_000);
    // 52 % against a mean of 90.4 less 1.9 deviations of 19.2 = 53.9.
    expect(some.out()).toEqual([1]);
    expect(some.stat('enforced_success_rate')).toBe(1);
  });

  it('need enough hosts and enough calls', () => {
    const few = detection(4, { consecutive5xx: 1000, consecutiveGateway: 1000 });
    load(few, 80);
    few.clock.advance(10_000);
    expect(few.out()).toEqual([]);
    const quiet = detection(5, { consecutive5xx: 1000, consecutiveGateway: 1000 });
    load(quiet, 80, 99);
    quiet.clock.advance(10_000);
    expect(quiet.out()).toEqual([]);
  });

  it('eject by percentage of failures where that is enforced', () => {
    const enforcing = { ...SETTINGS.enforcing, failure_percentage: 100, success_rate: 0 };
    const some = detection(5, { consecutive5xx: 1000, consecutiveGateway: 1000, enforcing });
    load(some, 84);
    some.clock.advance(10_000);
    expect(some.out()).toEqual([]);
    load(some, 85);
    some.clock.advance(10_000);
    expect([some.out(), some.stat('enforced_failure_percentage')]).toEqual([[1], 1]);
  });

  it('of connections count when failures are split', () => {
    const some = detection(5, { splitLocal: true, consecutiveLocal: 1000 });
    for (const one of some.hosts)
      for (let i = 0; i < 100; i += 1) {
        if (one === some.first && i < 60) some.one.onLocalFailure(one, 503);
        else some.one.onConnected(one, false);
      }
    some.clock.advance(10_000);
    expect([some.out(), some.stat('enforced_local_origin_success_rate')]).toEqual([[1], 1]);
  });
});
