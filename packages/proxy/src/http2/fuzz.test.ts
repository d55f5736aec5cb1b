// Bytes that no honest peer sends, to both sides. What must hold: no throw, no hang, no event behind the end, every
// exchange over exactly once, nothing left in the timers. `WEFT_FUZZ_SECONDS=600 vitest run …/http2/fuzz.test.ts` goes on longer.
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Random } from '@weft/kit';
import { seededRandom, systemClock } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import { FieldsHead } from '../head/fields-head.ts';
import type { ExchangeSource } from '../http/connections.ts';
import { RecordingStats } from '../test-support/harness.ts';
import { H2ClientConnection } from './connection/client-connection.ts';
import { H2Counters } from './connection/counters.ts';
import { DEFAULT_H2_LIMITS } from './connection/options.ts';
import { H2ServerConnection } from './connection/server-connection.ts';
import { FLAG, FRAME, PREFACE, SETTING } from './frames/constants.ts';
import { block, data, frame, GET, headers, POST, settings, u32 } from './test-support/raw-peer.ts';
import { anyConnection, echo, Exchange, h2Shared } from './test-support/test-server.ts';

const CORPUS = new URL('testdata/fuzz-corpus/', import.meta.url);
const SECONDS = Number(process.env['WEFT_FUZZ_SECONDS'] ?? '2');
const BATCH = 200;

/** Takes what is written and says so at once, as a socket with room does. */
const sink = (): Socket =>
  Object.assign(
    new Duplex({
      read() {},
      write(_chunk, _encoding, done) {
        done();
      },
    }),
    { localAddress: '127.0.0.1', localPort: 1 },
  ) as unknown as Socket;

const limits = { ...DEFAULT_H2_LIMITS, streamWindow: 65_536, connectionWindow: 131_072, controlBurst: 50 };

/** @returns what can be compared: it must not depend on how the bytes were cut. */
function serve(shared: ReturnType<typeof h2Shared>, parts: readonly Buffer[], random: Random, carried = false): string {
  const exchanges: Exchange[] = [];
  let closed = 0;
  const source: ExchangeSource = {
    newExchange: (stream) => {
      const exchange = new Exchange(stream, echo);
      exchanges.push(exchange);
      return exchange;
    },
    refuse: (stream, reason) => {
      if (reason !== 'http2-protocol-error') stream.sendHead(400, FieldsHead.response(400), true);
    },
    draining: false,
    onConnectionClosed: () => (closed += 1),
  };
  const stats = new RecordingStats();
  const connection = new H2ServerConnection(
    sink(),
    anyConnection,
    source,
    shared,
    { limits, headersTimeoutMs: 1000, idleTimeoutMs: 1000, lingerMs: 100, maxConnectionMs: 0, maxRequests: 0, connectProtocol: true, connect: true, carried },
    new H2Counters(stats, ''),
  ); // prettier-ignore
  for (const part of parts) {
    connection.onBytes(part, 0, part.length);
    const some = exchanges[random.int(Math.max(1, exchanges.length))];
    if (random.int(8) === 0) some?.stream.pauseRequest();
    if (random.int(8) === 0) some?.stream.resumeRequest();
    if (random.int(16) === 0) some?.stream.abort();
  }
  for (const { stream } of exchanges) stream.resumeRequest();
  const { stopped } = connection;
  connection.destroy();
  // The first one lets the peer read; the second does not wait for that.
  connection.destroy();
  expect(closed).toBe(1);
  for (const { overs } of exchanges) expect(overs).toBe(1);
  return `${stopped} ${exchanges.length}`;
}

function use(shared: ReturnType<typeof h2Shared>, parts: readonly Buffer[], carried = false): void {
  let closed = 0;
  const keeper = { onReusable: () => {}, onExhausted: () => {}, onClosed: () => (closed += 1) };
  const connection = new H2ClientConnection(
    sink(),
    '',
    keeper,
    shared,
    { limits, secure: false, carried, maxRequests: 0, idleTimeoutMs: 1000, maxDurationMs: 0 },
    new H2Counters(new RecordingStats(), ''),
  );
  const ends = [0, 0, 0, 0];
  ends.forEach((_, i) => {
    const ended = (last: boolean): void => {
      if (last) ends[i] = (ends[i] ?? 0) + 1;
    };
    const stream = connection.begin({
      onInformational: () => expect(ends[i]).toBe(0),
      onResponseHead: (_status, _head, last) => ended(last),
      onResponseData: (_buffer, _start, _end, last) => {
        expect(ends[i]).toBe(0);
        ended(last);
      },
      onResponseTrailers: () => ended(true),
      onResponsePause: () => {},
      onUpstreamWritable: () => {},
      onUpstreamFailed: () => ended(true),
    });
    stream.sendHead(FieldsHead.request('GET', '/', 'h'), i < 2);
  });
  for (const part of parts) connection.onBytes(part, 0, part.length);
  connection.destroy();
  expect(closed).toBe(1);
  for (const count of ends) expect(count).toBeLessThanOrEqual(1);
}

