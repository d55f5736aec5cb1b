// What a client may send to the HTTP/2 codec: frames that mean nothing, or nothing good, in any pieces.
import type { ReasonCode } from '@weft/contracts';
import { type Random, seededRandom } from '@weft/kit';
import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { ExchangeSource } from '../../../http/connections.ts';
import type { DownstreamStream, RequestReceiver } from '../../../http/streams.ts';
import { requestHeadText } from '../../../http1/head-writer.ts';
import { H2ServerConnection } from '../../../http2/connection/server-connection.ts';
import { PREFACE } from '../../../http2/frames/constants.ts';
import { anyConnection } from '../../../http2/test-support/test-server.ts';
import { FakeSocket } from '../fake-socket.ts';
import { type FuzzTarget, must, mustEqual } from '../fuzz-target.ts';
import { Pieces, randomOf } from '../pieces.ts';
import { type Line, showLines } from '../reference/http1.ts';
import { checkWritten, type HeadChecks } from '../reference/http2.ts';
import { reshapeFrames } from './frames.ts';
import { H2_LIMITS, Http2Parts, MAX_BYTES, SETTINGS } from './http2-parts.ts';
import { HTTP2_TOKENS } from './http2-tokens.ts';

const OPTIONS = {
  limits: H2_LIMITS,
  headersTimeoutMs: 1000,
  idleTimeoutMs: 1000,
  lingerMs: 100,
  maxConnectionMs: 0,
  maxRequests: 0,
  connectProtocol: true,
  connect: true,
};
const ANSWER = Buffer.alloc(300, 'a');

class Taken implements RequestReceiver {
  readonly stream: DownstreamStream;
  readonly carried: boolean;
  readonly #checks: HeadChecks;
  #head = '';
  #length = -1;
  body = 0;
  trailers = '';
  complete = false;
  answered = false;
  aborted: ReasonCode | '' = '';
  overs = 0;

  constructor(stream: DownstreamStream, carried: boolean, checks: HeadChecks) {
    this.#checks = checks;
    this.stream = stream;
    this.carried = carried;
  }

  onRequestHead(head: HeadView, last: boolean): void {
    const lines: Line[] = [];
    head.forEach((name, value) => lines.push([name, value]));
    const [method, path, authority] = [':method', ':path', ':authority'].map((name) => head.get(name) ?? '');
    const text = requestHeadText(head, last);
    this.#checks.request(
      { method: method ?? '', path: path ?? '', authority: authority ?? '', lines, text },
      this.carried,
    );
    this.#head = text;
    this.#length = Number(head.get('content-length') ?? '-1');
    if (last) this.#end();
  }
  onRequestData(_buffer: Buffer, start: number, end: number, last: boolean): void {
    must(!this.complete && this.aborted === '' && this.overs === 0, 'data behind the end of a request');
    must(end >= start, 'a negative span');
    this.body += end - start;
    if (last) this.#end();
  }
  onRequestTrailers(trailers: HeadView): void {
    must(!this.complete && this.aborted === '' && this.overs === 0, 'trailers behind the end of a request');
    const lines: Line[] = [];
    trailers.forEach((name, value) => lines.push([name, value]));
    this.trailers = showLines(lines);
    this.#checks.lines(lines, this.trailers, this.carried);
    this.#end();
  }
  #end(): void {
    must(this.#length < 0 || this.#length === this.body, 'content-length is not the length of the content');
    this.complete = true;
    this.#answer();
  }
  onRequestPause(): void {}
  onDownstreamWritable(): void {}
  onRequestAborted(reason: ReasonCode): void {
    must(this.overs === 0, 'aborted behind the end');
    must(this.aborted === '' || this.aborted === 'drain-deadline', 'aborted twice');
    this.aborted = reason;
    if (reason !== 'drain-deadline') return;
    if (this.answered) this.stream.abort();
    else this.#answer();
  }
  onExchangeOver(): void {
    this.overs += 1;
  }

  /** By turns: with and without length, and with the trailers of the request. */
  #answer(): void {
    if (this.answered) return;
    this.answered = true;
    const { stream } = this;
    const head = FieldsHead.response(200);
    if (this.trailers === '') head.add('Content-Length', '300');
    stream.sendHead(200, head, false);
    stream.sendData(ANSWER, 0, 300, this.trailers === '');
    if (this.trailers === '') return;
    const end = FieldsHead.response(0);
    for (const line of this.trailers.split('\n').slice(0, -1))
      end.add(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2));
    stream.sendTrailers(end);
  }

  trace(): string {
    return `${this.#head}${this.complete ? this.body : '-'} ${this.trailers}${this.complete} ${this.aborted}`;
  }
}

