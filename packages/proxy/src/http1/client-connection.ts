import type { Socket } from 'node:net';
import type { HeadView } from '../head/head-view.ts';
import type { ConnectionKeeper, UpstreamConnection, UpstreamConnectionOptions } from '../http/connections.ts';
import type { ResponseReceiver, UpstreamFailure, UpstreamStream } from '../http/streams.ts';
import { endedByReset } from '../sockets/descriptor.ts';
import type { BufferPool } from '../sockets/buffer-pool.ts';
import { SocketWriter } from '../sockets/socket-writer.ts';
import type { WireMeter } from '../http/wire-meter.ts';
import type { WriteSlabs } from '../sockets/write-slabs.ts';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';
import type { UpstreamLink } from '../upstream/upstream-link.ts';
import { writeBody } from './body-writer.ts';
import { ChunkedDecoder } from './chunked.ts';
import { CHUNKED, responseBodyLength, takeConnectionFields, UNTIL_CLOSE } from './framing.ts';
import { H1Head } from './h1-head.ts';
import { HeadParser, type HeadLimits } from './head-parser.ts';
import { requestHeadText, trailersText } from './head-writer.ts';
import { HeldBytes } from './held-bytes.ts';

export interface ClientConnectionOptions extends UpstreamConnectionOptions {
  readonly limits: HeadLimits;
  /** Trailers of requests go on although their head does not announce them. */
  readonly trailers: boolean;
  readonly slabs: WriteSlabs;
  /** For bytes that wait. */
  readonly buffers: BufferPool;
}

const IDLE = 0;
const DURATION = 1;

const STATE = { idle: 0, head: 1, body: 2, tunnel: 3, dead: 4 } as const;
const EMPTY = Buffer.alloc(0);

/** One connection to an upstream host, for one exchange at a time. */
export class H1ClientConnection implements UpstreamConnection, UpstreamStream {
  readonly peerPrincipal: string;
  readonly localAddress: string;
  /** Exchanges begun so far. */
  exchanges = 0;
  listed = false;
  link: UpstreamLink | undefined = undefined;

  readonly #socket: Socket;
  readonly #writer: SocketWriter;
  readonly #keeper: ConnectionKeeper;
  readonly #options: ClientConnectionOptions;
  readonly #timers: TimerQueue;
  readonly #parser: HeadParser;
  readonly #head: H1Head;
  readonly #held: HeldBytes;
  readonly #idleWait: Deadline;
  #durationWait: Deadline | undefined;
  #chunked: ChunkedDecoder | undefined;

  #state: number = STATE.idle;
  #receiver: ResponseReceiver | undefined;
  #bodyLeft = 0;
  #requestChunked = false;
  #announcedTrailers = false;
  #requestOver = false;
  #asked: 'HEAD' | 'CONNECT' | 'other' = 'other';
  #askedUpgrade = false;
  #upgraded = false;
  #keepAlive = true;
  #anyByte = false;
  #paused = false;
  #processing = false;
  #closed = false;
  /** The parser still holds the former head, which its receiver may be reading; it is forgotten with the next byte. */
  #formerHead = false;
  /** Set by the owner: the connection ends instead of being used again. */
  #retired = false;
  /** Of the exchange in progress. */
  #meter: WireMeter | undefined;
  #writtenBefore = 0;

