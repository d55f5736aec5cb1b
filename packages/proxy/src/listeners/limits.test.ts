// What a client can hold of a proxy by being slow, silent or many.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import type { FilterChain } from '@weft/contracts/lean/envoy/config/listener/v3/listener_components';
import { ConnectionLimitSchema } from '@weft/contracts/lean/envoy/extensions/filters/network/connection_limit/v3/connection_limit';
import { waitFor } from '@weft/testkit';
import { ask, startProxy } from '../test-support/harness.ts';
import { secretsOf, serverSocket } from '../test-support/mutual-tls.ts';
import {
  httpChain,
  listener,
  pack,
  resourceSet,
  routes,
  staticCluster,
  tcpChain,
  toCluster,
} from '../test-support/resources.ts';
import { type RawClient, RawClients } from '../test-support/raw-client.ts';
import { httpUpstream, tcpUpstream } from '../test-support/upstream.ts';

const clients = new RawClients();
afterEach(() => clients.close());

const client = (port: number, ...bytes: readonly string[]): RawClient => clients.connect(port, ...bytes);

/** A byte now and then, as long as anybody listens. */
function dribble({ socket }: RawClient, text: string): void {
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at === text.length) clearInterval(timer);
    else socket.write(text[at] ?? '');
    at += 1;
  }, 25);
}

/** Puts the filter in front. */
function limit(chain: FilterChain, config: MessageInitShape<typeof ConnectionLimitSchema>): void {
  const [only] = chain.filters;
  if (only === undefined) throw new Error('the chain has no filter');
  const configType = { case: 'typedConfig' as const, value: pack(ConnectionLimitSchema, config) };
  chain.filters.unshift({ ...only, name: 'limit', configType });
}

const ENDLESS = 'a'.repeat(10_000);

describe('connections at once', () => {
  it('have a limit of the whole proxy, which those in a handshake count against, and places come back', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('tls', [httpChain(routes(toCluster('a')), {}, { transportSocket: serverSocket })]),
          listener('plain', [httpChain(routes(toCluster('a')))]),
        ],
        clusters: [staticCluster('a', [upstream.port])],
      }),
      { maxConnections: 3, secrets: secretsOf('server') },
    );
    const silent = [client(proxy.portOf('tls')), client(proxy.portOf('tls'), '\u0016\u0003\u0001')];
    const idle = client(proxy.portOf('plain'));
    await waitFor(() => proxy.path.activeConnections() === 3);
    const late = client(proxy.portOf('plain'), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await waitFor(() => late.gone());
    expect([late.got(), proxy.stats.valueOf('listener_manager.accept_stopped.connections')]).toEqual(['', 1]);
    idle.socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await waitFor(() => idle.got().includes('200 OK'));
    for (const { socket } of [...silent, idle]) socket.destroy();
    await waitFor(() => proxy.path.activeConnections() === 0);
    const again = [client(proxy.portOf('tls')), client(proxy.portOf('plain'))];
    await waitFor(() => proxy.path.activeConnections() === 2);
    expect([(await ask({ port: proxy.portOf('plain') })).status, again.some(({ gone }) => gone())]).toEqual([
      200,
      false,
    ]);
  });

  it('have one of a chain, by Envoy’s filter', async () => {
    await using upstream = await tcpUpstream((socket) => socket.pipe(socket));
    const chain = tcpChain('a');
    limit(chain, { statPrefix: 'few', maxConnections: 2n });
    await using proxy = await startProxy(
      resourceSet({ listeners: [listener('in', [chain])], clusters: [staticCluster('a', [upstream.port])] }),
    );
    const two = [client(proxy.portOf('in'), 'one'), client(proxy.portOf('in'), 'two')];
    await waitFor(() => two.every(({ got }) => got().length === 3));
    const third = client(proxy.portOf('in'), 'three');
    await waitFor(() => third.gone());
    expect([third.got(), proxy.stats.valueOf('connection_limit.few.limited_connections')]).toEqual(['', 1]);
    two[0]?.socket.destroy();
    await waitFor(() => proxy.path.activeConnections() === 1);
    const fourth = client(proxy.portOf('in'), 'four');
    await waitFor(() => fourth.got() === 'four');
  });

  it('are not limited to none', async () => {
    const chain = tcpChain('a');
    limit(chain, { statPrefix: 'none' });
    await using proxy = await startProxy(resourceSet({}));
    expect(proxy.path.update(resourceSet({ listeners: [listener('in', [chain])] }))).toMatchObject([
      { type: 'listener', name: 'in', reason: expect.stringContaining('max_connections must be 1 or more') as string },
    ]);
  });
});

