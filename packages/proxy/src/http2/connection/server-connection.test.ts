import {
  connect,
  constants,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { once } from 'node:events';
import { FakeClock, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { FieldsHead } from '../../head/fields-head.ts';
import { CODE, FLAG, FRAME, MAX_STREAM_ID, SETTING } from '../frames/constants.ts';
import { block, data, frame, GET, headers, POST, RawPeer, settings, u32 } from '../test-support/raw-peer.ts';
import { echo, type Exchange, serveH2 } from '../test-support/test-server.ts';
import { DEFAULT_H2_LIMITS, forCarrier } from './options.ts';

interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly informational: number[];
  readonly body: Buffer;
  readonly code: number;
}

/** One request by Node's own client. */
function ask(
  session: ClientHttp2Session,
  head: OutgoingHttpHeaders,
  body?: Buffer,
  trailers?: OutgoingHttpHeaders,
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const stream = session.request(head, { endStream: body === undefined, waitForTrailers: trailers !== undefined });
    const informational: number[] = [];
    const chunks: Buffer[] = [];
    let got: IncomingHttpHeaders = {};
    let end: IncomingHttpHeaders | undefined;
    stream.on('headers', (early) => informational.push(Number(early[':status'])));
    stream.on('response', (answer) => (got = answer));
    stream.on('trailers', (answer) => (end = answer));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.on('error', reject);
    stream.on('close', () =>
      resolve({ headers: got, trailers: end, informational, body: Buffer.concat(chunks), code: stream.rstCode }),
    );
    if (body !== undefined) stream.end(body);
  });
}

async function session(port: number): Promise<ClientHttp2Session> {
  const made = connect(`http://127.0.0.1:${port}`);
  made.on('error', () => {});
  await once(made, 'connect');
  return made;
}

const over = (exchanges: readonly Exchange[]): Promise<unknown> =>
  waitFor(() => exchanges.every((exchange) => exchange.overs === 1), { what: 'the end of every exchange', everyMs: 2 });

