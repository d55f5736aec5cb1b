import { describe, expect, it } from 'vitest';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { HttpProtocolOptions_HeadersWithUnderscoresAction } from '@weft/contracts/lean/envoy/config/core/v3/protocol';
import { waitFor } from '@weft/testkit';
import { ask, exchange, startProxy, type TestProxy } from './test-support/harness.ts';
import {
  httpChain,
  listener,
  namedRoutes,
  resourceSet,
  routes,
  staticCluster,
  tcpChain,
  toCluster,
} from './test-support/resources.ts';
import { echoUpstream, httpUpstream, tcpUpstream } from './test-support/upstream.ts';

const through = (
  port: number,
  hcm: Parameters<typeof httpChain>[1] = {},
  init: Parameters<typeof listener>[2] = {},
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(toCluster('a')), hcm)], init)],
      clusters: [staticCluster('a', [port])],
    }),
  );

interface Seen {
  readonly url: string;
  readonly headers: Record<string, string>;
}
const seenBy = async (proxy: TestProxy, headers: Record<string, string>): Promise<Record<string, string>> =>
  (JSON.parse((await ask({ port: proxy.portOf('in'), headers })).body) as Seen).headers;

describe('bodies', () => {
  it('has none after HEAD, 204 and 304, and keeps the connection', async () => {
    await using upstream = await httpUpstream((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status, status === 200 ? { 'content-length': '5' } : {});
      response.end(request.method === 'HEAD' || status !== 200 ? undefined : 'hello');
    });
    await using proxy = await through(upstream.port);
    const line = (method: string, path: string, more = ''): string =>
      `${method} ${path} HTTP/1.1\r\nHost: h\r\n${more}\r\n`;
    const got = await exchange(
      proxy.portOf('in'),
      line('HEAD', '/200') + line('GET', '/204') + line('GET', '/304') + line('GET', '/200', 'Connection: close\r\n'),
    );
    expect([...got.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '204', '304', '200']);
    expect(got.match(/hello/g)).toHaveLength(1);
    expect(upstream.accepted()).toBe(1);
  });

  it('passes 100 Continue on', async () => {
    await using upstream = await httpUpstream((request, response) => {
      request.resume();
      request.on('end', () => response.end('done'));
    });
    await using proxy = await through(upstream.port);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n';
    expect(await exchange(proxy.portOf('in'), head, '100 Continue')).toMatch(/^HTTP\/1.1 100 Continue\r\n/);
    expect(await exchange(proxy.portOf('in'), [head, 'ok'])).toMatch(/100 Continue[^]*200 OK[^]*done/);
  });

  it('passes an early answer on and ends the connection', async () => {
    await using upstream = await tcpUpstream((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno')),
    );
    await using proxy = await through(upstream.port);
    const got = await exchange(proxy.portOf('in'), 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\npart');
    expect(got).toMatch(/^HTTP\/1.1 403 No\r\n[^]*connection: close\r\n[^]*no$/);
  });

  it('streams an answer without length as it comes, and chunks it', async () => {
    await using upstream = await tcpUpstream((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\nfirst');
        setTimeout(() => socket.end('second'), 50);
      }),
    );
    await using proxy = await through(upstream.port);
    expect(await ask({ port: proxy.portOf('in') })).toMatchObject({
      status: 200,
      body: 'firstsecond',
      headers: { 'transfer-encoding': 'chunked' },
    });
  });

  it('does not fetch more than a slow client takes', async () => {
    let sent = 0;
    await using upstream = await httpUpstream((_, response) => {
      response.writeHead(200, { 'content-length': String(100_000_000) });
      const chunk = Buffer.alloc(1_000_000);
      const more = (): void => {
        while (sent < 100_000_000) {
          sent += chunk.length;
          if (!response.write(chunk)) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
    });
    await using proxy = await through(upstream.port);
    const { connect } = await import('node:net');
    const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in') }, () =>
      socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n'),
    );
    socket.on('error', () => undefined);
    socket.pause();
    let before = -1;
    await waitFor(
      () => {
        const settled = sent > 0 && sent === before;
        before = sent;
        return settled;
      },
      { everyMs: 150 },
    );
    expect(sent).toBeLessThan(40_000_000);
    socket.destroy();
    await waitFor(() => proxy.records.length === 1);
    expect(proxy.records[0]?.details).toBe('downstream_remote_disconnect');
  });
});

describe('upgrades', () => {
  const handshake = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  it('become a tunnel where they are allowed', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('no'));
    await using raw = await tcpUpstream((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome');
        socket.on('data', (chunk) => socket.write(`<${String(chunk)}>`));
      });
    });
    await using proxy = await through(raw.port, { upgradeConfigs: [{ upgradeType: 'websocket' }] });
    const { connect } = await import('node:net');
    const got = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in') }, () => socket.write(handshake));
      socket.on('data', (chunk) => {
        text += String(chunk);
        if (text.endsWith('welcome')) socket.write('ping');
        if (text.endsWith('<ping>')) {
          resolve(text);
          socket.destroy();
        }
      });
    });
    expect(got).toMatch(/^HTTP\/1.1 101 [^]*connection: upgrade\r\n[^]*welcome<ping>$/i);
    expect(upstream.accepted()).toBe(0);
  });

  it('are refused elsewhere, and h2c is passed over', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port);
    expect(await exchange(proxy.portOf('in'), handshake, 'refused')).toMatch(/403[^]*x-weft-reason: upgrade-refused/);
    const h2c =
      'GET / HTTP/1.1\r\nHost: h\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n';
    const got = await exchange(proxy.portOf('in'), h2c);
    expect(got).toContain('200 OK');
    expect(got).not.toContain('h2c');
    expect(got).not.toContain('http2-settings');
  });
});

