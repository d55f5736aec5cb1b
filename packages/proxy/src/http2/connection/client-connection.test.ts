import {
  createServer,
  constants,
  type Http2Server,
  type ServerHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { FakeClock, waitFor } from '@weft/testkit';
import { type Clock, systemClock } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import { FieldsHead } from '../../head/fields-head.ts';
import type { HeadView } from '../../head/head-view.ts';
import type { ConnectionKeeper, UpstreamConnection } from '../../http/connections.ts';
import type { ResponseReceiver, UpstreamStream } from '../../http/streams.ts';
import { RecordingStats } from '../../test-support/harness.ts';
import { CODE, FLAG, FRAME, SETTING } from '../frames/constants.ts';
import { data, frame, headers, RawPeer, settings, u32 } from '../test-support/raw-peer.ts';
import { h2Shared } from '../test-support/test-server.ts';
import { H2ClientConnection, type H2ClientOptions } from './client-connection.ts';
import { H2Counters } from './counters.ts';
import { DEFAULT_H2_LIMITS, type H2Limits, MESH_KEEPALIVE } from './options.ts';

/** What came back for one request, in order. */
class Answer implements ResponseReceiver {
  readonly events: string[] = [];
  readonly chunks: Buffer[] = [];
  over = false;
  onWritable: () => void = () => {};

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }
  onInformational(head: HeadView): void {
    this.events.push(`informational ${head.get(':status')}`);
  }
  onResponseHead(status: number, head: HeadView, last: boolean): void {
    this.events.push(`head ${status}${last ? ' end' : ''}`);
    head.forEach((name, value) => name.startsWith('x-') && this.events.push(`${name}: ${value}`));
    this.over = last;
  }
  onResponseData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.chunks.push(Buffer.from(buffer.subarray(start, end)));
    this.over = last;
  }
  onResponseTrailers(trailers: HeadView): void {
    trailers.forEach((name, value) => this.events.push(`trailer ${name}: ${value}`));
    this.over = true;
  }
  onResponsePause(): void {}
  onUpstreamWritable(): void {
    this.onWritable();
  }
  onUpstreamFailed(failure: string, detail: string, anyByte: boolean): void {
    this.events.push(`failed ${failure}${anyByte ? ' in the response' : ''}`, detail);
    this.over = true;
  }
}

class Keeper implements ConnectionKeeper {
  reusable = 0;
  exhausted = 0;
  closed = 0;
  onReusable(): void {
    this.reusable += 1;
  }
  onExhausted(): void {
    this.exhausted += 1;
  }
  onClosed(_connection: UpstreamConnection): void {
    this.closed += 1;
  }
}

interface TestClient {
  readonly connection: H2ClientConnection;
  readonly keeper: Keeper;
  readonly stats: RecordingStats;
  readonly timers: { readonly size: number };
}

async function open(
  port: number,
  options: Partial<H2ClientOptions> = {},
  limits: Partial<H2Limits> = {},
  clock: Clock = systemClock,
): Promise<TestClient> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
  await once(socket, 'connect');
  const keeper = new Keeper();
  const stats = new RecordingStats();
  const shared = h2Shared(clock);
  const connection = new H2ClientConnection(
    socket,
    'spiffe://peer',
    keeper,
    shared,
    {
      limits: { ...DEFAULT_H2_LIMITS, ...limits },
      secure: false,
      carried: false,
      maxRequests: 0,
      idleTimeoutMs: 0,
      maxDurationMs: 0,
      ...options,
    },
    new H2Counters(stats, 'http2.'),
  );
  socket.on('data', (chunk: Buffer) => connection.onBytes(chunk, 0, chunk.length));
  return { connection, keeper, stats, timers: shared.timers };
}

function send(
  connection: H2ClientConnection,
  method = 'GET',
  last = true,
  lines: readonly (readonly [string, string])[] = [],
): { readonly answer: Answer; readonly stream: UpstreamStream } {
  const answer = new Answer();
  const stream = connection.begin(answer);
  const head = FieldsHead.request(method, '/path', 'host:80');
  for (const [name, value] of lines) head.add(name, value);
  stream.sendHead(head, last);
  return { answer, stream };
}

const until = (answer: Answer, what = 'the answer'): Promise<unknown> =>
  waitFor(() => answer.over, { what, everyMs: 2 });

