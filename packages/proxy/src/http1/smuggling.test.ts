import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { httpUpstream, readBody, tcpUpstream, type TestServer } from '../test-support/upstream.ts';

// What is sent, and the status that refuses it. Nothing of it may reach the upstream.
const H = 'Host: h\r\n';
const REFUSED: readonly (readonly [row: string, bytes: string, status: number])[] = [
  [
    'a1 length and chunks',
    `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['a2 two codings', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
  ['a2 chunked twice', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 501],
  ['a2 unknown coding', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: xchunked\r\n\r\n`, 501],
  ['a2 control byte', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: \x0bchunked\r\n\r\n`, 400],
  ['a3 chunks in 1.0', `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a4 signed length', `POST / HTTP/1.1\r\n${H}Content-Length: +5\r\n\r\nhello`, 400],
  ['a4 hex length', `POST / HTTP/1.1\r\n${H}Content-Length: 0x5\r\n\r\nhello`, 400],
  ['a4 empty length', `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\n`, 400],
  ['a4 list', `POST / HTTP/1.1\r\n${H}Content-Length: 5, 5\r\n\r\nhello`, 400],
  ['a4 two lengths', `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 400],
  ['a5 length too large', `POST / HTTP/1.1\r\n${H}Content-Length: 9007199254740992\r\n\r\n`, 400],
  ['a6 bare LF', `GET / HTTP/1.1\nHost: h\n\n`, 400],
  ['a6 bare LF in a field', `GET / HTTP/1.1\r\n${H}A: b\nC: d\r\n\r\n`, 400],
  ['a6 bare CR', `GET / HTTP/1.1\r\n${H}A: b\rC: d\r\n\r\n`, 400],
  ['a7 folded line', `GET / HTTP/1.1\r\n${H}A: b\r\n c\r\n\r\n`, 400],
  ['a8 space before the first field', `GET / HTTP/1.1\r\n ${H}\r\n`, 400],
  ['a8 space before the colon', `GET / HTTP/1.1\r\n${H}A : b\r\n\r\n`, 400],
  ['a9 no colon', `GET / HTTP/1.1\r\n${H}Abc\r\n\r\n`, 400],
  ['a9 empty name', `GET / HTTP/1.1\r\n${H}: b\r\n\r\n`, 400],
  ['a9 name is not a token', `GET / HTTP/1.1\r\n${H}A(b): c\r\n\r\n`, 400],
  ['a10 NUL in a value', `GET / HTTP/1.1\r\n${H}A: b\0c\r\n\r\n`, 400],
  ['a11 no Host', `GET / HTTP/1.1\r\n\r\n`, 400],
  ['a11 two Hosts', `GET / HTTP/1.1\r\n${H}Host: i\r\n\r\n`, 400],
  ...['a b', 'h/evil', 'u@h', 'h#x', 'h:x', 'h:123456', '[::1', 'a,b', 'a%41', ''].map(
    (host) => [`a11 Host "${host}"`, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400] as const,
  ),
  ['a12 userinfo', `GET http://u@h/ HTTP/1.1\r\n${H}\r\n`, 400],
  ['a13 two spaces', `GET  / HTTP/1.1\r\n${H}\r\n`, 400],
  ['a13 tab', `GET\t/ HTTP/1.1\r\n${H}\r\n`, 400],
  ['a13 no version', `GET /\r\n${H}\r\n`, 400],
  ['a13 version 2.0', `GET / HTTP/2.0\r\n${H}\r\n`, 505],
  ['a13 version 1.1x', `GET / HTTP/1.1x\r\n${H}\r\n`, 400],
  ['a13 byte above ASCII', `GET /\xe9 HTTP/1.1\r\n${H}\r\n`, 400],
  ['a13 fragment', `GET /a#b HTTP/1.1\r\n${H}\r\n`, 400],
  ['a13 not a path', `GET abc HTTP/1.1\r\n${H}\r\n`, 400],
  ['a13 star for GET', `GET * HTTP/1.1\r\n${H}\r\n`, 400],
  ['a15 CONNECT', `CONNECT h:443 HTTP/1.1\r\n${H}\r\n`, 405],
  ['a16 three blank lines', `\r\n\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n`, 400],
  ['a17 long target', `GET /${'a'.repeat(70_000)} HTTP/1.1\r\n${H}\r\n`, 414],
  ['a17 large head', `GET / HTTP/1.1\r\n${H}A: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
  ['a17 many fields', `GET / HTTP/1.1\r\n${H}${'A: b\r\n'.repeat(101)}\r\n`, 431],
];
const BAD_CHUNKS: readonly (readonly [row: string, body: string])[] = [
  ['a18 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a18 sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a18 space', '5 \r\nhello\r\n0\r\n\r\n'],
  ['a18 empty', '\r\nhello\r\n0\r\n\r\n'],
  ['a18 overflow', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
  ['a19 LF in an extension', '5;a\nb\r\nhello\r\n0\r\n\r\n'],
  ['a19 long extension', `5;${'a'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`],
  ['a20 bare LF after the size', '5\nhello\r\n0\r\n\r\n'],
  ['a20 no CRLF after the data', '5\r\nhelloX\r\n0\r\n\r\n'],
  ['a6 bare LF in trailers', '0\r\nA: b\n\r\n'],
  ['a8 space before the colon in trailers', '0\r\nA : b\r\n\r\n'],
];

describe('what is not plainly HTTP/1.1', () => {
  let upstream: TestServer;
  let proxy: TestProxy;
  let complete = 0;

  beforeAll(async () => {
    upstream = await httpUpstream((request, response) => {
      readBody(request).then(
        () => {
          complete += 1;
          response.end('reached');
        },
        () => undefined,
      );
    });
    proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [httpChain(routes(toCluster('a')), { delayedCloseTimeout: { nanos: 50_000_000 } })]),
        ],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  it.each(REFUSED)('%s is refused', async (_, bytes, status) => {
    const before = upstream.accepted();
    const got = await exchange(proxy.portOf('in'), `${bytes}GET /smuggled HTTP/1.1\r\n${H}\r\n`);
    expect(got.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(got.toLowerCase()).toContain('connection: close\r\n');
    expect(got).toMatch(/x-weft-reason: [a-z-]+\r\n/);
    expect(got.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(upstream.accepted()).toBe(before);
  });

  it.each(BAD_CHUNKS)('%s never completes a request', async (_, body) => {
    const before = complete;
    const got = await exchange(
      proxy.portOf('in'),
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n${body}GET /smuggled HTTP/1.1\r\n${H}\r\n`,
    );
    expect(got).not.toContain('reached');
    expect(complete).toBe(before);
  });

  it('takes two blank lines, absolute form and any method name', async () => {
    expect(
      await exchange(proxy.portOf('in'), `\r\n\r\nPURGE http://other/x HTTP/1.1\r\n${H}Connection: close\r\n\r\n`),
    ).toContain('200 OK');
    expect(proxy.records.at(-1)).toMatchObject({ method: 'PURGE', path: '/x', authority: 'other' });
  });

  it('answers the first and ignores what follows Connection: close', async () => {
    const got = await exchange(proxy.portOf('in'), `GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\nnot http at all`);
    expect(got.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(got).toContain('reached');
  });

  it('serves HTTP/1.0 and closes', async () => {
    const got = await exchange(proxy.portOf('in'), `GET / HTTP/1.0\r\n${H}\r\n`);
    expect(got).toMatch(/^HTTP\/1.1 200/);
    expect(got).not.toContain('chunked');
  });
});

describe('what upstreams must not do', () => {
  const answering = async (
    bytes: string,
    method = 'GET',
  ): Promise<{ readonly got: string; readonly connections: number }> => {
    await using upstream = await tcpUpstream((socket) => socket.on('data', () => socket.write(bytes, 'latin1')));
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const got = await exchange(proxy.portOf('in'), `${method} / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
    await exchange(proxy.portOf('in'), `${method} / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
    return { got, connections: upstream.accepted() };
  };

  it.each([
    ['a34 length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok'],
    ['a34 two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
    ['a34 bad name', 'HTTP/1.1 200 OK\r\nA b: c\r\n\r\n'],
    ['a34 bad status', 'HTTP/1.1 2x0 OK\r\n\r\n'],
    ['a34 not HTTP', 'SSH-2.0-OpenSSH\r\n'],
    ['a7 folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
    ['a24 an upgrade unasked', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
  ])('%s: 502, and the connection is not used again', async (_, bytes) => {
    const { got, connections } = await answering(bytes);
    expect(got).toMatch(/^HTTP\/1.1 502 [^]*x-weft-reason: upstream-protocol-error\r\n/);
    expect(connections).toBe(2);
  });

  it.each([
    ['a25 a body after 204', 'HTTP/1.1 204 No Content\r\n\r\nsurprise'],
    ['a36 bytes after the answer', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n'],
  ])('%s: the connection is not used again', async (_, bytes) => {
    const { got, connections } = await answering(bytes);
    expect(got).toMatch(/^HTTP\/1.1 20[04]/);
    expect(got).not.toContain('surprise');
    expect(connections).toBe(2);
  });

  it('a35 cuts the answer where the upstream cut its own', async () => {
    await using upstream = await tcpUpstream((socket) =>
      socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')),
    );
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const got = await exchange(proxy.portOf('in'), `GET / HTTP/1.1\r\n${H}\r\n`);
    expect(got).toContain('hello');
    expect(got.endsWith('0\r\n\r\n')).toBe(false);
  });
});
