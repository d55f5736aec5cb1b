// The same frames to nghttp2 and to ours: both take the same requests and end the same connections, but for what a rule
// below explains.
import { seededRandom } from '@weft/kit';
import type { HeadView } from '../../../head/head-view.ts';
import type { ExchangeSource } from '../../../http/connections.ts';
import type { DownstreamStream, RequestReceiver } from '../../../http/streams.ts';
import { H2Counters } from '../../../http2/connection/counters.ts';
import { DEFAULT_H2_LIMITS } from '../../../http2/connection/options.ts';
import { H2ServerConnection } from '../../../http2/connection/server-connection.ts';
import type { H2ServerStream } from '../../../http2/connection/server-stream.ts';
import { BufferPool } from '../../../sockets/buffer-pool.ts';
import { FLAG, FRAME, FRAME_HEADER_BYTES, PREFACE } from '../../../http2/frames/constants.ts';
import { FieldTable } from '../../../http2/hpack/field-table.ts';
import { block, frame, settings } from '../../../http2/test-support/raw-peer.ts';
import { anyConnection } from '../../../http2/test-support/test-server.ts';
import { TimerQueue } from '../../../timers/timer-queue.ts';
import { Disagreements } from '../disagreements.ts';
import { FakeSocket, stillClock } from '../fake-socket.ts';
import { Finding, type FuzzTarget, mustEqual } from '../fuzz-target.ts';
import { type Line, showLines } from '../reference/http1.ts';
import { type H2Reading, type H2Request, NodeHttp2Server, verdictOf } from '../reference/node-http2.ts';
import { CountedBits, SyncTurn } from '../sync-turn.ts';
import { reshapeFrames } from './frames.ts';
import { HPACK_TOKENS } from './hpack.ts';
import {
  blocksByStream,
  type Difference,
  type FrameSeen,
  RULES,
  wholeBlocks,
  wholeFrames,
} from './http2-nghttp2-rules.ts';
import { HTTP2_TOKENS } from './http2-tokens.ts';

const MAX_BYTES = 1536;
const BEGIN = Buffer.concat([PREFACE, settings()]);
const TURNS = 12;

/** A request that is kept and never answered. */
class Kept implements RequestReceiver, H2Request {
  lines: readonly Line[] = [];
  trailers: readonly Line[] = [];
  body = 0;
  ended = false;

  onRequestHead(head: HeadView, last: boolean): void {
    const lines: Line[] = [':method', ':path', ':authority'].map((name): Line => [name, head.get(name) ?? '']);
    head.forEach((name, value) => lines.push([name, value]));
    this.lines = lines;
    this.ended = last;
  }
  onRequestData(_buffer: Buffer, start: number, end: number, last: boolean): void {
    this.body += end - start;
    if (last) this.ended = true;
  }
  onRequestTrailers(trailers: HeadView): void {
    const lines: Line[] = [];
    trailers.forEach((name, value) => lines.push([name, value]));
    this.trailers = lines;
    this.ended = true;
  }
  onRequestPause(): void {}
  onDownstreamWritable(): void {}
  onRequestAborted(): void {}
  onExchangeOver(): void {}
}

