import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { DEFAULT_PUSH_OPTIONS } from '../options.ts';
import type { Affected } from './affected.ts';
import { createDebouncer } from './debouncer.ts';
import { createPushQueue } from './push-queue.ts';

describe('createDebouncer', () => {
  const setup = () => {
    const clock = new FakeClock();
    const pushes: number[] = [];
    const debouncer = createDebouncer({ clock, options: DEFAULT_PUSH_OPTIONS, push: () => pushes.push(clock.now()) });
    return { clock, pushes, debouncer };
  };
  it('pushes configuration once it was quiet for 100 ms', () => {
    const { clock, pushes, debouncer } = setup();
    debouncer.changed('config');
    clock.advance(60);
    debouncer.changed('config');
    clock.advance(99);
    expect(pushes).toEqual([]);
    clock.advance(1);
    expect(pushes).toEqual([160]);
    clock.advance(1000);
    expect(pushes).toEqual([160]);
  });
  it('pushes configuration that never gets quiet after 10 s', () => {
    const { clock, pushes, debouncer } = setup();
    for (let ms = 0; ms <= 10_000; ms += 50) {
      debouncer.changed('config');
      clock.advance(50);
    }
    expect(pushes[0]).toBe(10_000);
  });
  it('pushes endpoints at once, with what else waits', () => {
    const { clock, pushes, debouncer } = setup();
    debouncer.changed('config');
    clock.advance(50);
    debouncer.changed('endpoints');
    clock.advance(5);
    expect(pushes).toEqual([55]);
    clock.advance(1000);
    expect(pushes).toEqual([55]);
  });
  it('pushes endpoints that change all the time every 50 ms', () => {
    const { clock, pushes, debouncer } = setup();
    for (let ms = 0; ms < 200; ms += 2) {
      debouncer.changed('endpoints');
      clock.advance(2);
    }
    expect(pushes.length).toBeGreaterThanOrEqual(3);
    expect(pushes[0]).toBe(50);
  });
});

describe('createPushQueue', () => {
  const only = (kind: 'cluster' | 'route'): Affected => ({
    kinds: new Set([kind]),
    endpointHosts: new Set(),
    workloads: new Set(),
  });
  it('has at most one pending push for each proxy, merged, in order of arrival', () => {
    const later: (() => void)[] = [];
    const pushed: [string, readonly string[]][] = [];
    const queue = createPushQueue<string>({
      later: (run) => later.push(run),
      push: (proxy, affected) => pushed.push([proxy, [...affected.kinds]]),
      batch: 2,
    });
    queue.add('a', only('cluster'));
    queue.add('b', only('cluster'));
    queue.add('c', only('cluster'));
    queue.add('a', only('route'));
    expect([queue.size, later.length]).toEqual([3, 1]);
    later.shift()?.();
    expect(pushed).toEqual([
      ['a', ['cluster', 'route']],
      ['b', ['cluster']],
    ]);
    queue.remove('c');
    later.shift()?.();
    expect(pushed).toHaveLength(2);
  });
});
