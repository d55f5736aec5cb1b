import type { Socket } from 'node:net';
import type { HeadView } from '../../head/head-view.ts';
import type { ConnectionKeeper, UpstreamConnection, UpstreamConnectionOptions } from '../../http/connections.ts';
import type { ResponseReceiver, UpstreamStream } from '../../http/streams.ts';
import type { UpstreamLink } from '../../upstream/upstream-link.ts';
import { Deadline, type DeadlineOwner } from '../../timers/timer-queue.ts';
import { CODE, codeName, type ErrorCode, MAX_STREAM_ID, PREFACE, SETTING } from '../frames/constants.ts';
import { H2Head } from '../h2-head.ts';
import type { DecodeResult } from '../hpack/decoder.ts';
import { type Field, PSEUDO } from '../hpack/field.ts';
import { responseHead, trailersHead } from '../message-rules.ts';
import { type ClientStreamLink, H2ClientStream } from './client-stream.ts';
import type { H2Counters } from './counters.ts';
import { CONTROL } from './flood-guard.ts';
import { H2Connection, type H2Shared } from './h2-connection.ts';
import type { H2Stream } from './h2-stream.ts';
import { eachField, eachLine } from './head-frames.ts';
import { forCarrier, type H2Limits } from './options.ts';

export interface H2ClientOptions extends UpstreamConnectionOptions {
  readonly limits: H2Limits;
  /** Over TLS: what `:scheme` says. */
  readonly secure: boolean;
  /** The host is a proxy of this mesh that takes HTTP/1.1 so (carried.ts). */
  readonly carried: boolean;
}

// What a server is taken to allow before it has said (RFC 9113 §6.5.2 recommends at least so many).
const STREAMS_BEFORE_SETTINGS = 100;
const LINGER_MS = 1_000;

const IDLE = 0;
const LINGER = 1;
const AGE = 2;

/** One connection to an upstream host, for many exchanges at a time. */
export class H2ClientConnection extends H2Connection implements ClientStreamLink, UpstreamConnection, DeadlineOwner {
  readonly peerPrincipal: string;
  readonly localAddress: string;
  exchanges = 0;
  listed = false;
  link: UpstreamLink | undefined = undefined;
  /** The connection broke with a reset of TCP. */
  wasReset = false;
  readonly #keeper: ConnectionKeeper;
  readonly #options: H2ClientOptions;
  readonly #idleWait: Deadline;
  readonly #lingerWait: Deadline;
  readonly #ageWait: Deadline;
  #nextStream = 1;
  /** No further exchange. */
  #exhausted = false;
  #finished = false;
  #silent = false;

