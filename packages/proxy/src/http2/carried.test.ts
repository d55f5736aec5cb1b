// Two proxies that carry HTTP/1.1 between them in HTTP/2: what a caller says and what it hears is the same as without.
import { connect } from 'node:net';
import { create } from '@bufbuild/protobuf';
import {
  CircuitBreakersSchema,
  CircuitBreakers_ThresholdsSchema,
} from '@weft/contracts/lean/envoy/config/cluster/v3/circuit_breaker';
import { CARRIES_HTTP1, WEFT_METADATA } from '@weft/contracts';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { HeadParser } from '../http1/head-parser.ts';
import { H1Head } from '../http1/h1-head.ts';
import { exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { clientSocket, secretsOf, serverSocket } from '../test-support/mutual-tls.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { tcpUpstream, type TestServer } from '../test-support/upstream.ts';
import { ownPhrase } from './carried.ts';

const NO_LIMIT = 0xffff_ffff;
const thresholds = (maxConnections: number) =>
  create(CircuitBreakersSchema, {
    thresholds: [create(CircuitBreakers_ThresholdsSchema, { maxConnections, maxPendingRequests: NO_LIMIT })],
  });

const server = (appPort: number): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [httpChain(routes(toCluster('app')), { generateRequestId: false }, { transportSocket: serverSocket })], {
          trafficDirection: TrafficDirection.INBOUND,
        }),
      ],
      clusters: [staticCluster('app', [appPort])],
    }),
    { secrets: secretsOf('server') },
  ); // prettier-ignore

const client = (meshPort: number, maxConnections = NO_LIMIT, carries?: boolean): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('out', [
          httpChain(routes(toCluster('mesh')), {
            generateRequestId: false,
            upgradeConfigs: [{ upgradeType: 'websocket' }] }),
        ]),
      ],
      clusters: [
        staticCluster('mesh', [meshPort], {
          transportSocket: clientSocket('server'),
          circuitBreakers: thresholds(maxConnections),
          ...(carries === undefined ? {} : { metadata: { filterMetadata: { [WEFT_METADATA]: { [CARRIES_HTTP1]: carries } } } }),
        }),
      ],
    }),
    { secrets: secretsOf('client') },
  ); // prettier-ignore

/** Answers each request with fixed bytes, and keeps what came. */
async function app(answer: (request: string) => string): Promise<TestServer & { readonly requests: string[] }> {
  const requests: string[] = [];
  const made = await tcpUpstream((socket) => {
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const end = text.endsWith('\r\n\r\n') && !text.includes('chunked') ? text.length : text.indexOf('\r\n0\r\n');
      if (end < 0) return;
      requests.push(text);
      socket.write(answer(text), 'latin1');
      text = '';
    });
  });
  return Object.assign(made, { requests });
}

