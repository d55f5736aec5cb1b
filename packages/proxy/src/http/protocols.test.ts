// What comes by one protocol and goes on by another means the same.
import { connect as connectHttp2, createServer as createHttp2, type IncomingHttpHeaders } from 'node:http2';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { type Any } from '@bufbuild/protobuf/wkt';
import { Http2ProtocolOptionsSchema } from '@weft/contracts/lean/envoy/config/core/v3/protocol';
import { HttpProtocolOptionsSchema } from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { HttpConnectionManager_CodecType } from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { httpUpstream, readBody, tcpUpstream, type TestServer } from '../test-support/upstream.ts';

type Version = 'HTTP/1.1' | 'HTTP/2';
const VERSIONS: readonly Version[] = ['HTTP/1.1', 'HTTP/2'];
const PAIRS = VERSIONS.flatMap((client) => VERSIONS.map((upstream) => [client, upstream] as const));

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const options = (init: Parameters<typeof pack<typeof HttpProtocolOptionsSchema>>[1]): Record<string, Any> => ({
  [OPTIONS]: pack(HttpProtocolOptionsSchema, init),
});
const http2 = (maxConcurrentStreams?: number): Record<string, Any> =>
  options({
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: {
        protocolConfig: {
          case: 'http2ProtocolOptions',
          value: create(Http2ProtocolOptionsSchema, maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams }),
        },
      },
    },
  });
const asCaller = options({ upstreamProtocolOptions: { case: 'useDownstreamProtocolConfig', value: {} } });

/** Says what it saw, by either protocol, with a trailer. */
async function upstreamOf(version: Version): Promise<TestServer> {
  const handle = async (
    request: Parameters<Parameters<typeof httpUpstream>[0]>[0],
    response: Parameters<Parameters<typeof httpUpstream>[0]>[1],
  ): Promise<void> => {
    const body = await readBody(request);
    const seen = { method: request.method, url: request.url, version: request.httpVersion, headers: request.headers, body, trailers: request.trailers }; // prettier-ignore
    if (request.url?.includes('slow') === true) await new Promise((resolve) => setTimeout(resolve, 100));
    if (request.method === 'HEAD') {
      response.writeHead(200, { 'content-length': '5' });
      response.end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json', trailer: 'x-sum', 'x-two': ['a', 'b'] });
    response.write(JSON.stringify(seen));
    response.addTrailers({ 'x-sum': '7' });
    response.end();
  };
  if (version === 'HTTP/1.1') return httpUpstream((request, response) => void handle(request, response));
  const server = createHttp2((request, response) => void handle(request as never, response as never));
  let accepted = 0;
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const through = (
  port: number,
  typed: Record<string, Any>,
  hcm: Parameters<typeof httpChain>[1] = {},
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(toCluster('a')), hcm)])],
      clusters: [staticCluster('a', [port], { typedExtensionProtocolOptions: typed })],
    }),
  );

interface Got {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly trailers?: Record<string, string>;
}

function ask(version: Version, port: number, call: Ask = {}): Promise<Got> {
  const { method = 'GET', path = '/', headers = {}, body, trailers } = call;
  if (version === 'HTTP/1.1') {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: '127.0.0.1', port, method, path, headers: { te: 'trailers', ...headers } },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, trailers: response.trailers }),
          );
        },
      ); // prettier-ignore
      request.on('error', reject);
      if (body !== undefined) request.write(body);
      if (trailers !== undefined) request.addTrailers(trailers);
      request.end();
    });
  }
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on('error', reject);
    const stream = session.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: body === undefined, waitForTrailers: trailers !== undefined },
    );
    let status = 0;
    let got: IncomingHttpHeaders = {};
    let end: IncomingHttpHeaders = {};
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (head) => {
      status = Number(head[':status']);
      got = head;
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
    stream.on('trailers', (head: IncomingHttpHeaders) => (end = head));
    stream.on('data', (chunk: string) => (text += chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      session.close();
      resolve({ status, headers: got, body: text, trailers: end });
    });
    if (body !== undefined) stream.end(body);
  });
}