type Handler = (stream: ServerHttp2Stream, head: IncomingHttpHeaders) => void;
async function nodeServer(handler: Handler, server: Http2Server = createServer()) {
  server.on('stream', (stream, head) => {
    stream.on('error', () => {});
    handler(stream, head);
  });
  server.on('sessionError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** A server that says only what the test says. */
async function rawServer(hello: Buffer = settings()) {
  const peers: RawPeer[] = [];
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    peers.push(new RawPeer(socket));
    socket.write(hello);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async peer(): Promise<RawPeer> {
      await waitFor(() => peers.length > 0, { what: 'the connection' });
      const [peer] = peers;
      if (peer === undefined) throw new Error('no peer');
      return peer;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('H2ClientConnection with the server of Node', () => {
  it('carries many exchanges at a time', async () => {
    await using server = await nodeServer((stream, head) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        stream.respond({
          'x-seen': `${head[':method']} ${head[':path']} ${head[':authority']} ${String(head['x-case'])}`,
        });
        stream.end(Buffer.concat(chunks));
      });
    });
    const { connection, keeper } = await open(server.port);
    const all = Array.from({ length: 90 }, (_, i) => {
      const one = send(connection, i % 2 === 0 ? 'GET' : 'POST', i % 2 === 0, [['X-Case', String(i)], ['Connection', 'close']]); // prettier-ignore
      if (i % 2 === 1) one.stream.sendData(Buffer.alloc(i * 100, i), 0, i * 100, true);
      return one.answer;
    });
    await Promise.all(all.map((answer) => until(answer)));
    all.forEach((answer, i) => {
      expect(answer.events).toEqual(['head 200', `x-seen: ${i % 2 === 0 ? 'GET' : 'POST'} /path host:80 ${i}`]);
      expect(answer.body.length).toBe(i % 2 === 0 ? 0 : i * 100);
    });
    expect([connection.exchanges, connection.streams.size]).toEqual([90, 0]);
    connection.retire();
    await waitFor(() => keeper.closed === 1, { what: 'the end' });
  });

  it('passes large bodies and trailers both ways', async () => {
    await using server = await nodeServer((stream) => {
      let sum = '';
      stream.on('trailers', (trailers) => (sum = String(trailers['x-sum'])));
      stream.respond({}, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum-back': sum }));
      stream.pipe(stream);
    });
    const { connection } = await open(server.port, {}, { streamWindow: 200_000, connectionWindow: 300_000 });
    const { answer, stream } = send(connection, 'POST', false);
    const body = Buffer.from(Array.from({ length: 2_000_000 }, (_, i) => (i * 13) & 0xff));
    let at = 0;
    const more = (): void => {
      while (at < body.length && !stream.congested) {
        const end = Math.min(body.length, at + 50_000);
        stream.sendData(body, at, end, false);
        at = end;
      }
      if (at < body.length) return;
      const trailers = FieldsHead.response(0);
      trailers.add('X-Sum', '7');
      stream.sendTrailers(trailers);
      answer.onWritable = () => {};
    };
    answer.onWritable = more;
    more();
    await until(answer);
    expect(answer.events).toEqual(['head 200', 'trailer x-sum-back: 7']);
    expect(answer.body.equals(body)).toBe(true);
    connection.destroy();
  });

  it('stops the server while the response is paused', async () => {
    let written = 0;
    await using server = await nodeServer((stream) => {
      stream.respond({});
      const part = Buffer.alloc(16_384);
      const more = (): void => {
        let room = true;
        while (written < 200 && room) {
          room = stream.write(part);
          written += 1;
        }
        if (written === 200) stream.end();
      };
      stream.on('drain', more);
      more();
    });
    const { connection } = await open(server.port, {}, { streamWindow: 70_000 });
    const { answer, stream } = send(connection);
    stream.pauseResponse();
    await waitFor(() => answer.events.length === 1, { what: 'the head' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([answer.body.length, written < 20]).toEqual([0, true]);
    stream.resumeResponse();
    await until(answer);
    expect(answer.body.length).toBe(200 * 16_384);
    connection.destroy();
  });

  it('knows 1xx, HEAD, and what is over with its head', async () => {
    await using server = await nodeServer((stream, head) => {
      stream.additionalHeaders({ ':status': 103 });
      if (head[':method'] === 'HEAD') stream.respond({ 'content-length': '10' }, { endStream: true });
      else stream.respond({ ':status': 304, 'content-length': '10' }, { endStream: true });
    });
    const { connection } = await open(server.port);
    const [head, get] = [send(connection, 'HEAD').answer, send(connection).answer];
    await until(head);
    await until(get);
    expect([head.events, get.events]).toEqual([
      ['informational 103', 'head 200 end'],
      ['informational 103', 'head 304 end'],
    ]);
    connection.destroy();
  });

  it('gives up exchanges that nobody wants, and the connection goes on', async () => {
    const codes: number[] = [];
    let asked = false;
    await using server = await nodeServer((stream, head) => {
      if (head['x-wait'] === undefined) return stream.end('done');
      asked = true;
      stream.on('close', () => codes.push(stream.rstCode));
    });
    const { connection } = await open(server.port);
    const { stream, answer } = send(connection, 'GET', true, [['x-wait', '1']]);
    await waitFor(() => asked, { what: 'the request' });
    stream.cancel();
    const next = send(connection).answer;
    await until(next);
    await waitFor(() => codes.length === 1, { what: 'the reset' });
    expect([codes, answer.events, next.body.toString()]).toEqual([[constants.NGHTTP2_CANCEL], [], 'done']);
    connection.destroy();
  });

  it('makes an upgrade an extended CONNECT, and its answer a 101', async () => {
    const server0 = createServer({ settings: { enableConnectProtocol: true } });
    await using server = await nodeServer((stream, head) => {
      stream.respond({ ':status': 200, 'x-protocol': `${head[':method']} ${head[':protocol']} ${head['upgrade']} ${head['sec-websocket-key']}` }); // prettier-ignore
      stream.on('data', (chunk: Buffer) => stream.end(`echo ${chunk.toString()}`));
    }, server0); // prettier-ignore
    const { connection, keeper } = await open(server.port);
    await waitFor(() => keeper.reusable > 0, { what: 'the settings' });
    const { stream, answer } = send(connection, 'GET', true, [
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ]);
    await waitFor(() => answer.events.length > 0, { what: 'the answer' });
    expect(answer.events).toEqual(['head 101', 'x-protocol: CONNECT websocket undefined undefined']);
    stream.sendData(Buffer.from('hi'), 0, 2, false);
    await until(answer);
    expect(answer.body.toString()).toBe('echo hi');
    connection.destroy();
  });
});

describe('what goes wrong upstream', () => {
  it('each has its reason', async () => {
    await using server = await rawServer();
    const { connection, keeper, stats } = await open(server.port);
    const peer = await server.peer();
    const all = Array.from({ length: 8 }, () => send(connection));
    const answers = all.map(({ answer }) => answer);
    await peer.until(() => peer.of(FRAME.headers).length === 8, 'the requests');
    peer.send(
      frame(FRAME.rstStream, 0, 1, u32(CODE.refusedStream)),
      frame(FRAME.rstStream, 0, 3, u32(CODE.internalError)),
      headers(5, [':status:200', 'connection:close']),
      headers(7, [':status:200', 'content-length:3'], false),
      data(7, 'ab', true),
      headers(9, [':status:200'], false),
      frame(FRAME.rstStream, 0, 9, u32(CODE.cancel)),
      headers(11, [':status:101'], false),
      headers(13, [':status:200'], false),
    );
    await peer.until(() => answers[5]?.over === true, 'the failures');
    peer.socket.resetAndDestroy();
    await Promise.all(answers.map((answer) => until(answer)));
    expect(answers.map(({ events }) => events.find((event) => event.startsWith('failed')))).toEqual([
      'failed upstream-refused-stream',
      'failed upstream-reset',
      'failed upstream-protocol-error',
      'failed upstream-protocol-error in the response',
      'failed upstream-reset in the response',
      'failed upstream-protocol-error in the response',
      'failed upstream-reset in the response',
      'failed upstream-reset',
    ]);
    expect(all.map(({ stream }) => stream.reused)).toEqual([false, false, true, true, false, true, true, true]);
    expect([keeper.closed, connection.capacity, stats.valueOf('http2.rx_messaging_error')]).toEqual([1, 0, 3]);
  });

  it('GOAWAY: what was not looked at can go elsewhere, the rest is finished', async () => {
    await using server = await rawServer();
    const { connection, keeper } = await open(server.port);
    const peer = await server.peer();
    const [first, second] = [send(connection).answer, send(connection).answer];
    await peer.until(() => peer.of(FRAME.headers).length === 2, 'the requests');
    peer.send(frame(FRAME.goaway, 0, 0, Buffer.concat([u32(1, CODE.noError), Buffer.from('bye')])));
    await until(second);
    expect(second.events).toEqual(['failed upstream-refused-stream', 'GOAWAY NO_ERROR bye']);
    expect([keeper.exhausted, connection.capacity, first.over]).toEqual([1, 0, false]);
    peer.send(headers(1, [':status:204']));
    await until(first);
    await peer.until(() => peer.ended, 'the end');
    await waitFor(() => keeper.closed === 1, { what: 'the end' });
  });

  it.each(['204', '304'])('bytes behind a head of %s are no answer', async (status) => {
    await using server = await rawServer();
    const { connection } = await open(server.port);
    const peer = await server.peer();
    const { answer } = send(connection);
    await peer.until(() => peer.of(FRAME.headers).length === 1, 'the request');
    peer.send(headers(1, [`:status:${status}`], false), data(1, 'HTTP/1.1 200 OK\r\n\r\n'));
    await until(answer);
    expect(answer.events.at(-2)).toMatch(/^failed upstream-protocol-error/);
    expect(answer.events.join()).not.toContain('HTTP/1.1');
  });

  it.each([
    ['data', data(1, 'no head', false)],
    ['data that ends the stream', data(1, '', true)],
    ['data behind an informational answer', Buffer.concat([headers(1, [':status:103'], false), data(1, 'x', true)])],
  ])('%s in front of the head is no answer', async (_, bytes) => {
    await using server = await rawServer();
    const { connection } = await open(server.port);
    const peer = await server.peer();
    const { answer } = send(connection);
    await peer.until(() => peer.of(FRAME.headers).length === 1, 'the request');
    peer.send(bytes);
    await until(answer);
    expect(answer.events.at(-2)).toMatch(/^failed upstream-protocol-error/);
    expect(answer.chunks).toEqual([]);
    await peer.until(() => peer.resetOf(1) === CODE.protocolError, 'the end of the stream');
    connection.destroy();
  });

  it.each([
    ['pushes', frame(FRAME.pushPromise, FLAG.endHeaders, 1, u32(2)), CODE.protocolError],
    ['allows pushes', settings([SETTING.enablePush, 1]), CODE.protocolError],
    ['answers what nobody asked', headers(3, [':status:200']), CODE.protocolError],
    ['speaks HTTP/1.1', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), CODE.frameSizeError],
    ['cannot be decoded', frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.from([0x80])), CODE.compressionError],
    ['begins with another frame', frame(FRAME.ping, 0, 0, Buffer.alloc(8)), CODE.protocolError, Buffer.alloc(0)],
  ])('a server that %s loses the connection', async (_, bytes, code, hello: Buffer = settings()) => {
    await using server = await rawServer(hello);
    const { connection, keeper } = await open(server.port);
    const peer = await server.peer();
    const { answer } = send(connection);
    await peer.until(() => peer.of(FRAME.headers).length === 1, 'the request');
    peer.send(bytes);
    await until(answer);
    expect(answer.events[0]).toBe('failed upstream-protocol-error');
    await peer.until(() => peer.goaways.length === 1 && peer.ended, 'the end');
    expect(peer.goaways[0]?.code).toBe(code);
    await waitFor(() => keeper.closed === 1, { what: 'the end' });
  });

  it('a connection that ends between exchanges says so to who used it', async () => {
    await using server = await rawServer();
    const { connection, keeper } = await open(server.port);
    const peer = await server.peer();
    const first = send(connection).answer;
    await peer.until(() => peer.of(FRAME.headers).length === 1, 'the request');
    peer.send(headers(1, [':status:200']));
    await until(first);
    const { answer, stream } = send(connection);
    peer.socket.end();
    await until(answer);
    expect([answer.events[0], stream.reused, keeper.closed]).toEqual(['failed upstream-closed', true, 1]);
  });

  it('an upgrade that the server does not know is not tried', async () => {
    await using server = await rawServer();
    const { connection } = await open(server.port);
    const { answer } = send(connection, 'GET', true, [['upgrade', 'websocket']]);
    await until(answer);
    expect(answer.events[0]).toBe('failed upstream-protocol-error');
    expect((await server.peer()).of(FRAME.headers)).toEqual([]);
    connection.destroy();
  });
});

describe('capacity', () => {
  it('is what the server, the cluster and the streams in progress leave', async () => {
    await using server = await rawServer(settings([SETTING.maxConcurrentStreams, 2]));
    const { connection, keeper } = await open(server.port);
    expect(connection.capacity).toBe(100);
    const peer = await server.peer();
    await waitFor(() => connection.capacity === 2, { what: 'the setting' });
    send(connection);
    const { answer } = send(connection);
    expect(connection.capacity).toBe(0);
    const told = keeper.reusable;
    peer.send(headers(3, [':status:200']));
    await until(answer);
    expect([connection.capacity, keeper.reusable]).toEqual([1, told + 1]);
    peer.send(settings([SETTING.maxConcurrentStreams, 0]));
    await waitFor(() => connection.capacity < 0, { what: 'the setting' });
    connection.destroy();
    const narrow = await open(server.port, {}, { maxConcurrentStreams: 1 });
    send(narrow.connection);
    expect(narrow.connection.capacity).toBe(0);
    narrow.connection.destroy();
  });

  it('is none while slow readers hold up the window that all share', async () => {
    await using server = await rawServer();
    const { connection } = await open(server.port, {}, { streamWindow: 65_536, connectionWindow: 131_072 });
    const peer = await server.peer();
    const slow = [send(connection), send(connection)];
    for (const { stream } of slow) stream.pauseResponse();
    await peer.until(() => peer.of(FRAME.headers).length === 2, 'the requests');
    const part = Buffer.alloc(16_000, 'a');
    for (const id of [1, 3])
      peer.send(headers(id, [':status:200'], false), data(id, part), data(id, part), data(id, part));
    await waitFor(() => connection.capacity === 0, { what: 'no room' });
    slow[0]?.stream.resumeResponse();
    expect(connection.capacity).toBeGreaterThan(0);
    slow[1]?.stream.cancel();
    expect([connection.heldBytes, slow[0]?.answer.body.length]).toEqual([0, 48_000]);
    connection.destroy();
  });

  it('ends with the last request allowed, with age, and the connection with what it carries', async () => {
    const clock = new FakeClock();
    await using server = await rawServer();
    const { connection, keeper, timers } = await open(server.port, { maxRequests: 2, maxDurationMs: 9_000 }, {}, clock);
    const peer = await server.peer();
    const answers = [send(connection).answer, send(connection).answer];
    expect([connection.capacity, keeper.exhausted]).toEqual([0, 1]);
    await peer.until(() => peer.of(FRAME.headers).length === 2, 'the requests');
    peer.send(headers(1, [':status:200']), headers(3, [':status:200']));
    await Promise.all(answers.map((answer) => until(answer)));
    await peer.until(() => peer.ended, 'the end');
    await waitFor(() => keeper.closed === 1 && timers.size === 0, { what: 'nothing left' });
    const old = await open(server.port, { maxDurationMs: 5_000 }, {}, clock);
    clock.advance(5_000);
    expect([old.connection.capacity, old.keeper.exhausted]).toEqual([0, 1]);
  });

  it('a peer that fell silent is found out while somebody waits for it, and not asked otherwise', async () => {
    const clock = new FakeClock();
    await using server = await rawServer();
    const { connection, keeper, stats } = await open(server.port, {}, { keepalive: MESH_KEEPALIVE }, clock);
    const peer = await server.peer();
    await waitFor(() => keeper.reusable > 0, { what: 'the settings' });
    clock.advance(30_000);
    const { answer } = send(connection);
    await peer.until(() => peer.of(FRAME.headers).length === 1, 'the request');
    peer.send(headers(1, [':status:200'], false));
    await waitFor(() => answer.events.length === 1, { what: 'the head' });
    clock.advance(5_000);
    expect(peer.of(FRAME.ping)).toEqual([]);
    clock.advance(5_000);
    await peer.until(() => peer.of(FRAME.ping).length === 1, 'PING');
    peer.send(frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8)), data(1, 'a'));
    await waitFor(() => answer.body.length === 1, { what: 'data' });
    clock.advance(5_000);
    expect(answer.over).toBe(false);
    clock.advance(5_000);
    await peer.until(() => peer.of(FRAME.ping).length === 2, 'the second PING');
    clock.advance(5_000);
    expect(answer.events.slice(1)).toEqual(['failed upstream-closed in the response', 'keepalive timeout']);
    expect([keeper.closed, stats.valueOf('http2.keepalive_timeout')]).toEqual([1, 1]);
  });

  it('an idle connection ends by itself', async () => {
    const clock = new FakeClock();
    await using server = await rawServer();
    const { connection, keeper } = await open(server.port, { idleTimeoutMs: 1_000 }, {}, clock);
    connection.rest();
    clock.advance(1_000);
    const peer = await server.peer();
    await peer.until(() => peer.ended, 'the end');
    await waitFor(() => keeper.closed === 1, { what: 'the end' });
    expect(peer.goaways[0]?.code).toBe(CODE.noError);
  });
});