describe('headers between hops', () => {
  it('drops what concerns one hop, and what Connection names', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port);
    const got = await exchange(
      proxy.portOf('in'),
      'GET / HTTP/1.1\r\nHost: h\r\nConnection: x-mine, close, host, x-request-id\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\nX-Request-Id: kept\r\n\r\n',
    );
    for (const gone of ['x-mine', '"keep-alive":', 'proxy-connection', '"te"']) expect(got).not.toContain(gone);
    expect(got).toContain('"host":"h"');
    expect(got).toContain('"x-request-id":"kept"');
  });

  it('strips what claims to be of the mesh, from requests and applications', async () => {
    await using upstream = await httpUpstream((request, response) =>
      response.writeHead(503, { 'x-weft-reason': 'upstream-connect-failure' }).end(JSON.stringify(request.headers)),
    );
    await using proxy = await through(upstream.port);
    const answer = await ask({
      port: proxy.portOf('in'),
      headers: { 'x-weft-anything': '1', 'x-envoy-peer-metadata': 'x', 'x-envoy-mine': 'kept' },
    });
    expect(answer.headers['x-weft-reason']).toBeUndefined();
    expect(answer.body).not.toContain('x-weft');
    expect(answer.body).not.toContain('peer-metadata');
    expect(answer.body).toContain('x-envoy-mine');
  });

  it('trusts forwarding headers inside, and not at the edge', async () => {
    await using upstream = await echoUpstream('a');
    await using inside = await through(upstream.port);
    await using edge = await through(upstream.port, { useRemoteAddress: true });
    await using behind = await through(upstream.port, { useRemoteAddress: true, xffNumTrustedHops: 1 });
    const sent = {
      'x-forwarded-for': '1.1.1.1',
      'x-forwarded-proto': 'https',
      'x-request-id': 'mine',
      'x-envoy-retry-on': '5xx',
      'x-forwarded-client-cert': 'forged',
    };
    expect(await seenBy(inside, sent)).toMatchObject({
      'x-forwarded-for': '1.1.1.1',
      'x-forwarded-proto': 'https',
      'x-request-id': 'mine',
      'x-envoy-retry-on': '5xx',
    });
    const atEdge = await seenBy(edge, sent);
    expect(atEdge).toMatchObject({ 'x-forwarded-for': '1.1.1.1,127.0.0.1', 'x-forwarded-proto': 'http' });
    expect(atEdge['x-request-id']).not.toBe('mine');
    expect(atEdge['x-envoy-retry-on']).toBeUndefined();
    expect(atEdge['x-forwarded-client-cert']).toBeUndefined();
    expect(await seenBy(behind, sent)).toMatchObject({ 'x-forwarded-proto': 'https' });
  });

  it('takes what steers the mesh from callers without a certificate', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port, {}, { trafficDirection: TrafficDirection.INBOUND });
    const seen = await seenBy(proxy, {
      'x-envoy-retry-on': '5xx',
      'x-istio-attributes': 'forged',
      'x-envoy-mine': '1',
    });
    expect(seen['x-envoy-retry-on']).toBeUndefined();
    expect(seen['x-istio-attributes']).toBeUndefined();
    expect(seen['x-envoy-mine']).toBe('1');
  });
});

