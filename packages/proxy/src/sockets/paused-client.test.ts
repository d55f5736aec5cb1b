// Clients that leave while nothing is read from them, since their upstream takes nothing.
import { connect, createServer, Socket, type AddressInfo } from 'node:net';
import { FakeClock, waitFor } from '@weft/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { startProxy, type TestProxy } from '../test-support/harness.ts';
import {
  httpChain,
  listener,
  resourceSet,
  routes,
  staticCluster,
  tcpChain,
  toCluster,
} from '../test-support/resources.ts';
import { tcpUpstream } from '../test-support/upstream.ts';
import { TimerQueue } from '../timers/timer-queue.ts';
import { loadSocketCalls } from './native-sockets.ts';
import { PausedClient } from './paused-client.ts';
import { peerStates, type TellPeerState } from './peer-state.ts';

const MUCH = 64 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 'x');
const canAsk = (() => {
  try {
    loadSocketCalls();
    return true;
  } catch {
    return false;
  }
})();

const opened: AsyncDisposable[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

/** A proxy before somebody who accepts, and reads nothing. */
async function beforeTheDeaf(clock: FakeClock, peerState?: TellPeerState): Promise<TestProxy> {
  const deaf = await tcpUpstream((socket) => void socket.pause());
  opened.push(deaf);
  const proxy = await startProxy(
    resourceSet({
      listeners: [
        // No request is given up for its age: only the end of its client ends it.
        listener('http', [httpChain(routes(toCluster('deaf', { idleTimeout: {} })))]),
        listener('tcp', [tcpChain('deaf')]),
      ],
      clusters: [staticCluster('deaf', [deaf.port])],
    }),
    { clock, ...(peerState === undefined ? {} : { peerState }) },
  );
  opened.push(proxy);
  return proxy;
}

/** Sends a head, and then as much as is taken. */
async function fill(port: number, head: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {});
  socket.write(head);
  let written = 0;
  let moved = 0;
  const more = (): void => {
    moved = Date.now();
    while (written < MUCH && socket.write(CHUNK)) written += CHUNK.length;
    written += CHUNK.length;
  };
  socket.on('drain', more);
  more();
  await waitFor(() => written > CHUNK.length && Date.now() - moved > 300, { what: 'nothing to be taken any more' });
  return socket;
}

/** Lets time pass until the proxy has let go of every connection. */
const pass = (clock: FakeClock, proxy: TestProxy): Promise<boolean> =>
  waitFor(() => {
    clock.advance(500);
    return proxy.path.activeConnections() === 0;
  });

const SIZED = `POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: ${2 * MUCH}\r\n\r\n`;
const CHUNKED = `POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${(2 * MUCH).toString(16)}\r\n`;

describe.skipIf(!canAsk)('a client that leaves while it is not read', () => {
  it.each([
    ['a body of a known length', SIZED],
    ['a body in chunks', CHUNKED],
  ])('and resets inside %s, is noticed within seconds', async (_, head) => {
    const clock = new FakeClock(1_000);
    const proxy = await beforeTheDeaf(clock);
    const socket = await fill(proxy.portOf('http'), head);
    clock.advance(60_000);
    expect([proxy.path.activeConnections(), proxy.records.length]).toEqual([1, 0]);
    socket.resetAndDestroy();
    await pass(clock, proxy);
    expect(proxy.records).toMatchObject([{ reason: 'downstream-closed', code: 0 }]);
    await waitFor(() => proxy.path.armedTimers() === 0, { what: 'no timer' });
  });

  it('is noticed when its bytes are no HTTP, too', async () => {
    const clock = new FakeClock(1_000);
    const proxy = await beforeTheDeaf(clock);
    const socket = await fill(proxy.portOf('tcp'), 'hello');
    clock.advance(60_000);
    expect(proxy.path.activeConnections()).toBe(1);
    socket.resetAndDestroy();
    await pass(clock, proxy);
    expect(proxy.records).toMatchObject([{ reason: 'downstream-closed', protocol: 'TCP' }]);
  });

  it('is told by the system, as far as its end has come', async () => {
    const tell = peerStates();
    let accepted: Socket | undefined;
    const server = createServer({ pauseOnConnect: true }, (socket) => void (accepted = socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const enter = async (): Promise<readonly [client: Socket, server: Socket]> => {
      accepted = undefined;
      const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, allowHalfOpen: true });
      sockets.push(client);
      const peer = await waitFor(() => accepted);
      sockets.push(peer);
      return [client, peer];
    };
    const [client, peer] = await enter();
    client.write('hello');
    await waitFor(() => tell(peer).unread === 5, { what: 'five bytes' });
    expect(tell(peer).side).toBe('there');
    client.end('!');
    await waitFor(() => tell(peer).side === 'ended', { what: 'the end' });
    expect(tell(peer).unread).toBeGreaterThanOrEqual(6);
    client.resetAndDestroy();
    const [rude, other] = await enter();
    rude.resetAndDestroy();
    await waitFor(() => tell(other).side === 'gone', { what: 'the reset' });
    server.close();
  });
});

describe('a client that has ended its side', () => {
  const cases: readonly (readonly [what: string, head: string, unread: number, staysMs: number])[] = [
    ['is waited for when all of its body is here', SIZED, 3 * MUCH, 60_000],
    ['has left when its body can not be complete', SIZED, 1_000, 0],
    ['is waited for a little when nobody knows', SIZED, -1, 4_000],
    ['is waited for a little in a body of chunks', CHUNKED, 3 * MUCH, 4_000],
  ];
  it.each(cases)('%s', async (_, head, unread, staysMs) => {
    const clock = new FakeClock(1_000);
    let side: 'there' | 'ended' = 'there';
    const proxy = await beforeTheDeaf(clock, () => ({ side, unread }));
    await fill(proxy.portOf('http'), head);
    clock.advance(60_000);
    expect(proxy.records.length).toBe(0);
    side = 'ended';
    clock.advance(staysMs);
    expect(proxy.records.length).toBe(0);
    if (staysMs > 10_000) return;
    await pass(clock, proxy);
    expect(proxy.records).toMatchObject([{ reason: 'downstream-closed' }]);
  });

  it('is asked whether it is still there, once it has been held back for a while: its system answers, or none does', () => {
    const clock = new FakeClock(1_000);
    const socket = new Socket();
    const asked: unknown[] = [];
    socket.setKeepAlive = (...how) => (asked.push(how), socket);
    const client = { mayStay: () => true, onLeft: () => {} };
    const paused = new PausedClient(socket, new TimerQueue(clock), () => ({ side: 'there', unread: 0 }), client);
    socket.pause();
    paused.watch();
    clock.advance(1_500);
    expect(asked).toEqual([]);
    clock.advance(10_000);
    expect(asked).toEqual([[true, 30_000]]);
    paused.stop();
  });

  it('seems to be there where nobody can ask', () => {
    const tell = peerStates(() => {
      throw new Error('no C library');
    });
    const socket = connect({ host: '127.0.0.1', port: 1 });
    socket.on('error', () => {});
    expect(tell(socket)).toEqual({ side: 'there', unread: -1 });
    socket.destroy();
  });
});
