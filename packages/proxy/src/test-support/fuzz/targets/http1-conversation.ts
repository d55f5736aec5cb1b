// One connection to the HTTP/1 codec and an application above it that keeps what it gets.
import type { ReasonCode } from '@weft/contracts';
import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { ExchangeSource } from '../../../http/connections.ts';
import type { DownstreamStream, RequestReceiver } from '../../../http/streams.ts';
import type { HeadLimits } from '../../../http1/head-parser.ts';
import { requestHeadText, trailersText } from '../../../http1/head-writer.ts';
import { H1ServerConnection } from '../../../http1/server-connection.ts';
import { anyConnection } from '../../../http2/test-support/test-server.ts';
import { BufferPool } from '../../../sockets/buffer-pool.ts';
import { WriteSlabs } from '../../../sockets/write-slabs.ts';
import { TimerQueue } from '../../../timers/timer-queue.ts';
import { FakeSocket, stillClock } from '../fake-socket.ts';
import { must } from '../fuzz-target.ts';

export const DEFAULT_HOST = 'ten';
const OK = Buffer.from('ok');
const MAX_TURNS = 4096;

/** When the application above answers. */
export const ANSWERS = { atEnd: 0, atEndLater: 1, atHead: 2, pausing: 3 } as const;

export class Received implements RequestReceiver {
  readonly conversation: Conversation;
  readonly stream: DownstreamStream;
  method = '';
  forwarded = '';
  chunked = false;
  body = '';
  complete = false;
  answered = false;
  aborted: ReasonCode | '' = '';
  overs = 0;

  constructor(conversation: Conversation, stream: DownstreamStream) {
    this.conversation = conversation;
    this.stream = stream;
  }

  onRequestHead(head: HeadView, last: boolean): void {
    this.method = head.get(':method') ?? '';
    this.forwarded = requestHeadText(head, last);
    this.chunked = !last && !head.has('content-length');
    const { answers } = this.conversation;
    if (answers === ANSWERS.atHead) this.answer();
    if (answers === ANSWERS.pausing) this.stream.pauseRequest();
    if (last) this.#end();
  }
  onRequestData(buffer: Buffer, start: number, end: number, last: boolean): void {
    must(!this.complete && this.aborted === '', 'data behind the end of a request');
    must(end >= start, 'a negative span');
    this.body += buffer.toString('latin1', start, end);
    if (!last) return;
    this.forwarded += this.chunked ? chunk(this.body) + trailersText(undefined) : this.body;
    this.#end();
  }
  onRequestTrailers(trailers: HeadView): void {
    must(!this.complete && this.aborted === '', 'trailers behind the end of a request');
    must(this.chunked, 'trailers of a body that is not chunked');
    this.forwarded += chunk(this.body) + trailersText(trailers);
    this.#end();
  }
  #end(): void {
    this.complete = true;
    if (this.conversation.answers === ANSWERS.atEndLater) this.conversation.waiting = this;
    else this.answer();
  }
  onRequestPause(): void {}
  onDownstreamWritable(): void {}
  onRequestAborted(reason: ReasonCode): void {
    must(this.overs === 0 && this.aborted === '', 'aborted twice, or behind the end');
    this.aborted = reason;
    if (reason !== 'downstream-closed') this.answer();
  }
  onExchangeOver(): void {
    this.overs += 1;
  }

  answer(): void {
    if (this.answered) return;
    this.answered = true;
    this.conversation.answer(this.stream, this.method === 'CONNECT');
  }
}

