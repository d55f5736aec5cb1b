import { connect } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { Http1ProtocolOptionsSchema } from '@weft/contracts/lean/envoy/config/core/v3/protocol';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { echoUpstream, tcpUpstream } from '../test-support/upstream.ts';

const through = (
  port: number,
  hcm: Parameters<typeof httpChain>[1] = {},
  ...entries: Parameters<typeof routes>
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(...entries, toCluster('a')), hcm)])],
      clusters: [staticCluster('a', [port])],
    }),
  );

/** Answers every message with its bytes, and gathers them. */
const mirror = async () => {
  const seen: string[] = [];
  const server = await tcpUpstream((socket) => {
    socket.on('end', () => socket.end());
    socket.on('data', (chunk) => {
      seen.push(String(chunk));
      if (String(chunk).startsWith('CONNECT refused')) socket.write('HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n');
      else if (String(chunk).startsWith('CONNECT'))
        socket.write('HTTP/1.1 200 Yes\r\nContent-Length: 7\r\n\r\nwelcome');
      else if (String(chunk).startsWith('GET') || String(chunk).includes('\r\n\r\nok'))
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else if (!String(chunk).startsWith('POST')) socket.write(`<${String(chunk)}>`);
    });
  });
  return { server, seen };
};

/** Says one thing after the other, each once the former was answered. */
const converse = (port: number, turns: readonly (readonly [say: string, hear: string])[]): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    let turn = 0;
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(turns[0]?.[0] ?? ''));
    const timer = setTimeout(() => socket.destroy(), 5_000);
    socket.on('data', (chunk) => {
      text += String(chunk);
      if (!text.endsWith(turns[turn]?.[1] ?? '')) return;
      turn += 1;
      const next = turns[turn];
      if (next === undefined) socket.destroy();
      else socket.write(next[0]);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });

describe('100-continue', () => {
  const head = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n';

  it('is said here, once, and the upstream does not hear of it', async () => {
    const { server, seen } = await mirror();
    await using _ = server;
    await using proxy = await through(server.port);
    const got = await converse(proxy.portOf('in'), [
      [head, 'HTTP/1.1 100 Continue\r\n\r\n'],
      ['ok', 'ok'],
    ]);
    expect(got).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);
    expect(seen.join('').toLowerCase()).not.toContain('expect');
  });

  it('is the upstream’s to say where the listener says so', async () => {
    await using server = await tcpUpstream((socket) => {
      socket.once('data', (chunk) => {
        if (!String(chunk).includes('Expect: 100-Continue')) return socket.destroy();
        socket.write('HTTP/1.1 100 Go on\r\nX-Hint: 1\r\n\r\n');
        socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
      });
    });
    await using proxy = await through(server.port, { proxy100Continue: true });
    const got = await converse(proxy.portOf('in'), [
      [head, 'X-Hint: 1\r\n\r\n'],
      ['ok', 'ok'],
    ]);
    expect(got).toMatch(/^HTTP\/1.1 100 Go on\r\nX-Hint: 1\r\n\r\nHTTP\/1.1 200 OK\r\n/);
  });

  it('is not said for what is refused: the answer comes instead, and the connection ends', async () => {
    const { server } = await mirror();
    await using _ = server;
    await using proxy = await through(
      server.port,
      {},
      {
        match: { pathSpecifier: { case: 'path', value: '/' } },
        action: { case: 'directResponse', value: { status: 403 } },
      },
    );
    const got = await exchange(proxy.portOf('in'), head);
    expect(got).toMatch(/403 Forbidden\r\n[^]*connection: close\r\n/);
  });
});

describe('HTTP/1.0', () => {
  it('is kept open for a client that asks, and answered without chunks', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port);
    const got = await exchange(
      proxy.portOf('in'),
      'GET /1 HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\nHost: h\r\n\r\nGET /3 HTTP/1.0\r\nHost: h\r\n\r\n',
    );
    expect(got).not.toContain('chunked');
    expect(got).toMatch(/connection: keep-alive\r\n[^]*"url":"\/1"[^]*connection: close\r\n[^]*"url":"\/2"/);
    expect(got).not.toContain('"url":"/3"');
  });

  it('needs a Host unless the listener has one for it', async () => {
    await using upstream = await echoUpstream('a');
    await using strict = await through(upstream.port);
    await using mild = await through(upstream.port, {
      httpProtocolOptions: create(Http1ProtocolOptionsSchema, { defaultHostForHttp10: 'old.example' }),
    });
    expect(await exchange(strict.portOf('in'), 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    expect(await exchange(mild.portOf('in'), 'GET / HTTP/1.0\r\n\r\n')).toContain('"host":"old.example"');
    expect(await exchange(mild.portOf('in'), 'GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  });

  it('gets a body of unknown length until the end of the connection', async () => {
    await using upstream = await tcpUpstream((socket) =>
      socket.once('data', () =>
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n'),
      ),
    );
    await using proxy = await through(upstream.port);
    const got = await exchange(
      proxy.portOf('in'),
      'GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTE: trailers\r\n\r\n',
    );
    expect(got).toMatch(/connection: close\r\n\r\nok$/);
  });
});

describe('CONNECT', () => {
  const toConnect = {
    match: { pathSpecifier: { case: 'connectMatcher', value: {} } },
    action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: 'a' }, timeout: {} } },
  } as const;
  const allowed = { upgradeConfigs: [{ upgradeType: 'CONNECT' }], normalizePath: true };

  it('becomes a tunnel when the upstream takes it', async () => {
    const { server, seen } = await mirror();
    await using _ = server;
    await using proxy = await through(server.port, allowed, toConnect);
    const got = await converse(proxy.portOf('in'), [
      ['CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n', 'welcome'],
      ['ping', '<ping>'],
    ]);
    expect(got).toMatch(/^HTTP\/1.1 200 Yes\r\n(?![^]*content-length)[^]*\r\n\r\nwelcome<ping>$/i);
    expect(seen[0]).toMatch(/^CONNECT far.example:443 HTTP\/1.1\r\nHost: far.example:443\r\n/);
    expect(seen[0]?.toLowerCase()).not.toContain('transfer-encoding');
    await waitFor(() => proxy.records.length === 1);
  });

  it('that fails leaves nothing of what the client sent on', async () => {
    const { server, seen } = await mirror();
    await using _ = server;
    await using proxy = await through(server.port, allowed, toConnect);
    const got = await exchange(
      proxy.portOf('in'),
      'CONNECT refused:1 HTTP/1.1\r\nHost: refused:1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n',
    );
    expect(got).toMatch(/^HTTP\/1.1 502 No\r\n[^]*connection: close\r\n/);
    expect(got.match(/HTTP\/1.1/g)).toHaveLength(1);
    expect(seen.join('')).not.toContain('smuggled');
  });

  it.each([
    ['without a port', 'CONNECT far.example HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['to a path', 'CONNECT /x HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['with a body', 'CONNECT h:1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx'],
  ])('%s is refused', async (_, bytes) => {
    const { server } = await mirror();
    await using __ = server;
    await using proxy = await through(server.port, allowed, toConnect);
    expect(await exchange(proxy.portOf('in'), bytes)).toMatch(/^HTTP\/1.1 400 [^]*connection: close\r\n/);
    expect(server.accepted()).toBe(0);
  });

  it('matches no route for paths', async () => {
    const { server } = await mirror();
    await using _ = server;
    await using proxy = await through(server.port, allowed);
    expect(await exchange(proxy.portOf('in'), 'CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n')).toMatch(/^HTTP\/1.1 404 /);
  });
});