describe.each(PAIRS)('%s to %s', (client, upstreamVersion) => {
  const typed = upstreamVersion === 'HTTP/2' ? http2() : {};

  it('carries head, body and trailers both ways', async () => {
    await using upstream = await upstreamOf(upstreamVersion);
    await using proxy = await through(upstream.port, typed);
    const got = await ask(client, proxy.portOf('in'), {
      method: 'POST',
      path: '/p?q=1',
      headers: { 'x-mine': '1', cookie: 'a=b; c=d', trailer: 'x-end' },
      body: 'hello',
      trailers: { 'x-end': 'e' },
    });
    const seen = JSON.parse(got.body) as Record<string, unknown> & { headers: Record<string, string> };
    expect(seen).toMatchObject({
      method: 'POST',
      url: '/p?q=1',
      version: upstreamVersion === 'HTTP/2' ? '2.0' : '1.1',
      body: 'hello',
      trailers: { 'x-end': 'e' },
    });
    expect(seen.headers).toMatchObject({ 'x-mine': '1', cookie: 'a=b; c=d' });
    const authority = upstreamVersion === 'HTTP/2' ? ':authority' : 'host';
    expect(seen.headers[authority]).toBe(`127.0.0.1:${proxy.portOf('in')}`);
    expect(got).toMatchObject({ status: 200, trailers: { 'x-sum': '7' } });
    expect(got.headers['x-two']).toBe('a, b');
    expect(got.headers['connection']).not.toBe('close');
    await waitFor(() => proxy.records.length === 1);
    expect(proxy.records[0]).toMatchObject({ protocol: client, code: 200, requestBytes: 5 });
  });

  it('carries a body in both directions that is larger than any window', async () => {
    const size = 3_000_000;
    await using upstream = await upstreamOf(upstreamVersion);
    await using proxy = await through(upstream.port, typed);
    const got = await ask(client, proxy.portOf('in'), { method: 'PUT', body: 'x'.repeat(size) });
    expect((JSON.parse(got.body) as { body: string }).body).toHaveLength(size);
  });

  it('has no body after HEAD, and a length for a POST of nothing', async () => {
    await using upstream = await upstreamOf(upstreamVersion);
    await using proxy = await through(upstream.port, typed);
    expect(await ask(client, proxy.portOf('in'), { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    const empty = JSON.parse((await ask(client, proxy.portOf('in'), { method: 'POST' })).body) as { body: string };
    expect(empty.body).toBe('');
  });

  it('answers in the place of an upstream that is not there', async () => {
    await using proxy = await through(1, typed);
    const got = await ask(client, proxy.portOf('in'));
    expect(got).toMatchObject({ status: 503, headers: { 'x-weft-reason': 'upstream-connect-failure' } });
  });
});

describe('which protocol', () => {
  it('goes upstream follows the caller where the cluster says so, and ends unused connections of neither', async () => {
    await using upstream = await tcpUpstream((socket) =>
      socket.once('data', (chunk) => {
        const text = String(chunk);
        if (text.startsWith('PRI')) socket.destroy();
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }),
    );
    await using proxy = await through(upstream.port, asCaller);
    expect(await ask('HTTP/1.1', proxy.portOf('in'))).toMatchObject({ status: 200, body: 'ok' });
    expect(await ask('HTTP/2', proxy.portOf('in'))).toMatchObject({ status: 503 });
  });

  it('is told by the first bytes, which may come one by one', async () => {
    await using upstream = await upstreamOf('HTTP/1.1');
    await using proxy = await through(upstream.port, {});
    const port = proxy.portOf('in');
    const slowly = (text: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect({ host: '127.0.0.1', port });
        let got = '';
        socket.on('data', (chunk: Buffer) => {
          got += chunk.toString('latin1');
          socket.destroy();
        });
        socket.on('close', () => resolve(got));
        void (async () => {
          for (const byte of text) {
            socket.write(byte, 'latin1');
            await new Promise((next) => setTimeout(next, 1));
          }
        })();
      });
    expect(await slowly('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /);
    // A server's preface: SETTINGS.
    expect(await slowly('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0').then((got) => got.charCodeAt(3))).toBe(
      4,
    );
  });

  it('is one alone where the listener says so', async () => {
    await using upstream = await upstreamOf('HTTP/1.1');
    await using one = await through(upstream.port, {}, { codecType: HttpConnectionManager_CodecType.HTTP1 });
    await using two = await through(upstream.port, {}, { codecType: HttpConnectionManager_CodecType.HTTP2 });
    expect(await exchange(one.portOf('in'), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toMatch(/^HTTP\/1.1 505 /);
    expect(await exchange(two.portOf('in'), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n')).not.toContain('HTTP/1.1');
    await expect(ask('HTTP/2', two.portOf('in'))).resolves.toMatchObject({ status: 200 });
  });
});

describe('connections to an HTTP/2 upstream', () => {
  const many = (port: number, count: number): Promise<Got[]> =>
    Promise.all(Array.from({ length: count }, () => ask('HTTP/1.1', port, { path: '/slow' })));

  it('carry many exchanges at once, and no more than the cluster allows', async () => {
    await using upstream = await upstreamOf('HTTP/2');
    await using wide = await through(upstream.port, http2());
    expect((await many(wide.portOf('in'), 40)).every(({ status }) => status === 200)).toBe(true);
    expect(upstream.accepted()).toBe(1);
    await using narrow = await through(upstream.port, http2(4));
    expect((await many(narrow.portOf('in'), 40)).every(({ status }) => status === 200)).toBe(true);
    expect(upstream.accepted() - 1).toBeGreaterThan(1);
    expect(upstream.accepted() - 1).toBeLessThanOrEqual(10);
  });

  it('end after as many requests as the cluster says', async () => {
    await using upstream = await upstreamOf('HTTP/2');
    await using proxy = await through(
      upstream.port,
      options({
        commonHttpProtocolOptions: { maxRequestsPerConnection: 3 },
        upstreamProtocolOptions: {
          case: 'explicitHttpConfig',
          value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
        },
      }),
    );
    for (let i = 0; i < 7; i += 1) expect(await ask('HTTP/1.1', proxy.portOf('in'))).toMatchObject({ status: 200 });
    expect(upstream.accepted()).toBe(3);
  });
});