const chunk = (text: string): string => (text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`);

/** One connection from its first byte to its end. */
export class Conversation implements ExchangeSource {
  readonly draining = false;
  readonly exchanges: Received[] = [];
  readonly answers: number;
  waiting: Received | undefined;
  refused: ReasonCode | '' = '';
  closed = 0;

  constructor(answers: number) {
    this.answers = answers;
  }

  newExchange(stream: DownstreamStream): RequestReceiver {
    must(this.refused === '', 'a request behind one that was refused');
    const received = new Received(this, stream);
    this.exchanges.push(received);
    return received;
  }
  refuse(stream: DownstreamStream, reason: ReasonCode): void {
    must(this.refused === '', 'refused twice');
    this.refused = reason;
    const head = FieldsHead.response(400);
    head.add('content-length', '0');
    stream.sendHead(400, head, true);
  }
  onConnectionClosed(): void {
    this.closed += 1;
  }

  /** By turns: with a length, in chunks, and without content. */
  answer(stream: DownstreamStream, refuses: boolean): void {
    const kind = this.exchanges.length % 3;
    const head = FieldsHead.response(kind === 2 ? 204 : 200);
    if (refuses) return stream.sendHead(405, head, true);
    if (kind === 2) return stream.sendHead(204, head, true);
    if (kind === 0 || stream.protocol === 'HTTP/1.0') head.add('content-length', '2');
    stream.sendHead(200, head, false);
    stream.sendData(OK, 0, 2, true);
  }

  /** All that must not depend on how the bytes came. */
  trace(): string {
    let text = this.refused === '' ? '' : 'refused\n';
    for (const { forwarded, body, complete, aborted } of this.exchanges)
      text += `${complete ? 'complete' : `${aborted === 'bad-request' ? 'broken' : 'cut'} ${body}`}\n${forwarded}\n`;
    return text;
  }
}

/** Makes connections, one after the other, of which the last one is fed. */
export class ServerHarness {
  readonly #timers = new TimerQueue(stillClock);
  readonly #slabs = new WriteSlabs();
  readonly #buffers = new BufferPool();
  readonly #limits: HeadLimits;
  #socket = new FakeSocket();
  #connection: H1ServerConnection | undefined;
  #conversation = new Conversation(ANSWERS.atEnd);

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** @param half whether the client ends its side before the connection ends. */
  converse(answers: number, feed: () => void, half: boolean): Conversation {
    const socket = new FakeSocket();
    const conversation = new Conversation(answers);
    const connection = new H1ServerConnection(socket.asSocket(), anyConnection, conversation, this.#timers, {
      limits: this.#limits,
      slabs: this.#slabs,
      buffers: this.#buffers,
      headersTimeoutMs: 1000,
      idleTimeoutMs: 1000,
      lingerMs: 100,
      maxConnectionMs: 0,
      maxRequests: 0,
      peerState: () => ({ side: 'there', unread: -1 }),
      trailers: true,
      target: { connect: true, defaultHost10: DEFAULT_HOST },
    });
    this.#socket = socket;
    this.#connection = connection;
    this.#conversation = conversation;
    feed();
    for (let turns = 0; turns < MAX_TURNS && goOn(conversation); turns += 1);
    must(conversation.waiting === undefined, 'answers that never ended');
    if (half && !socket.destroyed) socket.emit('end');
    connection.destroy();
    socket.emit('close');
    must(conversation.closed === 1, `the end of the connection was told ${conversation.closed} times`);
    for (const { overs } of conversation.exchanges) must(overs === 1, `an exchange was over ${overs} times`);
    must(this.#timers.size === 0, 'a deadline is left');
    return conversation;
  }

  readonly feed = (buffer: Buffer, start: number, end: number): void => {
    // A socket that is paused is not read, until somebody above goes on.
    for (let turns = 0; this.#socket.isPaused() && turns < MAX_TURNS; turns += 1) goOn(this.#conversation);
    if (!this.#socket.destroyed) this.#connection?.onBytes(buffer, start, end);
  };
}

/** @returns whether anything went on. */
function goOn(conversation: Conversation): boolean {
  const { waiting, exchanges } = conversation;
  const before = exchanges.length;
  conversation.waiting = undefined;
  waiting?.answer();
  const last = exchanges.at(-1);
  if (conversation.answers === ANSWERS.pausing && last?.overs === 0) last.stream.resumeRequest();
  return waiting !== undefined || exchanges.length > before;
}