export function http2Server(): FuzzTarget {
  const parts = new Http2Parts();
  const { timers, turn, buffers, bits, counters, checks } = parts;
  let connection: H2ServerConnection;
  let taken: Taken[] = [];
  let looksAtWritten = false;
  /** Draws for an application that pauses, goes on and breaks off when it likes; undefined = it does nothing of that. */
  let whims: Random | undefined;
  const pieces = new Pieces(MAX_BYTES + PREFACE.length + SETTINGS.length, (buffer, start, end) => {
    connection.onBytes(buffer, start, end);
    if (whims === undefined) return;
    const some = taken[whims.int(Math.max(1, taken.length))];
    const whim = whims.int(32);
    if (whim < 6) some?.stream.pauseRequest();
    else if (whim < 12) some?.stream.resumeRequest();
    else if (whim === 12 && some?.overs === 0) some.stream.abort();
    else if (whim === 13) connection.onDraining();
    else if (whim < 20) turn.end();
  });
  const converse = (feed: () => void, carried: boolean): string => {
    const socket = new FakeSocket(looksAtWritten);
    const refused: ReasonCode[] = [];
    let closed = 0;
    const mine: Taken[] = [];
    taken = mine;
    const source: ExchangeSource = {
      draining: false,
      newExchange(stream) {
        const one = new Taken(stream, carried, checks);
        mine.push(one);
        return one;
      },
      refuse(stream, reason) {
        refused.push(reason);
        if (reason !== 'http2-protocol-error') stream.sendHead(400, FieldsHead.response(400), true);
      },
      onConnectionClosed: () => (closed += 1),
    };
    const shared = { known: parts.known, turn, buffers, timers, random: seededRandom(1) };
    connection = new H2ServerConnection(
      socket.asSocket(),
      anyConnection,
      source,
      shared,
      { ...OPTIONS, carried },
      counters,
    );
    feed();
    for (const { stream } of mine) stream.resumeRequest();
    turn.end();
    const { stopped } = connection;
    const trace = `${stopped} ${refused.join()}\n${mine.map((one) => one.trace()).join('\n')}`;
    connection.destroy();
    turn.end();
    // The first one lets the peer read; the second does not wait for that.
    connection.destroy();
    socket.emit('close');
    must(closed === 1, `the end of the connection was told ${closed} times`);
    for (const { overs } of mine) must(overs === 1, `an exchange was over ${overs} times`);
    must(timers.size === 0, 'a deadline is left');
    if (looksAtWritten) checkWritten(Buffer.from(socket.written, 'latin1'), 'server');
    return trace;
  };
  return {
    name: 'http2-server',
    maxBytes: MAX_BYTES,
    dictionary: HTTP2_TOKENS,
    reshape: reshapeFrames,
    run(given) {
      parts.nextInput();
      const random = randomOf(given);
      const carried = random.int(4) === 0;
      looksAtWritten = random.int(8) === 0;
      // Most begin as they must, so that what follows is looked at.
      const kind = random.int(32);
      const input = kind === 0 ? given : Buffer.concat(kind < 24 ? [PREFACE, SETTINGS, given] : [PREFACE, given]);
      whims = undefined;
      bits.take();
      const whole = converse(() => pieces.whole(input), carried);
      const events = bits.take();
      const behaviour = `${events} ${carried} ${taken.length} ${taken.map(({ complete, aborted, body }) => `${complete} ${aborted} ${Math.min(body, 2)}`).join()}`;
      if (random.int(4) > 0) return behaviour;
      whims = random.int(2) === 0 ? random : undefined;
      const cut = converse(() => pieces.cut(input, random), carried);
      if (whims === undefined) mustEqual(cut, whole, 'what was read depends on the pieces');
      return behaviour;
    },
  };
}