describe('clients that are slow on purpose', () => {
  it('are answered 408 when their head never ends, while others are served', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [httpChain(routes(toCluster('a')), { requestHeadersTimeout: { nanos: 300_000_000 } })]),
        ],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const port = proxy.portOf('in');
    const slow = Array.from({ length: 50 }, () => client(port, 'GET / HTTP/1.1\r\nHost: '));
    slow.forEach((one) => dribble(one, ENDLESS));
    expect((await ask({ port, headers: { connection: 'close' } })).status).toBe(200);
    await waitFor(() => slow.every(({ gone }) => gone()));
    for (const { got } of slow) expect(got()).toMatch(/^HTTP\/1.1 408 [^]*x-weft-reason: request-headers-timeout/);
    expect(proxy.records.filter(({ reason }) => reason === 'request-headers-timeout')).toHaveLength(50);
    // One is that of the upstream connection, which is kept.
    await waitFor(() => proxy.path.activeConnections() === 0 && proxy.path.armedTimers() <= 1);
  });

  it('are answered 408 when their body never ends, however steadily it comes', async () => {
    await using upstream = await httpUpstream((request) => void request.resume());
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')), { requestTimeout: { nanos: 400_000_000 } })])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const slow = Array.from({ length: 20 }, () =>
      client(proxy.portOf('in'), 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n'),
    );
    slow.forEach((one) => dribble(one, ENDLESS));
    await waitFor(() => slow.every(({ gone }) => gone()));
    for (const { got } of slow) expect(got()).toMatch(/^HTTP\/1.1 408 [^]*x-weft-reason: request-/);
    await waitFor(() => proxy.path.activeConnections() === 0 && proxy.path.armedTimers() === 0);
  });

  it('lose their connection when they say nothing at all', async () => {
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('http', [
            httpChain(routes(), { commonHttpProtocolOptions: { idleTimeout: { nanos: 200_000_000 } } }),
          ]),
          listener('tls', [
            httpChain(
              routes(),
              {},
              { transportSocket: serverSocket, transportSocketConnectTimeout: { nanos: 200_000_000 } },
            ),
          ]),
        ],
      }),
      { secrets: secretsOf('server') },
    );
    const silent = ['http', 'tls'].map((name) => client(proxy.portOf(name)));
    await waitFor(() => silent.every(({ gone }) => gone()));
    expect(proxy.path.activeConnections()).toBe(0);
  });
});

describe('hosts that never read', () => {
  it('hold back the client instead of filling memory, and a stream on which nothing moves ends', async () => {
    await using upstream = await tcpUpstream((socket) => void socket.pause());
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')), { streamIdleTimeout: { seconds: 1n } })])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const size = 64 * 1024 * 1024;
    const pushing = Array.from({ length: 4 }, () => {
      const one = client(proxy.portOf('in'), `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`);
      const block = Buffer.alloc(1024 * 1024);
      const push = (): void => {
        while (!one.socket.destroyed && one.socket.write(block));
        one.socket.once('drain', push);
      };
      push();
      return one;
    });
    await waitFor(() => pushing.every(({ got }) => got() !== ''), { timeoutMs: 10_000 });
    for (const { got, socket } of pushing) {
      expect(got()).toMatch(/^HTTP\/1.1 408 [^]*x-weft-reason: stream-idle-timeout/);
      // The rest is what the kernel holds on both legs.
      expect(socket.bytesWritten).toBeLessThan(size / 2);
    }
    expect(proxy.stats.valueOf('http.test.downstream_flow_control_paused_reading_total')).toBeGreaterThanOrEqual(4);
    pushing.forEach(({ socket }) => socket.destroy());
    await waitFor(() => proxy.path.activeConnections() === 0 && proxy.path.armedTimers() === 0);
  });
});
