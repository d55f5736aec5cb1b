import { describe, expect, it } from 'vitest';
import { silentLogger } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import { ask, exchange, RecordingStats, startProxy } from '../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { httpUpstream } from '../test-support/upstream.ts';
import { type MemoryReading, pressureOf, stateOf } from './overload.ts';
import { startOverloadMonitor } from './overload-monitor.ts';
import { descriptorLimit, systemMemoryLimit } from './process-memory.ts';

const MIB = 1024 * 1024;
const reading = (change: Partial<MemoryReading> = {}): MemoryReading => ({
  heapUsed: 50 * MIB,
  heapLimit: 1000 * MIB,
  external: 50 * MIB,
  resident: 200 * MIB,
  ...change,
});

describe('pressure', () => {
  it('is that of the nearest limit', () => {
    const limits = { maxBytes: 1000 * MIB, systemBytes: undefined };
    expect(pressureOf(reading(), limits)).toBeCloseTo(0.1);
    expect(pressureOf(reading({ heapLimit: 100 * MIB }), limits)).toBeCloseTo(0.5);
    expect(pressureOf(reading(), { ...limits, systemBytes: 250 * MIB })).toBeCloseTo(0.8);
  });
  it('acts on the second reading in a row, and ends with the first below', () => {
    expect(stateOf(0.99, 0.5)).toEqual({ closing: false, shedding: false, refusing: false });
    expect(stateOf(0.96, 0.99)).toEqual({ closing: true, shedding: true, refusing: false });
    expect(stateOf(0.99, 0.99)).toEqual({ closing: true, shedding: true, refusing: true });
    expect(stateOf(0.9, 0.99)).toEqual({ closing: false, shedding: false, refusing: false });
  });
  it('reads what the system allows', () => {
    const files = (entries: Record<string, string>) => (path: string) => entries[path] ?? '';
    expect(systemMemoryLimit(files({ '/sys/fs/cgroup/memory.max': '1048576\n' }))).toBe(1_048_576);
    expect(systemMemoryLimit(files({ '/sys/fs/cgroup/memory.max': 'max\n' }))).toBeUndefined();
    expect(
      systemMemoryLimit(files({ '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' })),
    ).toBeUndefined();
    expect(systemMemoryLimit(files({}))).toBeUndefined();
    expect(
      descriptorLimit(
        files({ '/proc/self/limits': 'Max open files            1024                 4096     files\n' }),
      ),
    ).toBe(1_024);
    expect(descriptorLimit(files({}))).toBeUndefined();
  });
});

describe('a proxy under pressure', () => {
  it('lets go of clients, refuses requests, then connections, and takes all back afterwards', async () => {
    const clock = new FakeClock();
    const stats = new RecordingStats();
    let used = 0.1;
    const overload = startOverloadMonitor({
      read: () => reading({ heapUsed: used * 1000 * MIB, external: 0 }),
      limits: { maxBytes: 1000 * MIB, systemBytes: undefined },
      stats,
      clock,
      logger: silentLogger,
    });
    const press = (share: number): void => {
      used = share;
      clock.advance(500);
    };
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
      { overload },
    );
    const port = proxy.portOf('in');
    const get = async () => {
      const { status, headers } = await ask({ port });
      return [status, headers['x-weft-reason'], headers.connection];
    };
    expect(await get()).toEqual([200, undefined, undefined]);
    press(0.93);
    expect(await get()).toEqual([200, undefined, 'close']);
    press(0.96);
    expect(await get()).toEqual([503, 'overloaded', 'close']);
    expect(proxy.records.at(-1)).toMatchObject({ reason: 'overloaded', details: 'overload' });
    press(0.99);
    expect(await exchange(port, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n')).toBe('');
    expect(proxy.stats.valueOf('listener.in.downstream_cx_overload_reject')).toBe(1);
    expect([stats.valueOf('overload.refusing.active'), stats.valueOf('overload.memory.pressure')]).toEqual([1, 99]);
    press(0.5);
    expect(await get()).toEqual([200, undefined, undefined]);
    expect(stats.valueOf('overload.shedding.active')).toBe(0);
    overload.close();
  });
});
