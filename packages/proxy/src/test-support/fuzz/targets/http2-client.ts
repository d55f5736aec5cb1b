// What an upstream may send to the HTTP/2 codec.
import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { ResponseReceiver, UpstreamFailure, UpstreamStream } from '../../../http/streams.ts';
import { H2ClientConnection } from '../../../http2/connection/client-connection.ts';
import { PREFACE } from '../../../http2/frames/constants.ts';
import type { Random } from '@weft/kit';
import { FakeSocket } from '../fake-socket.ts';
import { type FuzzTarget, must, mustEqual } from '../fuzz-target.ts';
import { Pieces, randomOf } from '../pieces.ts';
import { type Line, showLines } from '../reference/http1.ts';
import { checkWritten, type HeadChecks } from '../reference/http2.ts';
import { reshapeFrames } from './frames.ts';
import { H2_LIMITS, Http2Parts, MAX_BYTES, SETTINGS } from './http2-parts.ts';
import { HTTP2_TOKENS } from './http2-tokens.ts';

const OPTIONS = { limits: H2_LIMITS, secure: false, maxRequests: 0, idleTimeoutMs: 1000, maxDurationMs: 0 };
const REQUESTS = ['GET', 'POST', 'HEAD'].map((method, i) => FieldsHead.request(method, `/${i}`, 'h'));
const POSTED = 1;

class Answer implements ResponseReceiver {
  readonly carried: boolean;
  readonly #checks: HeadChecks;
  #lines = '';
  status = 0;
  body = 0;
  end: 'open' | 'complete' | UpstreamFailure = 'open';

  constructor(carried: boolean, checks: HeadChecks) {
    this.#checks = checks;
    this.carried = carried;
  }

  onInformational(head: HeadView): void {
    must(this.status === 0 && this.end === 'open', 'an informational answer behind the head');
    this.#take(head);
  }
  onResponseHead(status: number, head: HeadView, last: boolean): void {
    must(this.status === 0 && this.end === 'open', 'two heads');
    must(status === 101 || (status >= 200 && status <= 599), `status ${status}`);
    this.status = status;
    this.#take(head);
    if (last) this.end = 'complete';
  }
  onResponseData(_buffer: Buffer, start: number, end: number, last: boolean): void {
    must(this.status !== 0 && this.end === 'open', 'data outside of an answer');
    must(end >= start, 'a negative span');
    this.body += end - start;
    if (last) this.end = 'complete';
  }
  onResponseTrailers(trailers: HeadView): void {
    must(this.status !== 0 && this.end === 'open', 'trailers outside of an answer');
    this.#take(trailers);
    this.end = 'complete';
  }
  onResponsePause(): void {}
  onUpstreamWritable(): void {}
  onUpstreamFailed(failure: UpstreamFailure): void {
    must(this.end === 'open', 'a failure behind the end');
    this.end = failure;
  }

  #take(head: HeadView): void {
    const lines: Line[] = [];
    head.forEach((name, value) => lines.push([name, value]));
    const shown = showLines(lines);
    this.#checks.lines(lines, shown, this.carried);
    this.#lines += shown;
  }
  trace(): string {
    return `${this.status} ${this.end === 'complete' ? this.body : '-'} ${this.end} ${this.#lines}`;
  }
}

export function http2Client(): FuzzTarget {
  const parts = new Http2Parts();
  const { timers, turn, bits, counters, checks } = parts;
  let connection: H2ClientConnection;
  let streams: UpstreamStream[] = [];
  let looksAtWritten = false;
  let whims: Random | undefined;
  const pieces = new Pieces(MAX_BYTES + SETTINGS.length, (buffer, start, end) => {
    connection.onBytes(buffer, start, end);
    if (whims === undefined) return;
    const some = streams[whims.int(streams.length)];
    const whim = whims.int(32);
    if (whim < 6) some?.pauseResponse();
    else if (whim < 12) some?.resumeResponse();
    else if (whim === 12) connection.retire();
    else if (whim < 20) turn.end();
  });
  const converse = (
    feed: () => void,
    carried: boolean,
  ): { readonly trace: string; readonly answers: readonly Answer[] } => {
    const socket = new FakeSocket(looksAtWritten);
    let closed = 0;
    const keeper = { onReusable: () => {}, onExhausted: () => {}, onClosed: () => (closed += 1) };
    connection = new H2ClientConnection(socket.asSocket(), '', keeper, parts, { ...OPTIONS, carried }, counters);
    const answers: Answer[] = [];
    streams = REQUESTS.map((head, i) => {
      const answer = new Answer(carried, checks);
      answers.push(answer);
      const stream = connection.begin(answer);
      stream.sendHead(head, i !== POSTED);
      if (i === POSTED) stream.sendData(BODY, 0, BODY.length, true);
      return stream;
    });
    feed();
    for (const stream of streams) stream.resumeResponse();
    turn.end();
    const trace = answers.map((answer) => answer.trace()).join('\n');
    socket.emit('end');
    socket.emit('close');
    turn.end();
    connection.destroy();
    must(closed === 1, `the end of the connection was told ${closed} times`);
    for (const { end } of answers) must(end !== 'open', 'an answer that never ends');
    must(timers.size === 0, 'a deadline is left');
    if (looksAtWritten) {
      const written = Buffer.from(socket.written, 'latin1');
      checkWritten(written.subarray(Math.min(written.length, PREFACE.length)), 'client');
    }
    return { trace, answers };
  };
  return {
    name: 'http2-client',
    maxBytes: MAX_BYTES,
    dictionary: HTTP2_TOKENS,
    reshape: reshapeFrames,
    run(given) {
      parts.nextInput();
      const random = randomOf(given);
      const carried = random.int(4) === 0;
      looksAtWritten = random.int(8) === 0;
      const input = random.int(4) > 0 ? Buffer.concat([SETTINGS, given]) : given;
      whims = undefined;
      bits.take();
      const { trace, answers } = converse(() => pieces.whole(input), carried);
      const behaviour = `${bits.take()} ${carried} ${answers.map(({ status, end, body }) => `${status} ${end} ${Math.min(2, body)}`).join()}`;
      if (random.int(4) > 0) return behaviour;
      whims = random.int(2) === 0 ? random : undefined;
      const cut = converse(() => pieces.cut(input, random), carried);
      if (whims === undefined) mustEqual(cut.trace, trace, 'what was read depends on the pieces');
      return behaviour;
    },
  };
}

const BODY = Buffer.from('abc');