describe('H2ServerConnection with the client of Node', () => {
  it('answers requests with and without body, many at a time', async () => {
    await using server = await serveH2();
    const client = await session(server.port);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        i % 2 === 0
          ? ask(client, { ':path': `/${i}` })
          : ask(client, { ':path': `/${i}`, ':method': 'POST' }, Buffer.alloc(i * 10, i)),
      ),
    );
    answers.forEach(({ headers: { ':status': status, 'x-method': method }, body }, i) => {
      expect([status, method, body.length]).toEqual([200, i % 2 === 0 ? 'GET' : 'POST', i % 2 === 0 ? 0 : i * 10]);
    });
    await over(server.exchanges);
    client.close();
    await waitFor(() => server.closed === 1, { what: 'the end of the connection' });
  });

  it('passes large bodies both ways within the windows', async () => {
    await using server = await serveH2();
    const client = await session(server.port);
    const body = Buffer.from(Array.from({ length: 5_000_000 }, (_, i) => (i * 7) & 0xff));
    const { body: back, headers: head } = await ask(client, { ':method': 'POST' }, body);
    expect(head['content-length']).toBe('5000000');
    expect(back.equals(body)).toBe(true);
    client.destroy();
  });

  it('passes trailers both ways', async () => {
    await using server = await serveH2();
    const client = await session(server.port);
    const got = await ask(client, { ':method': 'POST', te: 'trailers' }, Buffer.from('x'), { 'x-sum': '42' });
    expect(server.exchanges[0]?.trailers).toEqual(['x-sum: 42']);
    expect([got.body.toString(), got.trailers]).toEqual(['x', expect.objectContaining({ 'x-sum': '42' })]);
    client.destroy();
  });

  it('sends 1xx before the answer, and no body to HEAD and 204', async () => {
    await using server = await serveH2((exchange) => {
      if (!exchange.ended) return;
      const hint = FieldsHead.response(103);
      hint.add('Link', '</a>');
      exchange.stream.sendInformational(hint);
      const head = exchange.head?.get(':method') === 'HEAD';
      const answer = FieldsHead.response(head ? 200 : 204);
      answer.add('content-length', '3');
      exchange.stream.sendHead(head ? 200 : 204, answer, !head);
      if (head) exchange.stream.sendData(Buffer.from('abc'), 0, 3, true);
    });
    const client = await session(server.port);
    const head = await ask(client, { ':method': 'HEAD' });
    expect([head.informational, head.headers['content-length'], head.body.length]).toEqual([[103], '3', 0]);
    const none = await ask(client, { ':path': '/204' });
    expect([none.headers[':status'], none.headers['content-length']]).toEqual([204, undefined]);
    client.destroy();
  });

  it('holds back the client while the exchange is paused, and hands everything on afterwards', async () => {
    await using server = await serveH2((exchange) => {
      if (exchange.ended) echo(exchange);
      else exchange.stream.pauseRequest();
    }, {}, { streamWindow: 65_536, connectionWindow: 131_072 }); // prettier-ignore
    const client = await session(server.port);
    const body = Buffer.alloc(400_000, 'a');
    const asked = ask(client, { ':method': 'POST' }, body);
    await waitFor(() => server.exchanges.length === 1, { what: 'the request' });
    // What another stream sends still comes through: half of the connection's window is left.
    const beside = await ask(client, { ':path': '/beside' });
    expect(beside.headers[':status']).toBe(200);
    expect(server.exchanges[0]?.body).toEqual([]);
    server.exchanges[0]?.stream.resumeRequest();
    expect((await asked).body.equals(body)).toBe(true);
    client.destroy();
  });

  it('lets others use what held-up streams leave of the shared window', async () => {
    await using server = await serveH2((exchange) => {
      if (exchange.ended) echo(exchange);
      else if (exchange.head?.get(':path') === '/slow') exchange.stream.pauseRequest();
    }, {}, { streamWindow: 65_536, connectionWindow: 131_072 }); // prettier-ignore
    const client = await session(server.port);
    // Holds nearly half of the window; the client sees the rest.
    const slow = client.request({ ':method': 'POST', ':path': '/slow' });
    slow.on('error', () => {});
    slow.write(Buffer.alloc(65_000));
    await waitFor(() => (server.connections[0]?.heldBytes ?? 0) === 65_000, { what: 'bytes that are held' });
    const body = Buffer.alloc(300_000, 'c');
    const [one, two] = await Promise.all([
      ask(client, { ':method': 'POST' }, body),
      ask(client, { ':method': 'PUT' }, body),
    ]);
    expect([one.body.length, two.body.length]).toEqual([300_000, 300_000]);
    client.destroy();
  });

  it('says when it has room again to who was told to wait', async () => {
    const part = Buffer.alloc(100_000, 'b');
    let sent = 0;
    let waits = 0;
    const fill = (exchange: Exchange): void => {
      while (sent < 50) {
        if (exchange.stream.congested) {
          waits += 1;
          return;
        }
        sent += 1;
        exchange.stream.sendData(part, 0, part.length, sent === 50);
      }
    };
    await using server = await serveH2((exchange) => {
      exchange.onWritable = () => fill(exchange);
      exchange.stream.sendHead(200, FieldsHead.response(200), false);
      fill(exchange);
    });
    const client = await session(server.port);
    const { body } = await ask(client, {});
    expect([body.length, sent, waits > 5]).toEqual([5_000_000, 50, true]);
    client.destroy();
  });

  it('tells the exchange when the client gives up, resets or leaves', async () => {
    await using server = await serveH2(() => {});
    const client = await session(server.port);
    const stream = client.request({});
    stream.on('error', () => {});
    client.request({}).on('error', () => {});
    await waitFor(() => server.exchanges.length === 2, { what: 'both requests' });
    stream.close(constants.NGHTTP2_CANCEL);
    await waitFor(() => server.exchanges[0]?.overs === 1, { what: 'the reset' });
    expect(server.exchanges[0]?.aborted).toBe('downstream-reset');
    client.destroy();
    await over(server.exchanges);
    expect(server.exchanges[1]?.aborted).toBe('downstream-closed');
    expect(server.count('rx_reset')).toBe(1);
  });

  it('lets the client see that an answer was cut', async () => {
    await using server = await serveH2((exchange) => {
      exchange.stream.sendHead(200, FieldsHead.response(200), false);
      exchange.stream.sendData(Buffer.from('part'), 0, 4, false);
      exchange.stream.abort();
    });
    const client = await session(server.port);
    await expect(ask(client, {})).rejects.toThrow(/NGHTTP2_INTERNAL_ERROR/);
    await over(server.exchanges);
    expect(server.exchanges[0]?.aborted).toBeUndefined();
    client.destroy();
  });

  it('ends a request whose answer is complete without asking for the rest', async () => {
    await using server = await serveH2((exchange) => {
      if (exchange.overs === 0) exchange.stream.sendHead(413, FieldsHead.response(413), true);
    });
    const client = await session(server.port);
    const stream = client.request({ ':method': 'POST' });
    stream.write(Buffer.alloc(1000));
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    expect(head[':status']).toBe(413);
    stream.resume();
    await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    await over(server.exchanges);
    client.destroy();
  });

  it('takes extended CONNECT for an upgrade', async () => {
    await using server = await serveH2(
      (exchange) => {
        if (exchange.body.length > 0) return;
        const answer = FieldsHead.response(101);
        answer.add('upgrade', 'websocket');
        answer.add('sec-websocket-accept', 'proof');
        exchange.stream.sendHead(101, answer, false);
        exchange.stream.startTunnel();
      },
      { connectProtocol: true },
    );
    const client = await session(server.port);
    await waitFor(() => client.remoteSettings?.enableConnectProtocol === true, { what: 'the setting' });
    const stream = client.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat' });
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    expect([head[':status'], head['upgrade'], head['sec-websocket-accept']]).toEqual([200, undefined, undefined]);
    stream.write('ping');
    const [exchange] = server.exchanges;
    await waitFor(() => exchange?.text === 'ping', { what: 'bytes of the tunnel' });
    expect([exchange?.head?.get(':method'), exchange?.head?.get('upgrade')]).toEqual(['GET', 'websocket']);
    expect(exchange?.head?.get('sec-websocket-key')).toMatch(/^[A-Za-z0-9+/]{22}==$/);
    exchange?.stream.sendData(Buffer.from('pong'), 0, 4, true);
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('pong');
    client.destroy();
  });
});