  constructor(
    socket: Socket,
    peerPrincipal: string,
    keeper: ConnectionKeeper,
    timers: TimerQueue,
    options: ClientConnectionOptions,
  ) {
    this.#socket = socket;
    this.peerPrincipal = peerPrincipal;
    this.localAddress = `${socket.localAddress ?? ''}:${socket.localPort ?? 0}`;
    this.#keeper = keeper;
    this.#timers = timers;
    this.#options = options;
    this.#writer = new SocketWriter(socket, options.slabs);
    this.#held = new HeldBytes(options.buffers);
    this.#parser = new HeadParser('response', options.limits);
    this.#head = new H1Head(this.#parser);
    this.#idleWait = new Deadline(this, IDLE);
    if (options.maxDurationMs > 0) {
      this.#durationWait = new Deadline(this, DURATION);
      timers.arm(this.#durationWait, options.maxDurationMs);
    }
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.#onBroken(error.code === 'ECONNRESET' ? 'upstream-reset' : 'upstream-closed', error.message),
    );
    socket.on('end', () => this.#onReadEnd());
    socket.on('close', () => this.#onBroken('upstream-closed', 'connection closed'));
    socket.on('drain', () => this.#receiver?.onUpstreamWritable());
  }

  get reused(): boolean {
    return this.exchanges > 1;
  }

  get congested(): boolean {
    return this.#writer.congested;
  }

  get capacity(): number {
    return this.#state === STATE.idle && !this.#retired ? 1 : 0;
  }

  begin(receiver: ResponseReceiver): UpstreamStream {
    this.#timers.cancel(this.#idleWait);
    this.#receiver = receiver;
    this.#state = STATE.head;
    this.exchanges += 1;
    this.#requestChunked = false;
    this.#requestOver = false;
    this.#askedUpgrade = false;
    this.#upgraded = false;
    this.#anyByte = false;
    this.#keepAlive = true;
    this.#paused = false;
    this.#formerHead = true;
    return this;
  }

  rest(): void {
    if (this.#options.idleTimeoutMs > 0) this.#timers.arm(this.#idleWait, this.#options.idleTimeoutMs);
  }

  retire(): void {
    this.#retired = true;
    if (this.#state === STATE.idle) this.#close();
  }

  meter(into: WireMeter): void {
    this.#meter = into;
    this.#writtenBefore = this.#writer.total;
  }

  /** What is written from here on is of another exchange. */
  #settleMeter(): void {
    if (this.#meter !== undefined) this.#meter.sent = this.#writer.total - this.#writtenBefore;
    this.#meter = undefined;
  }

  sendHead(head: HeadView, last: boolean): void {
    const method = head.get(':method');
    this.#asked = method === 'HEAD' || method === 'CONNECT' ? method : 'other';
    this.#askedUpgrade = head.has('upgrade');
    this.#requestChunked = !last && method !== 'CONNECT' && !head.has('content-length');
    this.#announcedTrailers = this.#requestChunked && head.has('trailer');
    this.#requestOver = last;
    const text = requestHeadText(head, last);
    this.#writer.text(text);
    if (this.#meter !== undefined) this.#meter.headSent += text.length;
    if (last) this.#writer.flushNow();
  }

  sendData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (this.#state === STATE.dead) return;
    if (this.#upgraded) {
      if (end > start) this.#writer.bytes(buffer, start, end);
      if (!last) return this.#writer.flush();
      this.#writer.flushNow();
      this.#socket.end();
      return;
    }
    writeBody(this.#writer, buffer, start, end, this.#requestChunked);
    if (!last) return;
    if (this.#requestChunked) this.#writer.text(trailersText(undefined));
    this.#requestOver = true;
    this.#writer.flushNow();
  }

  sendTrailers(trailers: HeadView): void {
    if (this.#state === STATE.dead || this.#upgraded) return;
    // Nobody says beforehand whether an HTTP/1.1 server takes trailers; one whose client announces them is told so (RFC 9110 §6.6.2).
    const passOn = this.#announcedTrailers || this.#options.trailers;
    if (this.#requestChunked) this.#writer.text(trailersText(passOn ? trailers : undefined));
    this.#requestOver = true;
    this.#writer.flushNow();
  }

  flush(): void {
    this.#writer.flush();
  }

  startTunnel(): void {
    this.#upgraded = true;
  }

  pauseResponse(): void {
    if (this.#paused || this.#state === STATE.idle) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resumeResponse(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#closed) return;
    if (!this.#processing) this.#processHeld();
    if (!this.#paused && !this.#closed) this.#socket.resume();
  }

  cancel(): void {
    this.#receiver = undefined;
    this.#close();
  }

  destroy(): void {
    this.cancel();
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.#state === STATE.idle) {
      // Nobody asked: whatever this is, the connection can not be trusted with another exchange.
      this.#close();
      return;
    }
    this.#anyByte = true;
    if (this.#meter !== undefined) this.#meter.received += end - start;
    if (this.#formerHead) {
      this.#formerHead = false;
      this.#parser.reset();
    }
    if (this.#paused || this.#held.length > 0) {
      this.#held.append(buffer, start, end);
      if (!this.#paused) this.#processHeld();
      return;
    }
    const used = this.#process(buffer, start, end);
    if (used < end && this.#state !== STATE.dead) this.#held.append(buffer, used, end);
  }

  #processHeld(): void {
    const held = this.#held;
    if (held.length === 0) return;
    const used = this.#process(held.buffer, held.start, held.end);
    held.consume(used - held.start);
  }

  /** Hands on what one read brought, all of it: who pauses meanwhile gets no further read, since to hold these bytes is no cheaper. */
  #process(buffer: Buffer, start: number, end: number): number {
    this.#processing = true;
    const used = this.#handOn(buffer, start, end);
    this.#processing = false;
    return used;
  }

  #handOn(buffer: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.#state === STATE.head) {
        const result = this.#parser.parse(buffer, at, end);
        if (result === 'more') return at;
        if (result !== 'done') {
          this.#fail('upstream-protocol-error', `response head: ${result}`);
          return end;
        }
        const base = at;
        at += this.#parser.headEnd;
        if (this.#meter !== undefined) this.#meter.headReceived += this.#parser.headEnd;
        this.#head.take(buffer, base);
        if (!this.#onHead(at < end)) return end;
      } else if (this.#state === STATE.body) {
        at = this.#takeBody(buffer, at, end);
      } else if (this.#state === STATE.tunnel) {
        this.#receiver?.onResponseData(buffer, at, end, false);
        at = end;
      } else {
        return end;
      }
    }
    if (this.#state === STATE.body || this.#state === STATE.tunnel) this.#receiver?.onResponsePause();
    return at;
  }

  /** @returns false when the connection is no longer this exchange's. */
  #onHead(moreBytes: boolean): boolean {
    const head = this.#head;
    const { status } = this.#parser;
    const receiver = this.#receiver;
    if (receiver === undefined) return false;
    if (status === 101) {
      if (!this.#askedUpgrade) return this.#fail('upstream-protocol-error', 'an upgrade that was not asked for');
      takeConnectionFields(head);
      this.#state = STATE.tunnel;
      this.#keepAlive = false;
      this.#requestChunked = false;
      receiver.onResponseHead(status, head, false);
      return true;
    }
    const length = responseBodyLength(head, this.#asked);
    if (length === undefined) return this.#fail('upstream-protocol-error', 'the length of the response is ambiguous');
    const options = takeConnectionFields(head);
    head.remove('upgrade');
    if (status < 200) {
      receiver.onInformational(head);
      this.#parser.reset();
      return true;
    }
    if (this.#asked === 'CONNECT' && status < 300) {
      // RFC 9110 §9.3.6: a length here means nothing.
      head.remove('content-length');
      this.#state = STATE.tunnel;
      this.#keepAlive = false;
      receiver.onResponseHead(status, head, false);
      return true;
    }
    if (options.close || (this.#parser.minor === 0 && !options.keepAlive)) this.#keepAlive = false;
    if (length === 0) {
      if (moreBytes) this.#keepAlive = false;
      this.#finish();
      receiver.onResponseHead(status, head, true);
      return false;
    }
    if (length === UNTIL_CLOSE) this.#keepAlive = false;
    if (length === CHUNKED) {
      this.#chunked ??= new ChunkedDecoder(this.#options.limits);
      this.#chunked.reset();
    }
    this.#bodyLeft = length;
    this.#state = STATE.body;
    receiver.onResponseHead(status, head, false);
    return true;
  }

  #takeBody(buffer: Buffer, at: number, end: number): number {
    const receiver = this.#receiver;
    if (receiver === undefined) return end;
    if (this.#bodyLeft === UNTIL_CLOSE) {
      receiver.onResponseData(buffer, at, end, false);
      return end;
    }
    if (this.#bodyLeft !== CHUNKED) {
      const taken = Math.min(this.#bodyLeft, end - at);
      this.#bodyLeft -= taken;
      if (this.#bodyLeft > 0) {
        receiver.onResponseData(buffer, at, at + taken, false);
        return at + taken;
      }
      if (at + taken < end) this.#keepAlive = false;
      this.#finish();
      receiver.onResponseData(buffer, at, at + taken, true);
      return end;
    }
    const decoder = this.#chunked;
    if (decoder === undefined) return end;
    const event = decoder.next(buffer, at, end);
    if (event === 'data') {
      receiver.onResponseData(buffer, decoder.dataStart, decoder.dataEnd, false);
      return decoder.at;
    }
    if (event === 'end') {
      if (decoder.at < end) this.#keepAlive = false;
      const { trailers } = decoder;
      this.#finish();
      if (trailers === undefined) receiver.onResponseData(EMPTY, 0, 0, true);
      else receiver.onResponseTrailers(trailers);
      return end;
    }
    if (event === 'invalid') {
      this.#fail('upstream-protocol-error', 'the chunks of the response are not valid');
      return end;
    }
    return decoder.at;
  }

  /** The response is complete: back to the pool before the receiver hears of it, so that its next request finds it there. */
  #finish(): void {
    this.#receiver = undefined;
    this.#settleMeter();
    this.#held.clear();
    const exhausted = this.#options.maxRequests > 0 && this.exchanges >= this.#options.maxRequests;
    if (!this.#keepAlive || !this.#requestOver || exhausted || this.#retired) {
      this.#close();
      return;
    }
    this.#state = STATE.idle;
    // Nobody waits for the rest of what was paused.
    this.resumeResponse();
    this.#keeper.onReusable(this);
  }

  #fail(failure: UpstreamFailure, detail: string): false {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    const anyByte = this.#anyByte;
    this.#close();
    receiver?.onUpstreamFailed(failure, detail, anyByte);
    return false;
  }

  #onReadEnd(): void {
    // The end of an answer without a length must not be mistaken for its whole.
    if (endedByReset(this.#socket)) return this.#onBroken('upstream-reset', 'connection reset');
    if (this.#state === STATE.body && this.#bodyLeft === UNTIL_CLOSE) {
      const receiver = this.#receiver;
      this.#receiver = undefined;
      this.#close();
      receiver?.onResponseData(EMPTY, 0, 0, true);
      return;
    }
    if (this.#state === STATE.tunnel) {
      const receiver = this.#receiver;
      this.#receiver = undefined;
      receiver?.onResponseData(EMPTY, 0, 0, true);
      this.#close();
      return;
    }
    this.#onBroken('upstream-closed', 'the upstream closed the connection');
  }

  #onBroken(failure: UpstreamFailure, detail: string): void {
    if (this.#state === STATE.dead) return;
    this.#fail(failure, detail);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#settleMeter();
    this.#state = STATE.dead;
    this.#timers.cancel(this.#idleWait);
    if (this.#durationWait !== undefined) this.#timers.cancel(this.#durationWait);
    this.#held.clear();
    this.#writer.discard();
    this.#socket.destroy();
    this.#keeper.onClosed(this);
  }

  onDeadline(kind: number): void {
    if (kind === DURATION) this.retire();
    else if (this.#state === STATE.idle) this.#close();
  }
}