const fromClient: readonly Buffer[] = [
  settings([SETTING.initialWindowSize, 100], [SETTING.headerTableSize, 0]),
  headers(1, GET),
  headers(3, [...POST, 'content-length:10'], false),
  data(3, '0123456789', true),
  headers(5, POST, false),
  data(5, 'abc'),
  headers(5, ['x-sum:1']),
  frame(FRAME.headers, FLAG.endStream, 7, block(...GET)),
  frame(FRAME.continuation, FLAG.endHeaders, 7, block('a:b')),
  frame(FRAME.headers, 0x2d, 9, Buffer.concat([Buffer.from([2, 0, 0, 0, 3, 7]), block(...GET), Buffer.alloc(2)])),
  frame(FRAME.data, FLAG.padded | FLAG.endStream, 11, Buffer.from([1, 65, 0])),
  frame(FRAME.headers, 5, 13, Buffer.from('828684418cf1e3c2e5f23a6ba0ab90f4ff', 'hex')),
  headers(15, [':method:CONNECT', ':protocol:websocket', ':scheme:http', ':path:/', ':authority:h'], false),
  data(15, 'tunnel'),
  frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
  frame(FRAME.windowUpdate, 0, 0, u32(1000)),
  frame(FRAME.windowUpdate, 0, 3, u32(1000)),
  frame(FRAME.rstStream, 0, 5, u32(8)),
  frame(FRAME.priority, 0, 21, Buffer.from([0, 0, 0, 1, 9])),
  frame(FRAME.goaway, 0, 0, u32(0, 0)),
];
const fromServer: readonly Buffer[] = [
  settings([SETTING.maxConcurrentStreams, 10], [SETTING.enableConnectProtocol, 1]),
  frame(FRAME.settings, FLAG.ack, 0),
  headers(1, [':status:103', 'link:</a>'], false),
  headers(1, [':status:200', 'content-length:3'], false),
  data(1, 'abc', true),
  headers(3, [':status:200'], false),
  data(3, 'abc'),
  headers(3, ['grpc-status:0']),
  headers(5, [':status:204']),
  frame(FRAME.rstStream, 0, 7, u32(7)),
  frame(FRAME.goaway, 0, 0, u32(3, 0)),
];

/** One honest conversation with some of it changed: bytes, lengths, order, repetition. */
function mutate(seed: readonly Buffer[], random: Random): Buffer {
  const frames = seed.filter(() => random.int(4) > 0);
  for (let i = random.int(4); i > 0; i -= 1) {
    const at = random.int(frames.length + 1);
    const copy = random.pick(seed);
    if (copy !== undefined) frames.splice(at, 0, copy);
  }
  const bytes = Buffer.concat(frames);
  for (let i = random.int(6); i > 0 && bytes.length > 0; i -= 1) {
    const at = random.int(bytes.length);
    const kind = random.int(4);
    if (kind === 0) bytes[at] = random.int(256);
    else if (kind === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8));
    else if (kind === 2) bytes.copyWithin(at, random.int(bytes.length));
    else bytes.fill(random.int(256), at, Math.min(bytes.length, at + random.int(5)));
  }
  return random.int(10) === 0 ? bytes.subarray(0, random.int(bytes.length + 1)) : bytes;
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random.int(random.int(3) === 0 ? 4 : 200));
    parts.push(Buffer.from(bytes.subarray(at, end)));
    at = end;
  }
  return parts;
}

const still: Random = { ...seededRandom(1), int: () => 1 };

describe('HTTP/2 under fuzzing', () => {
  it('holds for the kept corpus', () => {
    const shared = h2Shared(systemClock);
    for (const name of readdirSync(CORPUS)) {
      const bytes = Buffer.from(readFileSync(new URL(name, CORPUS), 'utf8').replaceAll(/\s/g, ''), 'hex');
      serve(shared, [PREFACE, bytes], still);
      use(shared, [bytes]);
    }
    shared.timers.close();
  });

  it(`holds for changed conversations, for ${SECONDS} s`, { timeout: SECONDS * 1000 + 20_000 }, async () => {
    const shared = h2Shared(systemClock);
    const start = Date.now();
    let inputs = 0;
    for (let seed = 1; Date.now() - start < SECONDS * 1000; seed += 1) {
      for (let i = 0; i < BATCH; i += 1) {
        const random = seededRandom(seed * 1000 + i);
        const client = mutate(fromClient, random);
        const server = mutate(fromServer, random);
        try {
          const whole = serve(shared, [Buffer.concat([PREFACE, client])], still);
          expect(serve(shared, cut(Buffer.concat([PREFACE, client]), random), still)).toBe(whole);
          serve(shared, cut(Buffer.concat([PREFACE, client]), random), random, random.int(4) === 0);
          use(shared, cut(server, random), random.int(4) === 0);
        } catch (error) {
          throw new Error(`client ${client.toString('hex')}\nserver ${server.toString('hex')}`, { cause: error });
        }
        inputs += 4;
      }
      // Ends of streams and writes take their turns.
      await new Promise((resolve) => setImmediate(resolve));
      expect(shared.timers.size).toBe(0);
    }
    shared.timers.close();
    expect(inputs).toBeGreaterThan(BATCH);
  });
});