describe('the end of a connection', () => {
  it('by a client that only ends its side leaves it the answers', async () => {
    const clock = new FakeClock();
    const waiting: Exchange[] = [];
    await using server = await serveH2((exchange) => void waiting.push(exchange), {}, {}, clock);
    using peer = await RawPeer.connect(server.port);
    peer.send(headers(1, GET), headers(3, GET));
    peer.socket.end();
    await waitFor(() => waiting.length === 2 && server.connections[0]?.socket.readableEnded === true, {
      what: 'the end',
    });
    for (const exchange of waiting) echo(exchange);
    await peer.until(() => peer.ended && peer.endOf(1) && peer.endOf(3), 'the answers');
    using half = await RawPeer.connect(server.port);
    half.send(headers(1, POST, false));
    await waitFor(() => waiting.length === 3, { what: 'the request' });
    half.socket.end();
    await waitFor(() => waiting[2]?.aborted === 'downstream-closed', { what: 'the end of half a request' });
    using slow = await RawPeer.connect(server.port);
    slow.send(headers(1, GET));
    await waitFor(() => waiting.length === 4, { what: 'the request' });
    slow.socket.end();
    await waitFor(() => server.connections[2]?.socket.readableEnded === true, { what: 'the end' });
    clock.advance(5_000);
    expect(waiting[3]?.aborted).toBe('downstream-closed');
  });

  it('is announced, and what is in flight is finished', async () => {
    const waiting: Exchange[] = [];
    await using server = await serveH2((exchange) => void waiting.push(exchange));
    using peer = await RawPeer.connect(server.port);
    peer.send(headers(1, GET));
    await waitFor(() => waiting.length === 1, { what: 'the request' });
    server.connections[0]?.onDraining();
    await peer.until(() => peer.goaways.length === 1, 'the warning');
    expect(peer.goaways[0]).toMatchObject({ last: MAX_STREAM_ID, code: CODE.noError });
    // Sent before the client knew: still taken.
    peer.send(headers(3, GET), frame(FRAME.ping, FLAG.ack, 0, Buffer.from('weftping')));
    await peer.until(() => peer.goaways.length === 2, 'the final word');
    expect(peer.goaways[1]).toMatchObject({ last: 3, code: CODE.noError });
    peer.send(headers(5, GET));
    for (const exchange of waiting) echo(exchange);
    await peer.until(() => peer.ended, 'the end');
    expect([peer.endOf(1), peer.endOf(3), peer.of(FRAME.headers, 5)]).toEqual([true, true, []]);
    expect(waiting).toHaveLength(2);
  });

  it('comes also when the client does not answer the PING', async () => {
    const clock = new FakeClock();
    await using server = await serveH2(echo, {}, {}, clock);
    using peer = await RawPeer.connect(server.port);
    peer.send(headers(1, GET));
    await peer.until(() => peer.endOf(1), 'the answer');
    server.connections[0]?.onDraining();
    clock.advance(5_000);
    await peer.until(() => peer.ended, 'the end');
    expect(peer.goaways.map(({ last }) => last)).toEqual([MAX_STREAM_ID, 1]);
  });

  it.each([
    ['after the last request allowed', { maxRequests: 2 }, 0],
    ['when it is old', { maxConnectionMs: 5_000 }, 5_000],
    ['when it is idle', { idleTimeoutMs: 3_000 }, 3_000],
  ])('comes %s', async (_, options, advance) => {
    const clock = new FakeClock();
    await using server = await serveH2(echo, options, {}, clock);
    using peer = await RawPeer.connect(server.port);
    peer.send(headers(1, GET), headers(3, GET));
    await peer.until(() => peer.endOf(1) && peer.endOf(3), 'the answers');
    if (advance > 0) clock.advance(advance);
    await peer.until(() => peer.goaways.length > 0, 'GOAWAY');
    clock.advance(5_000);
    await peer.until(() => peer.ended, 'the end');
    clock.advance(100);
    await waitFor(() => server.closed === 1 && server.timers.size === 0, { what: 'nothing left' });
  });

  it('comes when nobody answers our PING', async () => {
    const clock = new FakeClock();
    await using server = await serveH2(() => {}, {}, { keepalive: { intervalMs: 1_000, timeoutMs: 400 } }, clock);
    using peer = await RawPeer.connect(server.port);
    peer.send(headers(1, GET));
    await waitFor(() => server.exchanges.length === 1, { what: 'the request' });
    clock.advance(1_000);
    await peer.until(() => peer.of(FRAME.ping).length === 1, 'PING');
    // Its answer tells that ours was read, too.
    peer.send(
      frame(FRAME.ping, FLAG.ack, 0, peer.of(FRAME.ping)[0]?.payload),
      frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
    );
    await peer.until(() => peer.of(FRAME.ping).length === 2, 'the answer to a PING');
    clock.advance(1_000);
    await peer.until(() => peer.of(FRAME.ping).length === 3, 'the second PING');
    expect(server.exchanges[0]?.aborted).toBeUndefined();
    clock.advance(400);
    await peer.until(() => peer.ended, 'the end');
    expect([server.exchanges[0]?.aborted, server.count('keepalive_timeout')]).toEqual(['downstream-closed', 1]);
  });

  it('comes when a header block is not finished in time', async () => {
    const clock = new FakeClock();
    await using server = await serveH2(echo, { headersTimeoutMs: 2_000 }, {}, clock);
    using slow = await RawPeer.connect(server.port, Buffer.from('PRI * HTTP'));
    using half = await RawPeer.connect(server.port);
    half.send(frame(FRAME.headers, 0, 1, block(':method:GET')));
    await half.until(() => half.of(FRAME.settings).length === 2, 'SETTINGS');
    await waitFor(() => server.timers.size === 2, { what: 'both to be waited for' });
    clock.advance(2_000);
    await half.until(() => half.ended && slow.ended, 'the end of both');
    expect(half.goaways[0]?.code).toBe(CODE.enhanceYourCalm);
    expect(server.count('headers_timeout')).toBe(2);
  });
});