const totalConnections = ({ path }: TestProxy): number | undefined => path.clusters()[0]?.hosts[0]?.totalConnections;

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('HTTP/1.1 carried in HTTP/2', () => {
  it('keeps case, order and repetition of lines, bytes above ASCII and the reason phrase', async () => {
    await using upstream = await app(
      () => 'HTTP/1.1 200 Fine By Me\r\nX-Odd: 1\r\nx-odd: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Byte: \xe9\r\nConTent-LENGTH: 2\r\n\r\nok',
    ); // prettier-ignore
    await using callee = await server(upstream.port);
    await using caller = await client(callee.portOf('in'));
    const lines =
      'X-First: 1\r\nHoSt: there\r\nX-ZeBra: 2\r\nx-zebra: 3\r\nCookie: a=1\r\nCookie: b=2\r\nX-Byte: \xe9\xff\r\n';
    const got = await exchange(caller.portOf('out'), `GET /p?q HTTP/1.1\r\n${lines}\r\n`, 'ok');
    expect(upstream.requests[0]).toMatch(new RegExp(`^GET /p\\?q HTTP/1\\.1\r\n${lines}`));
    expect(got).toMatch(
      /^HTTP\/1\.1 200 Fine By Me\r\nX-Odd: 1\r\nx-odd: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Byte: \xe9\r\nConTent-LENGTH: 2\r\n/,
    );
    for (const { records } of [caller, callee])
      expect(records[0]).toMatchObject({ protocol: 'HTTP/1.1', code: 200, mutualTls: true });
  });

  it('takes one connection for many callers', async () => {
    await using upstream = await app(() => OK);
    await using callee = await server(upstream.port);
    await using caller = await client(callee.portOf('in'));
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => exchange(caller.portOf('out'), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n', 'ok')),
    );
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(totalConnections(caller)).toBe(1);
  });

  it('passes chunked bodies and trailers', async () => {
    await using upstream = await app(
      () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n',
    );
    await using callee = await server(upstream.port);
    await using caller = await client(callee.portOf('in'));
    const got = await exchange(
      caller.portOf('out'),
      'POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n',
      '\r\n0\r\n',
    );
    expect(upstream.requests[0]).toMatch(/\r\n2\r\nxy\r\n0\r\n\r\n$/);
    expect(got).toMatch(/3\r\nabc\r\n0\r\n/);
  });

  it('says of a response that was cut what it says without', async () => {
    await using upstream = await tcpUpstream((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'));
    });
    await using callee = await server(upstream.port);
    await using caller = await client(callee.portOf('in'));
    const got = await exchange(caller.portOf('out'), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(got.endsWith('\r\n\r\nabc')).toBe(true);
    expect(caller.records[0]).toMatchObject({ code: 200, reason: 'upstream-response-cut' });
  });

  it('tells the application when its caller leaves', async () => {
    let left = 0;
    let asked = 0;
    await using upstream = await tcpUpstream((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => (asked += 1));
      socket.on('end', () => socket.end());
      socket.on('close', () => (left += 1));
    });
    await using callee = await server(upstream.port);
    await using caller = await client(callee.portOf('in'));
    const socket = connect({ host: '127.0.0.1', port: caller.portOf('out') });
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await waitFor(() => asked === 1, { what: 'the request' });
    socket.resetAndDestroy();
    await waitFor(() => left === 1, { what: 'the end at the application' });
    await waitFor(() => callee.records.length === 1, { what: 'the record' });
    expect(callee.records[0]).toMatchObject({ code: 0, reason: 'downstream-reset' });
  });

  it('leaves upgrades a connection of their own', async () => {
    await using upstream = await app(
      (request) => (request.includes('Upgrade') ? 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello' : OK),
    ); // prettier-ignore
    await using callee = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [
            httpChain(
              routes(toCluster('app', { upgradeConfigs: [{ upgradeType: 'websocket' }] })),
              {},
              { transportSocket: serverSocket },
            ),
          ]),
        ],
        clusters: [staticCluster('app', [upstream.port])],
      }),
      { secrets: secretsOf('server') },
    );
    await using caller = await client(callee.portOf('in'));
    await exchange(caller.portOf('out'), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n', 'ok');
    const upgrade = 'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n';
    expect(await exchange(caller.portOf('out'), upgrade, 'hello')).toMatch(/^HTTP\/1.1 101 /);
  });

  it.each<[string, number, boolean | undefined]>([
    ['connections are limited', 7, undefined],
    ['its cluster says so', NO_LIMIT, false],
  ])('is not used where %s', async (_, maxConnections, carries) => {
    await using upstream = await app(() => OK);
    await using callee = await server(upstream.port);
    await using caller = await client(callee.portOf('in'), maxConnections, carries);
    await Promise.all(
      Array.from({ length: 5 }, () => exchange(caller.portOf('out'), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n', 'ok')),
    );
    expect(totalConnections(caller)).toBe(5);
  });
});

it('a reason phrase is said only where the status does not imply it', () => {
  const parser = new HeadParser('response');
  const phraseOf = (line: string): string | undefined => {
    parser.reset();
    const bytes = Buffer.from(`${line}\r\n\r\n`);
    parser.parse(bytes, 0, bytes.length);
    const head = new H1Head(parser);
    head.take(bytes, 0);
    return ownPhrase(parser.status, head);
  };
  expect([phraseOf('HTTP/1.1 200 OK'), phraseOf('HTTP/1.1 200 Oh'), phraseOf('HTTP/1.1 200 ')]).toEqual([
    undefined,
    'Oh',
    '',
  ]);
});
