import type { Socket } from 'node:net';
import type { Random } from '@weft/kit';
import type { HeadView } from '../../head/head-view.ts';
import type { ExchangeSource, ServerConnection, WeighExchange } from '../../http/connections.ts';
import type { DownstreamConnection } from '../../http/streams.ts';
import { Deadline, type DeadlineOwner } from '../../timers/timer-queue.ts';
import { CODE, type ErrorCode, MAX_STREAM_ID, PREFACE, SETTING } from '../frames/constants.ts';
import type { DecodeResult } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import { ownPhrase } from '../carried.ts';
import { type RequestRules, requestHead, trailersHead } from '../message-rules.ts';
import { CONTROL } from './flood-guard.ts';
import type { H2Counters } from './counters.ts';
import { H2Connection, type H2Shared } from './h2-connection.ts';
import type { H2Stream } from './h2-stream.ts';
import { eachField, eachLine } from './head-frames.ts';
import type { H2Limits } from './options.ts';
import { H2ServerStream, type ServerStreamLink } from './server-stream.ts';

export interface H2ServerOptions {
  readonly limits: H2Limits;
  /** For the preface, and from HEADERS to the end of the block; 0 = no limit. */
  readonly headersTimeoutMs: number;
  /** Without any request; 0 = no limit. */
  readonly idleTimeoutMs: number;
  /** How long to go on reading (and dropping) after the last answer. */
  readonly lingerMs: number;
  /** After this the connection drains; 0 = no limit. */
  readonly maxConnectionMs: number;
  /** After so many requests the connection drains; 0 = no limit. */
  readonly maxRequests: number;
  /** Extended CONNECT (RFC 8441) is offered. */
  readonly connectProtocol: boolean;
  /** CONNECT of its own is more than refused. */
  readonly connect: boolean;
  /** The client is a proxy of this mesh that carries HTTP/1.1 (carried.ts). */
  readonly carried: boolean;
}

// How long a client has to answer the PING that follows the first GOAWAY; Envoy's time between the two.
const DRAIN_MS = 5_000;
// Far more than a client that ends its side first waits for answers; HTTP/1 has the same.
const HALF_CLOSED_MS = 5_000;

const WAIT = { idle: 0, headers: 1, drain: 2, linger: 3, age: 4 } as const;

/** One client connection that speaks HTTP/2. */
export class H2ServerConnection extends H2Connection implements ServerStreamLink, ServerConnection, DeadlineOwner {
  readonly connection: DownstreamConnection;
  readonly #source: ExchangeSource;
  readonly #options: H2ServerOptions;
  readonly #random: Random;
  readonly #rules: RequestRules;
  readonly #idleWait: Deadline;
  readonly #headersWait: Deadline;
  readonly #drainWait: Deadline;
  readonly #lingerWait: Deadline;
  readonly #ageWait: Deadline;
  #prefaceLeft = PREFACE.length;
  #lastStream = 0;
  #requests = 0;
  #draining = false;
  /** The last stream that will be served, once that was said. */
  #finalStream = MAX_STREAM_ID;
  #finished = false;