describe('messages that are not valid', () => {
  it('cost their stream only', async () => {
    await using server = await serveH2();
    using peer = await RawPeer.connect(server.port);
    peer.send(
      headers(1, [...GET, 'connection:close']),
      headers(3, [...GET, 'content-length:5']),
      headers(5, [...POST, 'content-length:3'], false),
      data(5, 'abcd', true),
      headers(7, [...POST, 'content-length:3'], false),
      data(7, 'ab', true),
      headers(9, POST, false),
      headers(9, ['x-sum:1'], false),
      headers(11, POST, false),
      headers(11, [':path:/x']),
      headers(13, GET),
    );
    await peer.until(() => peer.endOf(13), 'the answer to the good one');
    for (const id of [1, 3, 5, 7, 9, 11]) expect([id, peer.resetOf(id)]).toEqual([id, CODE.protocolError]);
    expect(server.refused).toEqual(['http2-protocol-error', 'http2-protocol-error']);
    expect(server.exchanges.filter(({ aborted }) => aborted === 'http2-protocol-error')).toHaveLength(4);
    expect(server.count('rx_messaging_error')).toBe(6);
    expect(peer.goaways).toEqual([]);
  });

  it('are answered when only their size is wrong, and the connection stays in order', async () => {
    await using server = await serveH2(echo, {}, { head: { maxBytes: 2_000, maxFields: 10 } });
    using peer = await RawPeer.connect(server.port);
    peer.send(
      headers(1, [...GET, `a:${'x'.repeat(1_900)}`]),
      headers(3, [...GET, ...Array.from({ length: 10 }, (_, i) => `a${i}:b`)]),
      headers(5, GET),
    );
    await peer.until(() => peer.endOf(5), 'the answer to the good one');
    expect(peer.of(FRAME.headers, 1).map((seen) => peer.decode(seen))).toEqual([[':status: 431']]);
    expect([peer.endOf(3), server.refused]).toEqual([true, ['headers-too-large', 'headers-too-large']]);
  });
});