describe('what the edge refuses', () => {
  it('is names with underscores, and the port of a host is dropped, where the listener says so', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port, {
      commonHttpProtocolOptions: {
        headersWithUnderscoresAction: HttpProtocolOptions_HeadersWithUnderscoresAction.REJECT_REQUEST,
      },
      stripPortMode: { case: 'stripAnyHostPort', value: true },
    });
    expect((await ask({ port: proxy.portOf('in'), headers: { a_b: '1' } })).status).toBe(400);
    expect(await seenBy(proxy, { host: 'name:81' })).toMatchObject({ host: 'name' });
  });
});

describe('listeners', () => {
  it('tell HTTP from other bytes where a port takes both', async () => {
    await using web = await echoUpstream('web');
    await using raw = await tcpUpstream((socket) => socket.on('data', (chunk) => socket.end(`raw ${String(chunk)}`)));
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener(
            'in',
            [
              httpChain(
                routes(toCluster('web')),
                {},
                { filterChainMatch: { applicationProtocols: ['http/1.1', 'h2c'] } },
              ),
            ],
            { defaultFilterChain: tcpChain('raw') },
          ),
        ],
        clusters: [staticCluster('web', [web.port]), staticCluster('raw', [raw.port])],
      }),
    );
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
    expect(await exchange(proxy.portOf('in'), 'hello there\n')).toBe('raw hello there\n');
  });

  it('keep connections through an update, and close those of a removed listener after their answer', async () => {
    await using upstream = await httpUpstream((_, response) => void setTimeout(() => response.end('slow'), 120));
    const clusters = [staticCluster('a', [upstream.port])];
    const make = (serverName: string) => listener('in', [httpChain('r', { serverName })]);
    const table = [namedRoutes('r', toCluster('a'))];
    await using proxy = await startProxy(resourceSet({ listeners: [make('first')], clusters, routes: table }));
    const port = proxy.portOf('in');
    const { Agent } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect((await ask({ port, agent })).headers['server']).toBe('first');
    expect(proxy.path.update(resourceSet({ listeners: [make('second')], clusters, routes: table }))).toEqual([]);
    expect((await ask({ port, agent })).headers['server']).toBe('second');
    expect(proxy.path.activeConnections()).toBe(1);
    const last = ask({ port, agent });
    proxy.path.update(resourceSet({ clusters, routes: table }));
    expect((await last).status).toBe(200);
    await waitFor(() => proxy.path.activeConnections() === 0);
    agent.destroy();
  });

  it('refuse what they can not do, naming the field', async () => {
    await using proxy = await startProxy(resourceSet({}));
    const unknown = httpChain(routes(), {
      httpFilters: [
        {
          name: 'x',
          configType: {
            case: 'typedConfig',
            value: { $typeName: 'google.protobuf.Any', typeUrl: 'type.googleapis.com/x.Y', value: new Uint8Array() },
          },
        },
      ],
    });
    expect(proxy.path.update(resourceSet({ listeners: [listener('bad', [unknown])] }))).toMatchObject([
      { type: 'listener', name: 'bad', reason: expect.stringContaining('http_filters[0] "x"') as string },
    ]);
    expect(proxy.path.listeners()).toEqual([]);
  });

  it('give back every timer, connection and count', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port);
    await Promise.all(Array.from({ length: 20 }, () => ask({ port: proxy.portOf('in'), method: 'POST', body: 'x' })));
    await waitFor(() => proxy.path.activeConnections() === 0);
    expect(proxy.path.clusters()[0]?.hosts[0]).toMatchObject({ activeRequests: 0, totalRequests: 20 });
    expect(proxy.stats.codes).toHaveLength(20);
  });
});