  constructor(
    socket: Socket,
    connection: DownstreamConnection,
    source: ExchangeSource,
    shared: H2Shared & { readonly random: Random },
    options: H2ServerOptions,
    counters: H2Counters,
  ) {
    super(socket, shared, options.limits, options.carried, counters);
    this.connection = connection;
    this.#source = source;
    this.#options = options;
    this.#random = shared.random;
    this.#rules = { carried: options.carried, connect: options.connect };
    this.#idleWait = new Deadline(this, WAIT.idle);
    this.#headersWait = new Deadline(this, WAIT.headers);
    this.#drainWait = new Deadline(this, WAIT.drain);
    this.#lingerWait = new Deadline(this, WAIT.linger);
    this.#ageWait = new Deadline(this, WAIT.age);
    socket.on('error', () => this.lose('the client reset the connection'));
    socket.on('close', () => this.lose('the connection was closed'));
    socket.on('end', () => this.#onReadEnd());
    this.start([
      [SETTING.maxConcurrentStreams, options.limits.maxConcurrentStreams],
      ...(options.connectProtocol ? [[SETTING.enableConnectProtocol, 1] as const] : []),
    ]);
    if (options.maxConnectionMs > 0) this.timers.arm(this.#ageWait, options.maxConnectionMs);
    this.#armIdle();
  }

  get idle(): boolean {
    return this.streams.size === 0;
  }

  protected get lastPeerStream(): number {
    return this.#lastStream;
  }

  get isClient(): boolean {
    return false;
  }

  isIdle(streamId: number): boolean {
    return streamId > this.#lastStream || (streamId & 1) === 0;
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    let at = start;
    if (this.#prefaceLeft > 0) {
      at = this.#readPreface(buffer, start, end);
      if (this.stopped) return;
    }
    this.reader.read(buffer, at, end);
    this.endRead();
  }

  #readPreface(buffer: Buffer, start: number, end: number): number {
    this.onBlockOpen(true);
    let at = start;
    while (this.#prefaceLeft > 0 && at < end) {
      if (buffer[at] !== PREFACE[PREFACE.length - this.#prefaceLeft]) {
        this.fail(CODE.protocolError, 'the preface of HTTP/2 was expected', 'framing_error');
        return end;
      }
      at += 1;
      this.#prefaceLeft -= 1;
    }
    return at;
  }

  override onPeerSettings(): void {
    this.onBlockOpen(false);
  }

  override onBlockOpen(open: boolean): void {
    const { headersTimeoutMs } = this.#options;
    if (!open) this.timers.cancel(this.#headersWait);
    else if (headersTimeoutMs > 0 && this.#headersWait.list === undefined)
      this.timers.arm(this.#headersWait, headersTimeoutMs);
  }

  onHeaders(
    streamId: number,
    fields: readonly Field[],
    result: DecodeResult,
    endStream: boolean,
    selfDependent: boolean,
  ): void {
    const open = this.streams.get(streamId);
    if (open !== undefined) return this.#onTrailers(open, fields, result, endStream);
    if ((streamId & 1) === 0) return this.fail(CODE.protocolError, 'a stream of even number', 'framing_error');
    if (streamId <= this.#lastStream) return this.#onLateHeaders(streamId);
    this.#lastStream = streamId;
    if (streamId > this.#finalStream) return this.closedStreams.add(streamId, true);
    if (this.streams.size >= this.limits.maxConcurrentStreams) {
      this.counters.count('refused_streams');
      return this.#refuseStream(streamId, CODE.refusedStream);
    }
    this.guard.requestBegan();
    if (selfDependent) {
      this.counters.count('rx_messaging_error');
      return this.#refuseStream(streamId, CODE.protocolError);
    }
    this.#requests += 1;
    const stream = new H2ServerStream(streamId, this, this.timers.now());
    this.#beginRequest(stream, fields, result, endStream);
    const { maxRequests } = this.#options;
    if (this.#requests === maxRequests) this.#source.onLimit?.('max_requests_reached');
    if (this.#source.draining || (maxRequests > 0 && this.#requests >= maxRequests)) this.onDraining();
  }

  /** Trailers of a stream we cut off, or a number that can not be used (again). */
  #onLateHeaders(streamId: number): void {
    // So many are cut at once that not all of them are remembered.
    if (this.closedStreams.wasCutByUs(streamId) || this.limits.carriesMany) {
      if (!this.guard.spend(CONTROL.closedStream)) this.flood('closed_stream_flood');
      return;
    }
    const closed = this.closedStreams.has(streamId);
    this.fail(closed ? CODE.streamClosed : CODE.protocolError, 'HEADERS on a stream that was closed', 'framing_error');
  }

  #refuseStream(streamId: number, code: ErrorCode): void {
    this.closedStreams.add(streamId, true);
    this.writeControlReset(streamId, code);
    if (!this.guard.spend(CONTROL.closedStream)) this.flood('closed_stream_flood');
  }

  #beginRequest(stream: H2ServerStream, fields: readonly Field[], result: DecodeResult, endStream: boolean): void {
    const { id } = stream;
    const checked = requestHead(this.known, fields, this.#rules);
    const { head, contentLength } = checked;
    const tooLarge = result === 'too-large';
    const malformed =
      checked.malformed !== '' ||
      (endStream && contentLength > 0) ||
      (head.protocol !== undefined && (endStream || !this.#options.connectProtocol));
    if (malformed && !tooLarge) {
      this.counters.count('rx_messaging_error');
      this.closedStreams.add(id, true);
      this.writeControlReset(id, CODE.protocolError);
      stream.letGo();
      this.#source.refuse(stream, 'http2-protocol-error');
      this.onStreamCut(stream);
      return;
    }
    this.streams.set(id, stream);
    this.timers.cancel(this.#idleWait);
    if (tooLarge || checked.refused !== undefined) {
      if (endStream) stream.headWasAll();
      this.#source.refuse(stream, tooLarge ? 'headers-too-large' : (checked.refused ?? 'bad-request'));
      return;
    }
    stream.contentLeft = contentLength;
    stream.begin(this.#source.newExchange(stream), head, endStream, () =>
      Buffer.from(this.#random.bytes(16)).toString('base64'),
    );
  }

  #onTrailers(stream: H2Stream, fields: readonly Field[], result: DecodeResult, endStream: boolean): void {
    if (stream.remoteEnded)
      return this.failStream(stream, CODE.streamClosed, 'HEADERS behind the end of the stream', 'rx_messaging_error');
    const { head, malformed } = trailersHead(this.known, fields, this.carried);
    if (!endStream || malformed !== '' || result === 'too-large')
      return this.failStream(stream, CODE.protocolError, 'the trailers are not valid', 'rx_messaging_error');
    stream.receiveTrailers(head);
  }

  protected override onFlood(): void {
    this.connection.abuse?.();
  }

  override onStreamCut(stream: H2Stream): void {
    if (stream instanceof H2ServerStream && !this.guard.requestCutOff(stream.beganMs))
      this.flood('premature_reset_flood');
  }

  writeResponse(streamId: number, status: number, head: HeadView, end: boolean): void {
    const { headers } = this;
    headers.begin();
    headers.put(this.known.status(status));
    if (this.carried) {
      const phrase = ownPhrase(status, head);
      if (phrase !== undefined) headers.put(this.known.field(this.known.name(':reason'), phrase));
      eachLine(this.known, head, headers.put);
    } else {
      eachField(this.known, head, headers.put);
    }
    headers.end(streamId, end);
  }

  // Ends.

  onGoaway(): void {
    // The client opens no more streams; what it asked for is answered.
    this.#draining = true;
    this.#finalStream = this.#lastStream;
    if (this.streams.size === 0) this.finish();
  }

  /** RFC 9113 §6.8: first a warning, and when the client has had time to read it, which stream was the last. */
  onDraining(): void {
    if (this.#draining || this.stopped) return;
    this.#draining = true;
    this.sayGoaway(MAX_STREAM_ID, CODE.noError, '');
    this.ping();
    this.timers.arm(this.#drainWait, DRAIN_MS);
  }

  /**
   * The client will send no more. What it asked for completely is answered, if that does not take long; but most clients
   * that end their side have left, and proxies of the mesh never end one side alone.
   */
  #onReadEnd(): void {
    const waits = Array.from(this.streams.values());
    const left = this.connection.peerPrincipal !== '' || this.socket.remoteAddress === undefined;
    if (left || waits.length === 0 || waits.some((stream) => !stream.remoteEnded))
      return this.lose('the client closed the connection');
    this.#draining = true;
    this.#finalStream = this.#lastStream;
    this.timers.arm(this.#lingerWait, HALF_CLOSED_MS);
  }

  override onPingAck(): void {
    super.onPingAck();
    if (this.#drainWait.list !== undefined) this.#sayFinal();
  }

  #sayFinal(): void {
    this.timers.cancel(this.#drainWait);
    if (this.stopped || this.#finalStream !== MAX_STREAM_ID) return;
    this.#finalStream = this.#lastStream;
    this.sayGoaway(this.#lastStream, CODE.noError, '');
    if (this.streams.size === 0) this.finish();
  }

  protected onStreamClosed(): void {
    if (this.streams.size > 0 || this.stopped) return;
    if (this.#finalStream !== MAX_STREAM_ID) this.finish();
    else this.#armIdle();
  }

  protected finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.stopped = true;
    this.output.end();
    if (this.socket.isPaused()) this.socket.resume();
    this.timers.arm(this.#lingerWait, this.#options.lingerMs);
  }

  weigh(take: WeighExchange): void {
    for (const stream of this.streams.values()) if (stream instanceof H2ServerStream) stream.weigh(take);
  }

  destroy(): void {
    if (this.gone) return;
    if (this.stopped) return this.lose('the connection was ended');
    this.sayGoaway(this.#lastStream, CODE.noError, '');
    for (const stream of Array.from(this.streams.values())) if (stream instanceof H2ServerStream) stream.giveUp();
    if (!this.gone) this.finish();
  }

  override lose(detail: string): void {
    if (this.gone) return;
    for (const wait of [this.#idleWait, this.#headersWait, this.#drainWait, this.#lingerWait, this.#ageWait])
      this.timers.cancel(wait);
    super.lose(detail);
    this.#source.onConnectionClosed(this);
  }

  #armIdle(): void {
    const { idleTimeoutMs } = this.#options;
    if (idleTimeoutMs > 0) this.timers.arm(this.#idleWait, idleTimeoutMs);
  }

  onDeadline(kind: number): void {
    if (this.gone) return;
    switch (kind) {
      case WAIT.idle:
        if (this.streams.size > 0 || this.stopped) return;
        this.#source.onLimit?.('idle_timeout');
        this.sayGoaway(this.#lastStream, CODE.noError, 'idle');
        return this.finish();
      case WAIT.headers:
        return this.fail(CODE.enhanceYourCalm, 'headers timeout', 'headers_timeout');
      case WAIT.drain:
        return this.#sayFinal();
      case WAIT.age:
        this.#source.onLimit?.('max_duration_reached');
        return this.onDraining();
      default:
        return this.lose('the connection was ended');
    }
  }
}