describe('abuse', () => {
  const ended = async (peer: RawPeer): Promise<void> => {
    await peer.until(() => peer.ended, 'the end of the connection');
    expect(peer.goaways.at(-1)?.code).toBe(CODE.enhanceYourCalm);
  };

  it('more streams than allowed are refused, and can be tried again', async () => {
    await using server = await serveH2(() => {}, {}, { maxConcurrentStreams: 2 });
    using peer = await RawPeer.connect(server.port);
    peer.send(headers(1, GET), headers(3, GET), headers(5, GET));
    await peer.until(() => peer.resetOf(5) !== undefined, 'the refusal');
    expect([peer.resetOf(5), server.exchanges.length, server.count('refused_streams')]).toEqual([
      CODE.refusedStream,
      2,
      1,
    ]);
  });

  it('a proxy of the mesh may break off for its clients what it will, and keeps the connection', async () => {
    await using server = await serveH2(
      () => {},
      {},
      forCarrier({ ...DEFAULT_H2_LIMITS, minRequestsForResetRatio: 50 }),
    );
    using peer = await RawPeer.connect(server.port);
    for (let id = 1; id < 4000; id += 2) {
      peer.send(headers(id, GET), frame(FRAME.rstStream, 0, id, u32(CODE.cancel)));
      // What was under way for a stream that had been answered.
      peer.send(frame(FRAME.rstStream, 0, id, u32(CODE.cancel)));
    }
    await waitFor(() => server.exchanges.length === 2000, { what: 'all requests' });
    expect([peer.ended, peer.goaways.length]).toEqual([false, 0]);
  });

  it('requests that are opened and cut off at once end the connection', async () => {
    await using server = await serveH2(() => {}, {}, { minRequestsForResetRatio: 50 });
    using peer = await RawPeer.connect(server.port);
    for (let id = 1; id < 400; id += 2) peer.send(headers(id, GET), frame(FRAME.rstStream, 0, id, u32(CODE.cancel)));
    await ended(peer);
    expect([server.exchanges.length, server.count('premature_reset_flood')]).toEqual([50, 1]);
    await over(server.exchanges);
  });

  it('requests that make the server reset them count the same', async () => {
    await using server = await serveH2(() => {}, {}, { minRequestsForResetRatio: 50 });
    using peer = await RawPeer.connect(server.port);
    for (let id = 1; id < 400; id += 2) peer.send(headers(id, POST, false), frame(FRAME.windowUpdate, 0, id, u32(0)));
    await ended(peer);
    expect(server.exchanges.length).toBe(50);
  });

  it('but a client that gives up the smaller part of many requests is served', async () => {
    await using server = await serveH2(echo, {}, { minRequestsForResetRatio: 50 });
    using peer = await RawPeer.connect(server.port);
    for (let id = 1; id < 400; id += 2) {
      if (id % 6 === 1) peer.send(headers(id, POST, false), frame(FRAME.rstStream, 0, id, u32(CODE.cancel)));
      else peer.send(headers(id, GET));
    }
    await peer.until(() => peer.endOf(399), 'the last answer');
    expect(peer.goaways).toEqual([]);
  });

  it.each([
    ['PING', 'ping_flood', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', 'settings_flood', settings([SETTING.initialWindowSize, 1000])],
    ['PRIORITY', 'priority_flood', frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1]))],
    ['WINDOW_UPDATE', 'window_update_flood', frame(FRAME.windowUpdate, 0, 0, u32(1))],
    ['RST_STREAM of closed streams', 'closed_stream_flood', frame(FRAME.rstStream, 0, 1, u32(8))],
    ['DATA on closed streams', 'closed_stream_flood', data(1, '')],
    ['frames of unknown type', 'closed_stream_flood', frame(0x7f, 0, 0)],
  ])('%s frames are taken up to the limit', async (what, counter, noise) => {
    await using server = await serveH2(echo, {}, { controlBurst: 100, controlPerSecond: 0, maxEmptyFrames: 1e6 });
    using peer = await RawPeer.connect(server.port);
    peer.send(headers(1, GET));
    await peer.until(() => peer.endOf(1), 'the answer');
    // SETTINGS of the hello was one already.
    const allowed = what === 'SETTINGS' ? 99 : 100;
    peer.send(...Array.from({ length: allowed }, () => noise));
    peer.send(headers(3, GET));
    await peer.until(() => peer.endOf(3), 'the answer behind the allowed');
    peer.send(...Array.from({ length: 120 }, () => noise));
    await ended(peer);
    expect(server.count(counter)).toBe(1);
  });

  it('DATA of a request that was answered early counts once, in however many pieces it comes', async () => {
    await using server = await serveH2(
      ({ stream }) => stream.sendHead(413, FieldsHead.response(413), true),
      {},
      { controlBurst: 10, controlPerSecond: 0 },
    );
    using peer = await RawPeer.connect(server.port);
    peer.send(headers(1, POST, false));
    await peer.until(() => peer.endOf(1), 'the answer');
    const bytes = data(1, Buffer.alloc(500));
    for (let at = 0; at < bytes.length; at += 1) server.connections[0]?.onBytes(bytes, at, at + 1);
    peer.send(headers(3, GET));
    await peer.until(() => peer.endOf(3), 'the next answer');
    expect(peer.goaways).toEqual([]);
  });

  it('empty DATA in a row is taken up to the limit', async () => {
    await using server = await serveH2(echo, {}, { maxEmptyFrames: 5 });
    using peer = await RawPeer.connect(server.port);
    const empty = Array.from({ length: 5 }, () => data(1, ''));
    peer.send(headers(1, POST, false), ...empty, data(1, 'x'), ...empty, data(1, 'y', true));
    await peer.until(() => peer.endOf(1), 'the answer');
    expect(peer.bodyOf(1).toString()).toBe('xy');
    peer.send(headers(3, POST, false), ...empty.map(() => data(3, '')), data(3, ''));
    await ended(peer);
    expect(server.count('empty_frames_flood')).toBe(1);
  });

  it('a header block goes on for so many frames and bytes, and no longer', async () => {
    await using server = await serveH2(echo, {}, { maxContinuations: 3, head: { maxBytes: 4_000, maxFields: 100 } });
    const part = frame(FRAME.continuation, 0, 1, block('a:b'));
    const end = frame(FRAME.continuation, FLAG.endHeaders, 1, block('c:d'));
    const open = frame(FRAME.headers, FLAG.endStream, 1, block(...GET));
    using good = await RawPeer.connect(server.port);
    good.send(open, part, part, end);
    await good.until(() => good.endOf(1), 'the answer');
    using many = await RawPeer.connect(server.port);
    many.send(open, part, part, part, end);
    await ended(many);
    using nothing = await RawPeer.connect(server.port);
    nothing.send(open, ...Array.from({ length: 10 }, () => frame(FRAME.continuation, 0, 1)));
    await ended(nothing);
    expect(server.count('continuation_flood')).toBe(2);
    using large = await RawPeer.connect(server.port);
    large.send(open, frame(FRAME.continuation, 0, 1, block(`a:${'x'.repeat(3_990)}`)));
    await ended(large);
    expect(server.count('header_overflow')).toBe(1);
  });

  it('a peer that does not read gets only so many answers, and is left in the end', async () => {
    const clock = new FakeClock();
    await using server = await serveH2(
      (exchange) => {
        const body = Buffer.alloc(60_000);
        exchange.stream.sendHead(200, FieldsHead.response(200), false);
        exchange.stream.sendData(body, 0, body.length, true);
      },
      {},
      { controlBurst: 1e9 },
      clock,
    );
    using peer = await RawPeer.connect(server.port, Buffer.alloc(0));
    peer.socket.pause();
    const hello = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings([SETTING.initialWindowSize, 0x7fffffff])]); // prettier-ignore
    peer.send(hello, frame(FRAME.windowUpdate, 0, 0, u32(0x7fff_0000)));
    let id = 1;
    const most = await quiet(() => {
      for (let i = 0; i < 200; i += 1, id += 2) peer.send(headers(id, GET));
      return server.connections[0]?.output.queued ?? 0;
    });
    expect(most).toBeGreaterThan(1024 * 1024);
    expect(most).toBeLessThan(20 * 1024 * 1024);
    expect(server.exchanges.length).toBeLessThan(id / 4);
    peer.socket.resume();
    await peer.until(() => server.exchanges.length > 300, 'more requests once it reads');
    peer.socket.pause();
    await quiet(() => {
      for (let i = 0; i < 200; i += 1, id += 2) peer.send(headers(id, GET));
      return server.connections[0]?.output.queued ?? 0;
    });
    clock.advance(60_000);
    await waitFor(() => server.closed === 1, { what: 'the end of patience' });
    expect(server.count('tx_flush_timeout')).toBe(1);
  });

  it('answers to PING that nobody reads end the connection', async () => {
    await using server = await serveH2(echo, {}, { controlBurst: 1e9, maxQueuedControlFrames: 500 });
    using peer = await RawPeer.connect(server.port);
    peer.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 5_000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
    const timer = setInterval(() => peer.send(pings), 5);
    await waitFor(() => server.count('outbound_control_flood') === 1, { what: 'the end of patience' });
    clearInterval(timer);
  });

  it('windows can not be made to overflow', async () => {
    await using server = await serveH2(() => {});
    using stream = await RawPeer.connect(server.port);
    stream.send(headers(1, GET), frame(FRAME.windowUpdate, 0, 1, u32(0x7fff_ffff)));
    await stream.until(() => stream.resetOf(1) === CODE.flowControlError, 'the end of the stream');
    stream.send(frame(FRAME.windowUpdate, 0, 0, u32(0x7fff_ffff)));
    await stream.until(() => stream.goaways[0]?.code === CODE.flowControlError, 'the end of the connection');
    using more = await RawPeer.connect(server.port);
    more.send(headers(1, POST, false), headers(3, GET));
    await waitFor(() => server.exchanges.length === 3, { what: 'the requests' });
    server.exchanges[1]?.stream.pauseRequest();
    for (let i = 0; i < 80; i += 1) more.send(data(1, Buffer.alloc(16_384)));
    await more.until(() => more.resetOf(1) === CODE.flowControlError, 'the end of the stream that sent too much');
    expect(more.goaways).toEqual([]);
  });
});

/** Repeats until the value stops growing. @returns the value. */
async function quiet(step: () => number): Promise<number> {
  let last = -1;
  for (let same = 0; same < 5;) {
    const value = step();
    same = value === last ? same + 1 : 0;
    last = value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return last;
}
