import type { Socket } from 'node:net';
import type { ReasonCode } from '@weft/contracts';
import type { HeadView } from '../head/head-view.ts';
import type { ExchangeSource, ServerConnection, WeighExchange } from '../http/connections.ts';
import type { DownstreamConnection, DownstreamStream, RequestReceiver } from '../http/streams.ts';
import type { WireMeter } from '../http/wire-meter.ts';
import { endedByReset } from '../sockets/descriptor.ts';
import { type HeldClient, PausedClient } from '../sockets/paused-client.ts';
import type { PeerState, TellPeerState } from '../sockets/peer-state.ts';
import type { BufferPool } from '../sockets/buffer-pool.ts';
import { SocketWriter } from '../sockets/socket-writer.ts';
import type { WriteSlabs } from '../sockets/write-slabs.ts';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';
import { AnswerWriter } from './answer-writer.ts';
import { ChunkedDecoder } from './chunked.ts';
import { checkRequestTarget, CHUNKED, requestBodyLength, takeConnectionFields, type TargetRules } from './framing.ts';
import { H1Head } from './h1-head.ts';
import { HeadParser, type HeadLimits } from './head-parser.ts';
import { HeldBytes } from './held-bytes.ts';

export interface ServerConnectionOptions {
  readonly limits: HeadLimits;
  /** From the first byte of a head to its end; 0 = no limit. */
  readonly headersTimeoutMs: number;
  /** Between requests; 0 = no limit. */
  readonly idleTimeoutMs: number;
  /** How long to go on reading (and dropping) after a last answer, so that the client can read it. */
  readonly lingerMs: number;
  /** After so long, or so many requests, the next answer is the last; 0 = no limit, for both. */
  readonly maxConnectionMs: number;
  readonly maxRequests: number;
  /** Trailers of answers go to clients that did not ask for them (`TE: trailers`), too. */
  readonly trailers: boolean;
  readonly target: TargetRules;
  readonly peerState: TellPeerState;
  readonly slabs: WriteSlabs;
  /** For bytes that wait. */
  readonly buffers: BufferPool;
}

const IDLE = 0;
const HEADERS = 1;
const LINGER = 2;
const HALF_CLOSED = 3;
const AGE = 4;

// Far more than a client that ends its side first waits for an answer, far less than an answer may take.
const HALF_CLOSED_MS = 5_000;

const STATE = { head: 0, body: 1, complete: 2, closing: 3, tunnel: 4 } as const;

/** One client connection that speaks HTTP/1: requests are read, handed on and answered strictly one after the other. */
export class H1ServerConnection implements ServerConnection, DownstreamStream, HeldClient {
  readonly connection: DownstreamConnection;
  protocol: 'HTTP/1.0' | 'HTTP/1.1' = 'HTTP/1.1';

  readonly #socket: Socket;
  readonly #writer: SocketWriter;
  readonly #answer: AnswerWriter;
  readonly #source: ExchangeSource;
  readonly #options: ServerConnectionOptions;
  readonly #timers: TimerQueue;
  readonly #parser: HeadParser;
  readonly #head: H1Head;
  readonly #held: HeldBytes;
  readonly #wait: Deadline;
  readonly #headersWait: Deadline;
  #halfClosedWait: Deadline | undefined;
  #ageWait: Deadline | undefined;
  #requests = 0;
  #pausedClient: PausedClient | undefined;
  #chunked: ChunkedDecoder | undefined;

  #state: number = STATE.head;
  #receiver: RequestReceiver | undefined;
  #bodyLeft = 0;
  #close = false;
  #paused = false;
  #processing = false;
  #readEnded = false;
  #gone = false;

