import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import type { ResourceSet } from '../../../ports.ts';
import { exchange, startProxy, type TestProxy } from '../../../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../../../test-support/resources.ts';
import { tcpUpstream, type TestServer } from '../../../test-support/upstream.ts';

type Action = Parameters<typeof toCluster>[1];
const CONNECT: Action = { upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }] };
const resources = (port: number, action: Action = CONNECT, hcm = true): ResourceSet =>
  resourceSet({
    listeners: [
      listener('in', [
        httpChain(
          routes(
            toCluster('a', action, { match: { pathSpecifier: { case: 'connectMatcher', value: {} } } }),
            toCluster('a', action),
          ),
          hcm ? { upgradeConfigs: [{ upgradeType: 'CONNECT' }] } : {},
        ),
      ]),
    ],
    clusters: [staticCluster('a', [port])],
  });
const to = (...given: Parameters<typeof resources>): Promise<TestProxy> => startProxy(resources(...given));

/** Speaks first, then returns what comes in brackets. */
const server = (): Promise<TestServer> =>
  tcpUpstream((socket) => {
    socket.write('welcome');
    socket.on('data', (chunk) => socket.write(`<${chunk.toString('latin1')}>`));
    socket.on('end', () => socket.end('bye'));
  });

const ask = (target = 'far.example:443'): string => `CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`;

describe('a tunnel that ends here', () => {
  it('is TCP to the cluster: bytes both ways, early ones and the other side’s first word among them', async () => {
    await using upstream = await server();
    await using proxy = await to(upstream.port);
    const got = await exchange(proxy.portOf('in'), `${ask()}early`, '<early>');
    expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(got).not.toMatch(/content-length|transfer-encoding/i);
    expect(got.split('\r\n\r\n')[1]).toMatch(/^welcome<early>/);
    await waitFor(() => proxy.records.length === 1);
    expect(proxy.records[0]).toMatchObject({
      method: 'CONNECT',
      path: '',
      authority: 'far.example:443',
      code: 200,
      cluster: 'a',
    });
  });

  it('lets the client end its side, and the server have the last word', async () => {
    await using upstream = await server();
    await using proxy = await to(upstream.port);
    let got = '';
    const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in'), allowHalfOpen: true });
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      if (got.endsWith('welcome')) socket.end('last');
    });
    socket.write(ask());
    await new Promise((resolve) => socket.on('end', resolve));
    expect(got.split('\r\n\r\n')[1]).toBe('welcome<last>bye');
  });

  it('goes over a stream of HTTP/2 as well', async () => {
    await using upstream = await server();
    await using proxy = await to(upstream.port);
    const session = connectHttp2(`http://127.0.0.1:${proxy.portOf('in')}`);
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'far.example:443' });
    let [status, got] = [0, ''];
    stream.on('response', (headers) => (status = Number(headers[':status'])));
    stream.on('data', (chunk: Buffer) => {
      got += chunk.toString('latin1');
      if (got === 'welcome') stream.end('two');
    });
    await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
    session.close();
    expect([status, got]).toEqual([200, 'welcome<two>bye']);
  });

  it('carries as much as there is, at the pace of the slower side', async () => {
    const bytes = 3_000_000;
    let received = 0;
    await using upstream = await tcpUpstream((socket) => {
      socket.on('data', (chunk) => (received += chunk.length));
      socket.on('end', () => socket.end('z'.repeat(bytes)));
    });
    await using proxy = await to(upstream.port);
    const got = await new Promise<number>((resolve) => {
      let [count, open] = [0, false];
      const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in'), allowHalfOpen: true });
      socket.write(ask());
      socket.on('data', (chunk) => {
        if (open) count += chunk.length;
        else socket.end('y'.repeat(bytes));
        open = true;
      });
      socket.on('end', () => resolve(count));
    });
    expect([received, got]).toEqual([bytes, bytes]);
  });

  it('answers POST alike where that is allowed, and passes it on where not', async () => {
    await using upstream = await server();
    await using proxy = await to(upstream.port, {
      upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: { allowPost: true } }],
    });
    const post = 'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n';
    expect(await exchange(proxy.portOf('in'), post, '<hi>')).toMatch(
      /^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*transfer-encoding: chunked\r\n/,
    );
    await using other = await to(upstream.port);
    expect(await exchange(other.portOf('in'), post)).toMatch(/^HTTP\/1\.1 502/);
  });

  it('is refused when nobody is there, and counted', async () => {
    await using proxy = await to(1);
    expect(await exchange(proxy.portOf('in'), ask())).toMatch(
      /^HTTP\/1\.1 503 [^]*x-weft-reason: upstream-connect-failure/,
    );
    expect(proxy.records[0]).toMatchObject({ code: 503, reason: 'upstream-connect-failure' });
  });

  it('is for those who ask for it in form only', async () => {
    await using upstream = await server();
    await using proxy = await to(upstream.port);
    for (const target of ['far.example', '/path', 'http://far.example/'])
      expect(await exchange(proxy.portOf('in'), ask(target))).toMatch(/^HTTP\/1\.1 400 /);
    const session = connectHttp2(`http://127.0.0.1:${proxy.portOf('in')}`);
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'no-port.example' });
    const status = await new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
    session.destroy();
    expect(status).toBe(400);
    expect(upstream.accepted()).toBe(0);
  });

  it.each(['HTTP/1.1', 'HTTP/2'])('is refused over %s where nobody configured it', async (protocol) => {
    await using upstream = await server();
    await using proxy = await to(upstream.port, CONNECT, false);
    if (protocol === 'HTTP/1.1') {
      expect(await exchange(proxy.portOf('in'), ask())).toMatch(/^HTTP\/1\.1 405 [^]*x-weft-reason: connect-refused/);
    } else {
      const session = connectHttp2(`http://127.0.0.1:${proxy.portOf('in')}`);
      const stream = session.request({ ':method': 'CONNECT', ':authority': 'far.example:443' });
      const status = await new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
      session.destroy();
      expect(status).toBe(405);
    }
    expect(upstream.accepted()).toBe(0);
  });

  it.each<[string, Action, string]>([
    [
      'another kind of upgrade',
      { upgradeConfigs: [{ upgradeType: 'websocket', connectConfig: {} }] },
      'is for the upgrade type CONNECT',
    ],
    [
      'a PROXY header',
      { upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: { proxyProtocolConfig: {} } }] },
      'proxy_protocol_config',
    ],
  ])('is refused as configuration with %s', async (_, action, reason) => {
    await using proxy = await to(1);
    expect(proxy.path.update(resources(1, action))).toMatchObject([
      { reason: expect.stringContaining(reason) as string },
    ]);
  });
});
