import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '@weft/kit';
import { FakeClock, waitFor } from '@weft/testkit';
import { CODE, FRAME } from '../http2/frames/constants.ts';
import { data, frame, GET, headers, POST, RawPeer, u32 } from '../http2/test-support/raw-peer.ts';
import { ask, exchange, RecordingStats, startProxy } from '../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { httpUpstream } from '../test-support/upstream.ts';
import { createCollector } from './collector.ts';
import { cutHeaviest } from './heaviest.ts';
import { excessBytes, type MemoryReading, NOT_OVERLOADED, pressureOf, stateOf } from './overload.ts';
import { startOverloadMonitor } from './overload-monitor.ts';
import { descriptorLimit } from './descriptors.ts';
import { systemMemoryLimit } from './process-memory.ts';

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
    expect(pressureOf(reading(), limits)).toEqual({ share: 0.1, limitBytes: 1000 * MIB });
    expect(pressureOf(reading({ heapLimit: 100 * MIB }), limits)).toEqual({ share: 0.5, limitBytes: 100 * MIB });
    expect(pressureOf(reading(), { ...limits, systemBytes: 250 * MIB })).toEqual({ share: 0.8, limitBytes: 250 * MIB });
    expect(excessBytes({ share: 0.99, limitBytes: 100 * MIB })).toBe(Math.ceil((0.99 - 0.95) * 100 * MIB));
  });
  it('acts on the second reading in a row, and ends with the first below', () => {
    const actions = (pressure: number, before: number): string[] =>
      Object.entries(stateOf(pressure, before)).flatMap(([action, active]) => (active ? [action] : []));
    expect(actions(0.99, 0.5)).toEqual([]);
    expect(actions(0.96, 0.99)).toEqual(['closing', 'shedding']);
    expect(actions(0.99, 0.99)).toEqual(['closing', 'shedding', 'refusing', 'resetting']);
    expect(actions(0.9, 0.99)).toEqual([]);
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
    const relieved: number[] = [];
    let mayCollect = true;
    const overload = startOverloadMonitor({
      read: () => reading({ heapUsed: used * 1000 * MIB, external: 0 }),
      limits: { maxBytes: 1000 * MIB, systemBytes: undefined },
      relieve: (bytes) => {
        relieved.push(bytes);
        return 2;
      },
      collect: () => mayCollect,
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
    expect([relieved.map((bytes) => Math.round(bytes / MIB)), stats.valueOf('overload.streams_reset')]).toEqual([
      [40],
      2,
    ]);
    // The next only after what was given back can have become memory.
    mayCollect = false;
    clock.advance(250);
    expect(relieved).toHaveLength(2);
    clock.advance(1_000);
    expect(relieved).toHaveLength(2);
    mayCollect = true;
    clock.advance(500);
    expect(relieved).toHaveLength(3);
    press(0.5);
    await waitFor(async () => (await get().catch(() => []))[0] === 200, { what: 'the listener to accept again' });
    expect(stats.valueOf('overload.shedding.active')).toBe(0);
    overload.close();
  });
});

describe('collecting garbage', () => {
  it('takes a twentieth of the time at most', () => {
    const clock = new FakeClock();
    let runs = 0;
    let takesMs = 0;
    const collect = createCollector(clock, () => {
      runs += 1;
      clock.advance(takesMs);
    });
    expect([collect(), collect()]).toEqual([true, false]);
    clock.advance(1_000);
    takesMs = 200;
    expect([collect(), collect()]).toEqual([true, false]);
    clock.advance(3_999);
    expect(collect()).toBe(false);
    clock.advance(1);
    expect([collect(), runs]).toEqual([true, 3]);
  });

  it('gives back what nobody holds', async () => {
    const held = new WeakRef(Buffer.alloc(MIB));
    const collect = createCollector(systemClock);
    // The turn that made it keeps it.
    await new Promise((resolve) => setImmediate(resolve));
    await waitFor(() => collect() && held.deref() === undefined, { everyMs: 1_100, what: 'it to be gone' });
  });
});

