// One exchange of the HTTP/1 codec with an upstream, and what came of it.
import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { ResponseReceiver, UpstreamFailure } from '../../../http/streams.ts';
import { H1ClientConnection } from '../../../http1/client-connection.ts';
import type { HeadLimits } from '../../../http1/head-parser.ts';
import { responseHeadText, trailersText } from '../../../http1/head-writer.ts';
import { BufferPool } from '../../../sockets/buffer-pool.ts';
import { WriteSlabs } from '../../../sockets/write-slabs.ts';
import { TimerQueue } from '../../../timers/timer-queue.ts';
import { FakeSocket, stillClock } from '../fake-socket.ts';
import { must, mustEqual } from '../fuzz-target.ts';

export type Asked = 'GET' | 'HEAD' | 'CONNECT' | 'upgrade';

/** One answer as it was received. */
export class Answer implements ResponseReceiver {
  status = 0;
  /** Informational ones, by status. */
  before = '';
  forwarded = '';
  chunked = false;
  body = '';
  trailers = '';
  end: 'open' | 'complete' | UpstreamFailure = 'open';

  onInformational(head: HeadView): void {
    must(this.status === 0 && this.end === 'open', 'an informational answer behind the head');
    this.before += `${head.get(':status') ?? ''} `;
  }
  onResponseHead(status: number, head: HeadView, last: boolean): void {
    must(this.status === 0 && this.end === 'open', 'two heads');
    this.status = status;
    this.chunked = !last && status !== 101 && !head.has('content-length');
    this.forwarded = responseHeadText(status, head, { chunked: this.chunked, connection: '', zeroLength: false });
    if (last) this.end = 'complete';
  }
  onResponseData(buffer: Buffer, start: number, end: number, last: boolean): void {
    must(this.status !== 0 && this.end === 'open', 'data outside of an answer');
    this.body += buffer.toString('latin1', start, end);
    if (last) this.end = 'complete';
  }
  onResponseTrailers(trailers: HeadView): void {
    must(this.status !== 0 && this.end === 'open', 'trailers outside of an answer');
    this.trailers = trailersText(trailers);
    this.end = 'complete';
  }
  onResponsePause(): void {}
  onUpstreamWritable(): void {}
  onUpstreamFailed(failure: UpstreamFailure): void {
    must(this.end === 'open', 'a failure behind the end');
    this.end = failure;
  }
  trace(): string {
    return `${this.before}${this.status} ${this.end}\n${this.forwarded}${this.body}${this.trailers}`;
  }
}

/** Makes connections, one after the other, of which the last one is fed. */
export class ClientHarness {
  readonly #timers = new TimerQueue(stillClock);
  readonly #slabs = new WriteSlabs();
  readonly #buffers = new BufferPool();
  readonly #limits: HeadLimits;
  #socket = new FakeSocket();
  #connection: H1ClientConnection | undefined;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** @param pausing whether nobody takes the answer before all of it has come. */
  ask(asked: Asked, pausing: boolean, feed: () => void): Answer {
    let reusable = 0;
    let closed = 0;
    const socket = new FakeSocket();
    const answer = new Answer();
    const keeper = { onReusable: () => (reusable += 1), onExhausted: () => {}, onClosed: () => (closed += 1) };
    const connection = new H1ClientConnection(socket.asSocket(), '', keeper, this.#timers, {
      limits: this.#limits,
      slabs: this.#slabs,
      buffers: this.#buffers,
      trailers: true,
      maxRequests: 0,
      idleTimeoutMs: 1000,
      maxDurationMs: 0,
    });
    this.#socket = socket;
    this.#connection = connection;
    const stream = connection.begin(answer);
    stream.sendHead(requestOf(asked), asked !== 'CONNECT' && asked !== 'upgrade');
    if (pausing) stream.pauseResponse();
    feed();
    if (pausing) stream.resumeResponse();
    if (reusable > 0 && closed === 0 && answer.end === 'complete') checkSecond(connection, socket);
    socket.emit('end');
    must(answer.end !== 'open', 'an answer that never ends');
    connection.destroy();
    socket.emit('close');
    must(closed === 1, `the end of the connection was told ${closed} times`);
    must(this.#timers.size === 0, 'a deadline is left');
    return answer;
  }

  readonly feed = (buffer: Buffer, start: number, end: number): void => {
    if (!this.#socket.destroyed) this.#connection?.onBytes(buffer, start, end);
  };
}

function requestOf(asked: Asked): FieldsHead {
  const head = FieldsHead.request(asked === 'upgrade' ? 'GET' : asked, '/', 'h');
  if (asked === 'upgrade') head.add('upgrade', 'websocket');
  return head;
}

/** A connection that says it can be used again must take another exchange from its beginning. */
function checkSecond(connection: H1ClientConnection, socket: FakeSocket): void {
  const second = new Answer();
  const stream = connection.begin(second);
  stream.sendHead(requestOf('GET'), true);
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
  if (!socket.destroyed) connection.onBytes(bytes, 0, bytes.length);
  mustEqual(`${second.status} ${second.end} ${second.body}`, '200 complete hi', 'the next answer on the connection');
}