  constructor(
    socket: Socket,
    peerPrincipal: string,
    keeper: ConnectionKeeper,
    shared: H2Shared,
    options: H2ClientOptions,
    counters: H2Counters,
  ) {
    super(socket, shared, forCarrier(options.limits), options.carried, counters);
    this.peerPrincipal = peerPrincipal;
    this.localAddress = `${socket.localAddress ?? ''}:${socket.localPort ?? 0}`;
    this.#keeper = keeper;
    this.#options = options;
    this.#idleWait = new Deadline(this, IDLE);
    this.#lingerWait = new Deadline(this, LINGER);
    this.#ageWait = new Deadline(this, AGE);
    if (options.maxDurationMs > 0) this.timers.arm(this.#ageWait, options.maxDurationMs);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.wasReset = error.code === 'ECONNRESET';
      this.lose(error.message);
    });
    socket.on('end', () => this.lose('the upstream closed the connection'));
    socket.on('close', () => this.lose('the upstream closed the connection'));
    this.output.builder.bytes(PREFACE);
    this.start([[SETTING.enablePush, 0]]);
  }

  get capacity(): number {
    if (this.#exhausted || this.stopped || this.#isHeldUp) return 0;
    const allowed = this.settingsSeen ? this.peer.maxConcurrentStreams : STREAMS_BEFORE_SETTINGS;
    return Math.min(allowed, this.limits.maxConcurrentStreams) - this.streams.size;
  }

  /** Slow readers or a slow server are about to hold up what else comes this way: it had better go another. */
  get #isHeldUp(): boolean {
    return (
      this.heldBytes * 2 > this.limits.connectionWindow || (this.sendWindow <= 0 && this.waiting.forWindow.size > 0)
    );
  }

  protected get lastPeerStream(): number {
    return 0;
  }

  get isClient(): boolean {
    return true;
  }

  isIdle(streamId: number): boolean {
    return streamId >= this.#nextStream || (streamId & 1) === 0;
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    this.reader.read(buffer, start, end);
    this.endRead();
  }

  begin(receiver: ResponseReceiver): UpstreamStream {
    this.timers.cancel(this.#idleWait);
    this.exchanges += 1;
    const id = this.#nextStream;
    this.#nextStream += 2;
    const stream = new H2ClientStream(id, this, receiver);
    this.streams.set(id, stream);
    const { maxRequests } = this.#options;
    if ((maxRequests > 0 && this.exchanges >= maxRequests) || this.#nextStream >= MAX_STREAM_ID) this.#exhaust();
    return stream;
  }

  #exhaust(): void {
    if (this.#exhausted) return;
    this.#exhausted = true;
    this.#keeper.onExhausted(this);
  }

  rest(): void {
    const { idleTimeoutMs } = this.#options;
    if (idleTimeoutMs > 0 && this.streams.size === 0) this.timers.arm(this.#idleWait, idleTimeoutMs);
  }

  retire(): void {
    this.#exhausted = true;
    if (this.streams.size === 0) this.#leave();
  }

  destroy(): void {
    this.#silent = true;
    this.lose('the connection was ended');
  }

  /** @param protocol of an extended CONNECT; empty for other requests. */
  writeRequest(streamId: number, head: HeadView, end: boolean, protocol: string): void {
    const { known, headers } = this;
    headers.begin();
    const mine = head instanceof H2Head ? head : undefined;
    const method =
      protocol === ''
        ? (mine?.method ?? this.#pseudo(':method', head.get(':method') ?? 'GET'))
        : this.#pseudo(':method', 'CONNECT');
    headers.put(method);
    if (protocol !== '') headers.put(this.#pseudo(':protocol', protocol));
    // RFC 9113 §8.5: a CONNECT of its own has neither scheme nor path.
    const bare = protocol === '' && method.value === 'CONNECT';
    if (!bare) headers.put(this.#pseudo(':scheme', this.#options.secure ? 'https' : 'http'));
    if (!this.carried) headers.put(this.#authority(head));
    if (!bare) headers.put(mine?.path ?? this.#pseudo(':path', head.get(':path') ?? '/'));
    if (this.carried) eachLine(known, head, headers.put);
    else eachField(known, head, protocol === '' ? headers.put : this.#putUnlessHandshake);
    headers.end(streamId, end);
  }
  /** RFC 8441 §5: the handshake's proof has no place in HTTP/2. */
  readonly #putUnlessHandshake = (field: Field): void => {
    if (field.name.text !== 'sec-websocket-key') this.headers.put(field);
  };

  #authority(head: HeadView): Field {
    const field = head instanceof H2Head ? head.authority : undefined;
    return field?.name.pseudo === PSEUDO.authority ? field : this.#pseudo(':authority', head.get(':authority') ?? '');
  }

  #pseudo(name: string, value: string): Field {
    return this.known.field(this.known.name(name), value);
  }

  onHeaders(streamId: number, fields: readonly Field[], result: DecodeResult, endStream: boolean): void {
    const stream = this.streams.get(streamId);
    if (!(stream instanceof H2ClientStream)) {
      if (this.isIdle(streamId)) this.fail(CODE.protocolError, 'HEADERS nobody asked for', 'framing_error');
      else if (!this.guard.spend(CONTROL.closedStream))
        this.fail(CODE.enhanceYourCalm, 'closed_stream_flood', 'closed_stream_flood');
      return;
    }
    if (stream.remoteEnded)
      return this.failStream(stream, CODE.streamClosed, 'HEADERS behind the end of the stream', 'rx_messaging_error');
    const trailers = stream.headSeen;
    const checked = (trailers ? trailersHead : responseHead)(this.known, fields, this.carried);
    let wrong = checked.malformed;
    if (result === 'too-large') wrong = 'the response head is too large';
    else if (trailers && !endStream) wrong = 'trailers that do not end the response';
    if (wrong === '' && !trailers)
      wrong = stream.takeHead(Number(checked.head.status?.value), checked.head, checked.contentLength, endStream);
    if (wrong !== '') return this.failStream(stream, CODE.protocolError, `response: ${wrong}`, 'rx_messaging_error');
    if (trailers) stream.receiveTrailers(checked.head);
  }

  override onPeerSettings(): void {
    if (this.capacity > 0) this.#keeper.onReusable(this);
  }

  onGoaway(lastStreamId: number, code: ErrorCode, detail: string): void {
    this.#exhaust();
    const text = `GOAWAY ${codeName(code)}${detail === '' ? '' : ` ${detail}`}`;
    for (const stream of Array.from(this.streams.values())) {
      if (stream.id <= lastStreamId || stream.closed) continue;
      this.close(stream, true);
      if (stream instanceof H2ClientStream) stream.refuse(text);
    }
    if (this.streams.size === 0) this.#leave();
  }

  protected onStreamClosed(): void {
    if (this.stopped) return;
    if (this.#exhausted) {
      if (this.streams.size === 0) this.#leave();
    } else if (this.capacity > 0) this.#keeper.onReusable(this);
  }

  /** Nothing is in flight and nothing will be. */
  #leave(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.sayGoaway(0, CODE.noError, '');
    this.finish();
  }

  protected finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#exhaust();
    this.output.end();
    this.timers.arm(this.#lingerWait, LINGER_MS);
  }

  override lose(detail: string): void {
    if (this.gone) return;
    this.timers.cancel(this.#idleWait);
    this.timers.cancel(this.#lingerWait);
    this.timers.cancel(this.#ageWait);
    // First of all: who is told of a failure may want another connection at once.
    this.stopped = true;
    this.#exhausted = true;
    this.#keeper.onClosed(this);
    super.lose(detail);
  }

  protected override cutStreams(tell: (stream: H2Stream) => void): void {
    super.cutStreams(this.#silent ? () => {} : tell);
  }

  onDeadline(kind: number): void {
    if (this.gone) return;
    if (kind === IDLE) {
      if (this.streams.size === 0) this.retire();
    } else if (kind === AGE) {
      this.#exhaust();
      if (this.streams.size === 0) this.#leave();
    } else this.lose('the connection was ended');
  }
}