class OurServer {
  readonly #shared = {
    known: new FieldTable(),
    turn: new SyncTurn(),
    buffers: new BufferPool(),
    timers: new TimerQueue(stillClock),
    random: seededRandom(1),
  };
  readonly #counters = new H2Counters(new CountedBits(), '');

  read(input: Buffer): H2Reading {
    const requests = new Map<number, Kept>();
    const resets = new Map<number, number>();
    const source: ExchangeSource = {
      draining: false,
      newExchange(stream) {
        const kept = new Kept();
        requests.set(idOf(stream), kept);
        return kept;
      },
      // Refused with an answer: as good as a reset here.
      refuse: (stream, reason) => void (reason === 'http2-protocol-error' || resets.set(idOf(stream), 1)),
      onConnectionClosed: () => {},
    };
    const socket = new FakeSocket(true);
    const connection = new H2ServerConnection(
      socket.asSocket(),
      anyConnection,
      source,
      this.#shared,
      { limits: DEFAULT_H2_LIMITS, headersTimeoutMs: 0, idleTimeoutMs: 0, lingerMs: 100, maxConnectionMs: 0, maxRequests: 0, connectProtocol: true, connect: true, carried: false },
      this.#counters,
    ); // prettier-ignore
    connection.onBytes(input, 0, input.length);
    this.#shared.turn.end();
    const verdict = verdictOf(Buffer.from(socket.written, 'latin1'));
    for (const [id, code] of verdict.resets) resets.set(id, code);
    socket.emit('close');
    return { goaway: verdict.goaway, requests, resets };
  }
}
const showFrame = ({ type, flags, streamId, payload }: FrameSeen): string =>
  `${type} ${flags.toString(16)} ${streamId} ${payload.toString('hex')}`;
const idOf = (stream: DownstreamStream): number => (stream as H2ServerStream).id;

interface Pending {
  readonly given: Buffer;
  readonly input: Buffer;
  readonly ours: H2Reading;
  readonly theirs: () => H2Reading;
}

