import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { FakeClock, waitFor } from '@weft/testkit';
import { certificate, roots as rootSecret } from '../test-support/certificates.ts';
import { RecordingStats, startProxy } from '../test-support/harness.ts';
import { secretsOf, serverSocket } from '../test-support/mutual-tls.ts';
import { listener, resourceSet, staticCluster, tcpChain } from '../test-support/resources.ts';
import { tcpUpstream } from '../test-support/upstream.ts';
import { TimerQueue } from '../timers/timer-queue.ts';
import { HandshakeTurns } from './handshake-turns.ts';

function turns(maxWaiting: number) {
  const stats = new RecordingStats();
  const clock = new FakeClock();
  const made = new HandshakeTurns({ maxWaiting, stats, timers: new TimerQueue(clock) });
  const begun: number[] = [];
  /** Nothing has come of these yet. */
  const silent = new Set<number>();
  const begin = (number: number) =>
    made.begin(
      () => void begun.push(number),
      () => !silent.has(number),
    );
  return { made, stats, clock, begun, silent, begin };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('handshakes', () => {
  it('begin at once when they come alone, else in order when the one before is done', async () => {
    const { begun, begin, stats } = turns(10);
    const [first, second] = [1, 2, 3].map(begin);
    expect([begun, stats.valueOf('listener_manager.handshakes_delayed')]).toEqual([[1], 2]);
    first?.end();
    // Not before what is ready now.
    expect(begun).toEqual([1]);
    await nextTurn();
    expect(begun).toEqual([1, 2]);
    first?.end();
    await nextTurn();
    expect(begun).toEqual([1, 2]);
    second?.end();
    await nextTurn();
    expect(begun).toEqual([1, 2, 3]);
  });

  it('do not wait for a client that is slow', async () => {
    const { begun, begin, clock } = turns(10);
    const [slow] = [1, 2, 3].map(begin);
    clock.advance(2);
    await nextTurn();
    expect(begun).toEqual([1, 2]);
    // It had its place, and gives up no other's.
    slow?.end();
    await nextTurn();
    expect(begun).toEqual([1, 2]);
    clock.advance(2);
    await nextTurn();
    expect(begun).toEqual([1, 2, 3]);
  });

  it('wait for nobody who has said nothing by the time that what was there is read', async () => {
    const { begun, begin, silent } = turns(10);
    for (const one of [2, 3]) silent.add(one);
    const [first] = [1, 2, 3, 4, 5].map(begin);
    for (let i = 0; i < 20; i += 1) await nextTurn();
    expect(begun).toEqual([1]);
    first?.end();
    for (let i = 0; i < 20; i += 1) await nextTurn();
    expect(begun).toEqual([1, 2, 3, 4]);
  });

  it('wait up to a limit; who comes then is refused and counted', async () => {
    const { begun, begin, made, stats } = turns(2);
    const [first, second, third, fourth] = [1, 2, 3, 4].map(begin);
    expect([fourth, made.waiting, stats.valueOf('listener_manager.handshakes_overflow')]).toEqual([undefined, 2, 1]);
    // One that waits has left.
    second?.end();
    first?.end();
    await nextTurn();
    expect(begin(5)).toBeDefined();
    third?.end();
    await nextTurn();
    expect(begun).toEqual([1, 3, 5]);
  });
});

describe('a crowd of clients at one listener', () => {
  it('waits as far as it may, and the rest is refused; later ones find places again', async () => {
    await using app = await tcpUpstream((socket) => void socket.end('hello'));
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [tcpChain('app', { transportSocket: serverSocket })])],
        clusters: [staticCluster('app', [app.port])],
      }),
      // No time passes: the first, which says nothing, keeps its place.
      { secrets: secretsOf('server'), maxWaitingHandshakes: 4, clock: new FakeClock(Date.now()) },
    );
    const port = proxy.portOf('in');
    let refused = 0;
    const silent = Array.from({ length: 10 }, () => {
      const socket = connectTcp({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      socket.on('close', () => (refused += 1));
      return socket.resume();
    });
    await waitFor(() => refused === 5);
    expect(proxy.stats.valueOf('listener_manager.handshakes_overflow')).toBe(5);
    expect(proxy.path.activeConnections()).toBe(5);
    for (const socket of silent) socket.destroy();
    await waitFor(() => proxy.path.activeConnections() === 0);
    const { certificateChain: cert = '', privateKey: key = '' } = certificate('client');
    const ca = rootSecret().trustedCa;
    const greeting = await new Promise((resolve, reject) => {
      const socket = connectTls({
        host: '127.0.0.1',
        port,
        cert,
        key,
        ...(ca === undefined ? {} : { ca }),
        checkServerIdentity: () => undefined,
      });
      socket.on('data', (data) => resolve(String(data)));
      socket.on('error', reject);
    });
    expect(greeting).toBe('hello');
  });

  it('may leave before its turn', async () => {
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [tcpChain('app', { transportSocket: serverSocket })])],
        clusters: [staticCluster('app', [1])],
      }),
      { secrets: secretsOf('server') },
    );
    const port = proxy.portOf('in');
    const crowd = Array.from({ length: 40 }, () => connectTcp({ host: '127.0.0.1', port }));
    for (const socket of crowd) socket.on('connect', () => socket.resetAndDestroy());
    await waitFor(() => proxy.stats.valueOf('listener.in.downstream_cx_total') === 40);
    await waitFor(() => proxy.path.activeConnections() === 0);
  });
});