describe('requests that are refused and reset at once', () => {
  it('leave nothing behind (CVE-2024-53270, 53271)', async () => {
    const overload = { ...NOT_OVERLOADED, shedding: true, closing: true };
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
      { overload },
    );
    for (let round = 0; round < 20; round += 1) {
      using peer = await RawPeer.connect(proxy.portOf('in'));
      for (let id = 1; id < 40; id += 2)
        peer.send(
          headers(id, POST, false),
          data(id, 'x'),
          frame(FRAME.rstStream, 0, id, u32(CODE.cancel)),
          data(id, 'y'),
        );
      peer.send(headers(41, GET));
      await peer.until(() => peer.endOf(41) || peer.ended, 'the answer, or the end');
      const socket = connect(proxy.portOf('in'), '127.0.0.1');
      socket.on('error', () => {});
      socket.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab');
      await new Promise((resolve) => socket.once('data', resolve));
      socket.resetAndDestroy();
    }
    await waitFor(() => proxy.path.activeConnections() === 0 && proxy.path.armedTimers() === 0, {
      what: 'nothing left',
    });
    overload.shedding = false;
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
    expect(proxy.stats.valueOf('http.test.downstream_rq_overload_close')).toBeGreaterThanOrEqual(40);
  });
});

describe('the heaviest requests', () => {
  it('are ended first, and no more of them than it takes', () => {
    const cut: number[] = [];
    const weights = [200, 70, 10, 900, 400].map((kib) => kib * 1024);
    const weigh = (take: (bytes: number, cut: () => void) => void): void =>
      weights.forEach((bytes) => take(bytes, () => cut.push(bytes / 1024)));
    expect(cutHeaviest(1_000 * 1024, weigh)).toBe(2);
    expect(cut.splice(0)).toEqual([900, 400]);
    expect(cutHeaviest(1e9, weigh)).toBe(4);
    expect(cut).toEqual([900, 400, 200, 70]);
  });

  it('are answered or cut by what they hold, while light ones go on', async () => {
    // More than the system's buffers take.
    const body = Buffer.alloc(48 * MIB);
    let requests = 0;
    await using upstream = await httpUpstream((request, response) => {
      requests += 1;
      if (request.url === '/large') response.end(body);
      else if (request.url === '/kept') request.resume();
      else request.on('end', () => response.end('light')).resume();
    });
    const action = { retryPolicy: { retryOn: '5xx', numRetries: 1 } };
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a', action)))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const port = proxy.portOf('in');
    const open = (bytes: string) => {
      const socket = connect({ host: '127.0.0.1', port });
      const seen = { socket, text: '', gone: false };
      socket.on('data', (data) => (seen.text += data.toString('latin1')));
      socket.on('error', () => {});
      socket.on('close', () => (seen.gone = true));
      socket.write(bytes);
      return seen;
    };
    // One that does not read, one whose body is kept for another attempt, one that is light.
    const large = open('GET /large HTTP/1.1\r\nHost: h\r\n\r\n');
    large.socket.pause();
    const kept = open(`POST /kept HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n${'x'.repeat(800_000)}`);
    const light = open('POST /light HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx');
    await waitFor(() => requests === 3, { what: 'all three' });
    expect(proxy.path.relieve(0)).toBe(0);
    let ended = 0;
    await waitFor(() => (ended += proxy.path.relieve(Number.MAX_SAFE_INTEGER)) === 2, { what: 'the two heavy ones' });
    await waitFor(() => kept.text !== '', { what: 'the answer to the request whose body was kept' });
    expect(kept.text).toMatch(/^HTTP\/1.1 503 [^]*x-weft-reason: overloaded/);
    large.socket.resume();
    await waitFor(() => large.gone, { what: 'the cut of the answer that nobody read' });
    expect(large.text.length).toBeLessThan(body.length);
    light.socket.write('x');
    await waitFor(() => light.text.endsWith('light'), { what: 'the light one' });
    expect(proxy.records.filter(({ reason }) => reason === 'overloaded')).toHaveLength(2);
    light.socket.destroy();
    kept.socket.destroy();
  });
});
