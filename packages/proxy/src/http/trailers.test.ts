import { describe, expect, it } from 'vitest';
import { Http1ProtocolOptionsSchema } from '@weft/contracts/lean/envoy/config/core/v3/protocol';
import { create } from '@bufbuild/protobuf';
import { exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { httpUpstream, tcpUpstream } from '../test-support/upstream.ts';

const through = (port: number, hcm: Parameters<typeof httpChain>[1] = {}): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(toCluster('a')), hcm)])],
      clusters: [staticCluster('a', [port])],
    }),
  );

/** Answers `hello` in one chunk with these lines behind it, and goes on with the connection. */
const withTrailers = (lines: string) =>
  tcpUpstream((socket) => {
    socket.on('data', () =>
      socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n${lines}\r\n`),
    );
  });

const CHUNKS = '3\r\nabc\r\n0\r\n';
const post = (head: string, trailers: string): string =>
  `POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${head}\r\n${CHUNKS}${trailers}\r\n`;

describe('trailers of answers', () => {
  it('go to a client that takes them, in the case they came in', async () => {
    await using upstream = await withTrailers('X-Sum: 1\r\nX-SUM: 2\r\n');
    await using proxy = await through(upstream.port);
    const got = await exchange(
      proxy.portOf('in'),
      'GET / HTTP/1.1\r\nHost: h\r\nTE: deflate;q=0.5, Trailers\r\nConnection: TE, close\r\n\r\n',
    );
    expect(got).toMatch(/5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-SUM: 2\r\n\r\n$/);
  });

  it('are left out for a client that did not ask, unless the listener says so', async () => {
    await using upstream = await withTrailers('X-Sum: 1\r\n');
    await using careful = await through(upstream.port);
    await using open = await through(upstream.port, {
      httpProtocolOptions: create(Http1ProtocolOptionsSchema, { enableTrailers: true }),
    });
    const head = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n';
    expect(await exchange(careful.portOf('in'), head)).toMatch(/hello\r\n0\r\n\r\n$/);
    expect(await exchange(open.portOf('in'), head)).toMatch(/hello\r\n0\r\nX-Sum: 1\r\n\r\n$/);
  });

  it('lose what frames, routes, authorizes or is of the mesh', async () => {
    await using upstream = await withTrailers(
      'Content-Length: 3\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nSet-Cookie: a=b\r\nX-Weft-Reason: draining\r\nX-Envoy-Overloaded: true\r\nGrpc-Status: 0\r\n',
    );
    await using proxy = await through(upstream.port);
    const got = await exchange(
      proxy.portOf('in'),
      'GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: close\r\n\r\n',
    );
    expect(got).toMatch(/hello\r\n0\r\nGrpc-Status: 0\r\n\r\n$/);
  });

  it('that are not valid cut the answer, and leave the connection to nobody', async () => {
    await using upstream = await withTrailers('X Sum: 1\r\n');
    await using proxy = await through(upstream.port);
    const head = 'GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n';
    for (const attempt of [1, 2]) {
      const got = await exchange(proxy.portOf('in'), head);
      expect(got).toMatch(/5\r\nhello\r\n$/);
      expect(upstream.accepted()).toBe(attempt);
    }
  });
});

describe('trailers of requests', () => {
  const echoTrailers = () =>
    httpUpstream((request, response) => {
      request.resume();
      request.on('end', () =>
        response.end(JSON.stringify({ trailers: request.rawTrailers, announced: request.headers.trailer ?? '' })),
      );
    });

  it('reach an application that was told of them', async () => {
    await using upstream = await echoTrailers();
    await using proxy = await through(upstream.port);
    const got = await exchange(proxy.portOf('in'), post('Trailer: X-Sum\r\n', 'X-Sum: 7\r\nAuthorization: no\r\n'));
    expect(got).toContain('{"trailers":["X-Sum","7"],"announced":"X-Sum"}');
  });

  it('stay behind when nobody announced them', async () => {
    await using upstream = await echoTrailers();
    await using proxy = await through(upstream.port);
    expect(await exchange(proxy.portOf('in'), post('', 'X-Sum: 7\r\n'))).toContain('{"trailers":[],"announced":""}');
  });

  it('are sent again with a body that is sent again', async () => {
    let requests = 0;
    await using upstream = await tcpUpstream((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
        if (!text.endsWith('\r\n\r\n') || !text.includes('0\r\n')) return;
        requests += 1;
        const status = requests === 2 ? 200 : 503;
        const body = JSON.stringify(text.slice(text.indexOf('\r\n\r\n') + 4));
        text = '';
        socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      });
    });
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [httpChain(routes(toCluster('a', { retryPolicy: { retryOn: '5xx', numRetries: 1 } })))]),
        ],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const got = await exchange(proxy.portOf('in'), post('Trailer: X-Sum\r\n', 'X-Sum: 7\r\n'));
    expect(got).toMatch(/^HTTP\/1.1 200 /);
    expect(got).toContain(JSON.stringify('3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n'));
  });
});