  constructor(
    socket: Socket,
    connection: DownstreamConnection,
    source: ExchangeSource,
    timers: TimerQueue,
    options: ServerConnectionOptions,
  ) {
    this.#socket = socket;
    this.connection = connection;
    this.#source = source;
    this.#timers = timers;
    this.#options = options;
    this.#writer = new SocketWriter(socket, options.slabs);
    this.#answer = new AnswerWriter(this.#writer);
    this.#held = new HeldBytes(options.buffers);
    this.#parser = new HeadParser('request', options.limits);
    this.#head = new H1Head(this.#parser);
    this.#wait = new Deadline(this, IDLE);
    this.#headersWait = new Deadline(this, HEADERS);
    socket.on('error', () => this.#onGone());
    socket.on('close', () => this.#onGone());
    socket.on('end', () => this.#onReadEnd());
    socket.on('drain', () => this.#receiver?.onDownstreamWritable());
    if (options.maxConnectionMs > 0) {
      this.#ageWait = new Deadline(this, AGE);
      timers.arm(this.#ageWait, options.maxConnectionMs);
    }
    this.#armIdle();
  }

  get idle(): boolean {
    return this.#receiver === undefined && !this.#parser.started;
  }

  /** The next answer asks `ExchangeSource.draining`. */
  onDraining(): void {}

  destroy(): void {
    if (this.#receiver !== undefined && !this.#answer.over && !this.#gone) {
      // An answer that has not begun becomes a refusal, one that has is cut.
      this.#close = true;
      this.#receiver.onRequestAborted('drain-deadline');
      this.#writer.flushNow();
      if (this.#state === STATE.closing) return;
    }
    this.#socket.destroy();
    this.#onGone();
  }

  weigh(take: WeighExchange): void {
    const receiver = this.#receiver;
    if (receiver === undefined || this.#answer.over) return;
    const bytes = this.#socket.writableLength + this.#writer.gathered + this.#held.length + (receiver.heldBytes ?? 0);
    take(bytes, () => {
      if (this.#receiver !== receiver || this.#gone) return;
      this.#close = true;
      receiver.onRequestAborted('overloaded');
      this.#writer.flushNow();
    });
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.#state === STATE.closing || this.#gone) return;
    if (this.#held.length > 0) {
      this.#held.append(buffer, start, end);
      if (this.#receiver !== undefined && (this.#state === STATE.complete || this.#paused)) return this.#limitHeld();
      return this.#processHeld();
    }
    if (this.#processing) {
      this.#held.append(buffer, start, end);
      return;
    }
    const used = this.#process(buffer, start, end);
    if (used < end && !this.#gone && this.#state !== STATE.closing) {
      this.#held.append(buffer, used, end);
      this.#limitHeld();
    }
  }

  #processHeld(): void {
    if (this.#processing || this.#gone) return;
    const held = this.#held;
    if (held.length === 0) return;
    const used = this.#process(held.buffer, held.start, held.end);
    held.consume(used - held.start);
    this.#limitHeld();
  }

  /** While an answer is outstanding the client's further bytes stay in the kernel, but for what was already read. */
  #limitHeld(): void {
    if (this.#gone) return;
    if (this.#held.length > 0 && this.#receiver !== undefined && (this.#state === STATE.complete || this.#paused)) {
      if (!this.#socket.isPaused()) this.#stopReading();
    }
  }

  #stopReading(): void {
    this.#socket.pause();
    this.#pausedClient ??= new PausedClient(this.#socket, this.#timers, this.#options.peerState, this);
    this.#pausedClient.watch();
  }

  /** @returns how far it got. */
  #process(buffer: Buffer, start: number, end: number): number {
    this.#processing = true;
    let at = start;
    while (at < end && !this.#gone) {
      if (this.#state === STATE.head) {
        if (this.#receiver !== undefined) break;
        if (!this.#parser.started) this.#beginHead();
        const result = this.#parser.parse(buffer, at, end);
        if (result === 'more') break;
        this.#endHeadWait();
        if (result !== 'done') {
          this.#refuse(result);
          at = end;
          break;
        }
        const base = at;
        at += this.#parser.headEnd;
        this.#head.take(buffer, base);
        this.#beginExchange();
      } else if (this.#state === STATE.body) {
        if (this.#paused) break;
        const from = at;
        at = this.#takeBody(buffer, at, end);
        this.#countReceived(at - from);
      } else if (this.#state === STATE.tunnel) {
        if (this.#paused) break;
        this.#countReceived(end - at);
        this.#receiver?.onRequestData(buffer, at, end, false);
        at = end;
      } else {
        if (this.#state === STATE.closing) at = end;
        break;
      }
    }
    this.#processing = false;
    if (this.#state === STATE.body || this.#state === STATE.tunnel) this.#receiver?.onRequestPause();
    return at;
  }

  #countReceived(bytes: number): void {
    const { meter } = this.#answer;
    if (meter !== undefined) meter.received += bytes;
  }

  #beginHead(): void {
    this.#timers.cancel(this.#wait);
    if (this.#options.headersTimeoutMs > 0 && this.#headersWait.list === undefined) {
      this.#timers.arm(this.#headersWait, this.#options.headersTimeoutMs);
    }
  }

  #endHeadWait(): void {
    this.#timers.cancel(this.#headersWait);
    this.#timers.cancel(this.#wait);
  }

  #beginExchange(): void {
    const head = this.#head;
    const { minor } = head.parser;
    this.protocol = minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
    const answer = this.#answer;
    answer.begin(head.method, minor === 0);
    const failure = checkRequestTarget(head, this.#options.target);
    if (failure !== undefined) return this.#refuse(failure);
    const length = requestBodyLength(head);
    if (typeof length === 'string') return this.#refuse(length);
    if (head.method === 'CONNECT' && length !== 0) return this.#refuse('bad-request');
    const options = takeConnectionFields(head);
    answer.takesTrailers = head.has('te') || this.#options.trailers;
    answer.keepAlive10 = minor === 0 && options.keepAlive;
    if (options.close || (minor === 0 && !options.keepAlive)) this.#close = true;
    this.#requests += 1;
    if (this.#requests === this.#options.maxRequests) {
      this.#close = true;
      this.#source.onLimit?.('max_requests_reached');
    }
    if (length === CHUNKED) {
      this.#chunked ??= new ChunkedDecoder(this.#options.limits);
      this.#chunked.reset();
    }
    this.#bodyLeft = length;
    this.#state = length === 0 ? STATE.complete : STATE.body;
    const receiver = this.#source.newExchange(this);
    this.#receiver = receiver;
    receiver.onRequestHead(head, length === 0);
  }

  #takeBody(buffer: Buffer, at: number, end: number): number {
    if (this.#bodyLeft !== CHUNKED) {
      const taken = Math.min(this.#bodyLeft, end - at);
      this.#bodyLeft -= taken;
      const last = this.#bodyLeft === 0;
      if (last) this.#state = STATE.complete;
      this.#receiver?.onRequestData(buffer, at, at + taken, last);
      return at + taken;
    }
    const decoder = this.#chunked;
    if (decoder === undefined) return end;
    const event = decoder.next(buffer, at, end);
    if (event === 'data') this.#receiver?.onRequestData(buffer, decoder.dataStart, decoder.dataEnd, false);
    else if (event === 'end') {
      this.#state = STATE.complete;
      const { trailers } = decoder;
      if (trailers === undefined) this.#receiver?.onRequestData(buffer, decoder.at, decoder.at, true);
      else this.#receiver?.onRequestTrailers(trailers);
    } else if (event === 'invalid') {
      this.#close = true;
      this.#state = STATE.closing;
      this.#receiver?.onRequestAborted('bad-request');
      return end;
    }
    return decoder.at;
  }

  /** Answers what can not be a request, and reads no more from this client. */
  #refuse(reason: ReasonCode): void {
    this.#close = true;
    this.#answer.restart();
    this.#state = STATE.closing;
    this.#source.refuse(this, reason);
  }

  // What the exchange above writes.

  meter(into: WireMeter): void {
    this.#answer.count(into);
    into.receivedHead(this.#parser.headEnd);
  }

  sendInformational(head: HeadView): void {
    this.#answer.informational(head);
  }

  sendHead(status: number, head: HeadView, end: boolean): void {
    if (this.#answer.started || this.#gone) return;
    // An answer before the end of the request: its rest is not waited for (RFC 9112 §9.3).
    const early = this.#state === STATE.body || this.#state === STATE.closing;
    const after = this.#answer.head(status, head, end, this.#close || early || this.#source.draining);
    if (after === 'tunnel') return;
    if (after === 'closes') this.#close = true;
    if (end) this.#endResponse();
  }

  sendData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (this.#gone || this.#answer.over) return;
    this.#answer.data(buffer, start, end, last);
    if (last) this.#endResponse();
  }

  sendTrailers(trailers: HeadView): void {
    if (this.#gone || this.#answer.over) return;
    this.#answer.trailers(trailers);
    this.#endResponse();
  }

  flush(): void {
    this.#writer.flush();
  }

  get congested(): boolean {
    return this.#writer.congested;
  }

  startTunnel(): void {
    this.#state = STATE.tunnel;
    this.#close = true;
    this.#writer.flushNow();
    if (this.#held.length === 0) return;
    setImmediate(() => {
      this.#processHeld();
      // It was paused for what came early.
      if (!this.#paused && !this.#gone) this.#socket.resume();
    });
  }

  pauseRequest(): void {
    if (this.#paused) return;
    this.#paused = true;
    if (this.#state === STATE.body || this.#state === STATE.tunnel) this.#stopReading();
  }

  resumeRequest(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#gone) return;
    this.#processHeld();
    if (!this.#paused) this.#socket.resume();
  }

  abort(): void {
    this.#writer.flushNow();
    this.#answer.over = true;
    this.#socket.destroy();
    this.#onGone();
  }

  #endResponse(): void {
    this.#answer.over = true;
    this.#writer.flushNow();
    if (this.#state === STATE.tunnel) {
      this.#socket.end();
      this.#finishExchange();
      this.#linger();
      return;
    }
    if (this.#state === STATE.body) this.#close = true;
    this.#finishExchange();
    if (this.#close || this.#readEnded) {
      this.#state = STATE.closing;
      this.#socket.end();
      this.#linger();
      return;
    }
    this.#parser.reset();
    this.#paused = false;
    this.#state = STATE.head;
    if (this.#processing) return;
    if (this.#socket.isPaused()) this.#socket.resume();
    if (this.#held.length > 0) this.#processHeld();
    if (this.idle && !this.#gone) this.#armIdle();
  }

  #finishExchange(): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#answer.settle();
    receiver?.onExchangeOver();
  }

  /** The answer is on its way; bytes that still come are dropped for a while, since closing at once could destroy it. */
  #linger(): void {
    this.#held.clear();
    this.#timers.cancel(this.#headersWait);
    this.#timers.cancel(this.#wait);
    if (this.#readEnded) return;
    this.#socket.resume();
    const linger = new Deadline(this, LINGER);
    this.#timers.arm(linger, this.#options.lingerMs);
    this.#socket.once('close', () => this.#timers.cancel(linger));
  }

  #armIdle(): void {
    if (this.#options.idleTimeoutMs > 0) this.#timers.arm(this.#wait, this.#options.idleTimeoutMs);
  }

  onDeadline(kind: number): void {
    if (kind === HALF_CLOSED && this.#answer.started) return;
    if (kind === AGE) {
      this.#source.onLimit?.('max_duration_reached');
      this.#close = true;
      if (!this.idle) return;
    }
    if (kind === IDLE) this.#source.onLimit?.('idle_timeout');
    if (kind === HEADERS && !this.#gone) {
      this.#refuse('request-headers-timeout');
      return;
    }
    this.onLeft();
  }

  /**
   * The client will send no more; an answer can still go out (RFC 9112 §9.6). But most clients that end
   * their side have left, which only an answer would show: one that has not begun after a while is given up. A proxy of
   * the mesh never ends one direction alone: it gave the request up, and so must we, down to the application.
   */
  #onReadEnd(): void {
    this.#readEnded = true;
    if (this.#receiver === undefined) {
      this.#socket.end();
      this.#socket.destroySoon();
      return;
    }
    if (this.#state === STATE.tunnel) {
      this.#receiver.onRequestData(EMPTY, 0, 0, true);
    } else if (this.#state === STATE.body || this.connection.peerPrincipal !== '' || endedByReset(this.#socket)) {
      this.#socket.destroy();
      this.#onGone();
    } else if (!this.#answer.started) {
      this.#halfClosedWait ??= new Deadline(this, HALF_CLOSED);
      this.#timers.arm(this.#halfClosedWait, HALF_CLOSED_MS);
    }
  }

  /** As in `#onReadEnd`, for a client whose end was not read. What it has sent may be all there is. */
  mayStay(peer: PeerState, quietMs: number): boolean {
    if (this.#state === STATE.tunnel) return true;
    if (this.connection.peerPrincipal !== '') return false;
    if (this.#state === STATE.complete) return this.#answer.started || quietMs < HALF_CLOSED_MS;
    if (this.#bodyLeft === CHUNKED || this.connection.secure || peer.unread < 0) return quietMs < HALF_CLOSED_MS;
    return this.#bodyLeft - this.#held.length <= peer.unread;
  }

  onLeft(): void {
    this.#socket.destroy();
    this.#onGone();
  }

  #onGone(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#pausedClient?.stop();
    this.#timers.cancel(this.#wait);
    this.#timers.cancel(this.#headersWait);
    if (this.#halfClosedWait !== undefined) this.#timers.cancel(this.#halfClosedWait);
    if (this.#ageWait !== undefined) this.#timers.cancel(this.#ageWait);
    this.#held.clear();
    this.#writer.discard();
    const receiver = this.#receiver;
    if (receiver !== undefined) {
      if (!this.#answer.over) receiver.onRequestAborted('downstream-closed');
      this.#finishExchange();
    }
    this.#source.onConnectionClosed(this);
  }
}

const EMPTY = Buffer.alloc(0);