/** @param framesOf what an input says in frames. */
function againstNghttp2(
  name: string,
  dictionary: readonly Buffer[],
  reshape: FuzzTarget['reshape'],
  framesOf: (given: Buffer) => Buffer,
): FuzzTarget {
  const our = new OurServer();
  const node = new NodeHttp2Server();
  const known = new Disagreements<Difference>(RULES, (difference) =>
    JSON.stringify({ ...difference, frames: difference.frames.map((one) => showFrame(one)) }),
  );
  let pending: Pending[] = [];
  return {
    name,
    maxBytes: MAX_BYTES,
    dictionary,
    ...(reshape === undefined ? {} : { reshape }),
    run(given) {
      const frames = framesOf(given);
      // nghttp2 judges a frame by its head; ours when it is there.
      const input = Buffer.concat([BEGIN, frames.subarray(0, lengthOf(wholeBlocks(wholeFrames(frames))))]);
      const ours = our.read(input);
      pending.push({ given: Buffer.from(given), input, ours, theirs: node.begin(input) });
      return `${ours.goaway} ${ours.requests.size} ${[...ours.resets].join()} ${[...ours.requests.values()].map(({ ended, lines }) => `${ended}${Math.min(9, lines.length)}`).join()}`;
    },
    async settle() {
      for (let turns = 0; turns < TURNS; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      const all = pending;
      pending = [];
      for (const { given, input, ours, theirs } of all) {
        try {
          compare(ours, theirs(), input, known);
        } catch (error) {
          throw new Finding(given, error);
        }
      }
    },
    summary: () => known.summary(),
    close: () => node.close(),
  };
}

const lengthOf = (frames: readonly FrameSeen[]): number =>
  frames.reduce((sum, { payload }) => sum + FRAME_HEADER_BYTES + payload.length, 0);

function compare(ours: H2Reading, theirs: H2Reading, input: Buffer, known: Disagreements<Difference>): void {
  const frames = wholeFrames(input.subarray(PREFACE.length));
  const blocks = blocksByStream(frames);
  const reset = new Set(ours.resets.keys());
  const explain = (kind: Difference['kind'], streamId: number): void =>
    void known.explain({
      kind,
      fields: blocks.get(streamId)?.[0] ?? [],
      trailers: blocks.get(streamId)?.slice(1).flat() ?? [],
      reset,
      frames,
      streamId,
      ours: kind.includes('connection') ? ours.goaway : (ours.resets.get(streamId) ?? -1),
      theirs: kind.includes('connection') ? theirs.goaway : (theirs.resets.get(streamId) ?? -1),
    });
  for (const [id, their] of theirs.requests) {
    const our = ours.requests.get(id);
    if (our !== undefined) compareRequests(our, their);
  }
  const [weEnd, theyEnd] = [ours.goaway >= 0, theirs.goaway >= 0];
  if (weEnd !== theyEnd) return explain(weEnd ? 'we end the connection' : 'nghttp2 ends the connection', 0);
  if (weEnd) return;
  for (const id of new Set([...ours.requests.keys(), ...theirs.requests.keys()])) {
    const [our, their] = [ours.requests.get(id), theirs.requests.get(id)];
    const weTake = our !== undefined && !ours.resets.has(id);
    const theyTake = their !== undefined && !theirs.resets.has(id);
    if (weTake !== theyTake) explain(weTake ? 'nghttp2 refuses' : 'we refuse', id);
    else if (our !== undefined && their !== undefined && weTake && our.ended !== their.ended)
      explain('another end', id);
    else if (our !== undefined && their !== undefined && weTake && our.ended && !isExtended(their)) {
      mustEqual(String(our.body), String(their.body), 'body');
      mustEqual(showLines(our.trailers), showLines(their.trailers), 'trailers');
    }
  }
}

/** One line of cookies, and Host as the authority, as every reader of ours sees them. */
function plainLines(lines: readonly Line[]): string {
  const cookies = lines.filter(([name]) => name === 'cookie').map(([, value]) => value);
  const authority = lines.find(([name]) => name === ':authority') ?? lines.find(([name]) => name === 'host');
  let joined = false;
  const rest = lines.filter(([name]) => {
    const first = name === 'cookie' && !joined;
    if (name === 'cookie') joined = true;
    return !name.startsWith(':') && name !== 'host' && (name !== 'cookie' || first);
  });
  const pseudo = [':method', ':path'].map((name) => lines.find(([one]) => one === name)?.[1] ?? '');
  const shown = rest.map(([name, value]): Line => [name, name === 'cookie' ? cookies.join('; ') : value]);
  return `${pseudo.join(' ')} ${authority?.[1] ?? ''}\n${showLines(shown)}`;
}

const isExtended = ({ lines }: H2Request): boolean => lines.some(([name]) => name === ':protocol');

function compareRequests(our: H2Request, their: H2Request): void {
  // An extended CONNECT is a GET that asks for an upgrade to who stands above our codec.
  if (isExtended(their)) return;
  mustEqual(plainLines(our.lines), plainLines(their.lines), 'fields');
}

export const http2Nghttp2 = (): FuzzTarget =>
  againstNghttp2('http2-nghttp2', HTTP2_TOKENS, reshapeFrames, (given) => given);

const REQUEST = Buffer.concat([Buffer.from('828684', 'hex'), block(':authority:h')]);

/** Header blocks of the target `hpack`, each behind what makes a request of it. */
export const hpackNghttp2 = (): FuzzTarget =>
  againstNghttp2('hpack-nghttp2', HPACK_TOKENS, undefined, (given) => {
    const frames: Buffer[] = [];
    for (let at = 1, id = 1; at < given.length; id += 2) {
      const end = Math.min(given.length, at + 1 + (given[at] ?? 0));
      const bytes = given.subarray(at + 1, end);
      at = end;
      const sizes = sizeUpdates(bytes);
      const whole = Buffer.concat([bytes.subarray(0, sizes), REQUEST, bytes.subarray(sizes)]);
      frames.push(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, id, whole));
    }
    return Buffer.concat(frames);
  });

/** Where what sets the size of the table ends; it must come first. */
function sizeUpdates(bytes: Buffer): number {
  let at = 0;
  while (((bytes[at] ?? 0) & 0xe0) === 0x20) {
    const long = ((bytes[at] ?? 0) & 0x1f) === 0x1f;
    at += 1;
    if (!long) continue;
    while ((bytes[at] ?? 0) >= 0x80) at += 1;
    at += 1;
  }
  return Math.min(at, bytes.length);
}
