import type { Socket } from 'node:net';
import type { BufferPool } from '../../sockets/buffer-pool.ts';
import type { TimerQueue } from '../../timers/timer-queue.ts';
import type { ByteBuilder } from '../frames/byte-builder.ts';
import {
  CODE,
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW,
  type ErrorCode,
  FLAG,
  FRAME,
  SETTING,
} from '../frames/constants.ts';
import { FrameOutput, type OutputOwner } from '../frames/frame-output.ts';
import { FrameReader, type FrameSink } from '../frames/frame-reader.ts';
import { writeGoaway, writePing, writeReset, writeSettings, writeWindowUpdate } from '../frames/frame-writer.ts';
import type { WriteTurn } from '../frames/write-turn.ts';
import type { DecodeResult } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import type { FieldTable } from '../hpack/field-table.ts';
import { ClosedStreams } from './closed-streams.ts';
import { type ControlledLink, ControlFrames } from './control-frames.ts';
import type { H2Counter, H2Counters } from './counters.ts';
import { CONTROL, FloodGuard } from './flood-guard.ts';
import type { H2Stream } from './h2-stream.ts';
import { HeaderReader, type HeaderTarget } from './header-reader.ts';
import { HeaderWriter, type HeaderWriterOwner } from './header-writer.ts';
import { Liveness, type LivenessOwner } from './liveness.ts';
import type { H2Limits } from './options.ts';
import { PeerSettings } from './peer-settings.ts';
import { ReceiveWindow } from './receive-window.ts';
import { WaitingStreams } from './waiting-streams.ts';

/** What all HTTP/2 connections of a process share. */
export interface H2Shared {
  readonly known: FieldTable;
  readonly turn: WriteTurn;
  /** For bytes that wait. */
  readonly buffers: BufferPool;
  readonly timers: TimerQueue;
}

// A peer that does not read gets no more answers than this.
const STOP_READING_BYTES = 1024 * 1024;
const PING_BYTES = Buffer.from('weftping', 'latin1');

/** The rules of RFC 9113 that hold for both sides: streams, the order of frames, windows, and the end of it all. */
export abstract class H2Connection
  implements ControlledLink, HeaderTarget, HeaderWriterOwner, LivenessOwner, FrameSink, OutputOwner
{
  readonly socket: Socket;
  readonly known: FieldTable;
  readonly buffers: BufferPool;
  readonly timers: TimerQueue;
  readonly limits: H2Limits;
  /** Heads are those of HTTP/1.1 (carried.ts). */
  readonly carried: boolean;
  readonly counters: H2Counters;
  readonly output: FrameOutput;
  readonly guard: FloodGuard;
  readonly peer = new PeerSettings();
  readonly headers: HeaderWriter;
  readonly streams = new Map<number, H2Stream>();
  readonly waiting = new WaitingStreams<H2Stream>();
  sendWindow = DEFAULT_WINDOW;
  /** Received data of streams that are paused; it takes room of the window that all share. */
  heldBytes = 0;
  /** Nothing more is read: the connection has failed, or is gone. */
  stopped = false;

  protected readonly reader: FrameReader;
  protected readonly closedStreams = new ClosedStreams();
  protected gone = false;
  readonly #control = new ControlFrames(this);
  readonly #headerReader: HeaderReader;
  readonly #window: ReceiveWindow;
  readonly #liveness = new Liveness(this);
  #touched: H2Stream[] = [];

  constructor(socket: Socket, shared: H2Shared, limits: H2Limits, carried: boolean, counters: H2Counters) {
    this.socket = socket;
    this.known = shared.known;
    this.buffers = shared.buffers;
    this.timers = shared.timers;
    this.limits = limits;
    this.carried = carried;
    this.counters = counters;
    this.output = new FrameOutput(socket, shared.turn, this, limits.outputBytes);
    this.guard = new FloodGuard(limits, () => shared.timers.now());
    this.reader = new FrameReader(this, limits.maxFrame);
    this.headers = new HeaderWriter(this);
    this.#headerReader = new HeaderReader(this, shared.known);
    this.#window = new ReceiveWindow(limits.connectionWindow);
  }

  // What the two sides do differently.

  abstract onHeaders(
    streamId: number,
    fields: readonly Field[],
    result: DecodeResult,
    endStream: boolean,
    selfDependent: boolean,
  ): void;
  abstract isIdle(streamId: number): boolean;
  abstract onGoaway(lastStreamId: number, code: ErrorCode, detail: string): void;
  abstract readonly isClient: boolean;
  /** The highest stream of the peer's that was taken. */
  protected abstract readonly lastPeerStream: number;
  /** After a stream was closed. */
  protected abstract onStreamClosed(): void;
  /** Sends what is written, then ends. */
  protected abstract finish(): void;
  onPeerSettings(): void {}
  onBlockOpen(_open: boolean): void {}
  onStreamCut(_stream: H2Stream): void {}
  /** The connection ends since the peer does harm. */
  protected onFlood(): void {}

  /** The first frames of this side. */
  protected start(settings: readonly (readonly [id: number, value: number])[]): void {
    const { builder } = this.output;
    writeSettings(builder, [
      ...settings,
      [SETTING.initialWindowSize, this.limits.streamWindow],
      [SETTING.maxHeaderListSize, this.limits.head.maxBytes],
      ...(this.limits.maxFrame > DEFAULT_FRAME_BYTES ? [[SETTING.maxFrameSize, this.limits.maxFrame] as const] : []),
    ]);
    const { firstCredit } = this.#window;
    if (firstCredit > 0) writeWindowUpdate(builder, 0, firstCredit);
    this.#liveness.start();
  }

  // Reading.

  get blockReceived(): number {
    return this.#headerReader.received;
  }

  protected get settingsSeen(): boolean {
    return this.#control.settingsSeen;
  }

  touch(stream: H2Stream): void {
    if (stream.touched) return;
    stream.touched = true;
    this.#touched.push(stream);
  }

  /** Everything of one read was handed to the reader. */
  protected endRead(): void {
    this.#liveness.onBytes();
    const touched = this.#touched;
    if (touched.length > 0) {
      this.#touched = [];
      for (const stream of touched) {
        stream.touched = false;
        if (!stream.closed && !stream.remoteEnded) stream.onPause();
      }
    }
    if (this.#window.low) this.#sayCredit();
    if (this.output.queued > STOP_READING_BYTES && !this.isClient && !this.stopped && this.output.congested) {
      this.socket.pause();
      this.#liveness.onStalled();
    }
  }

  onFrame(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    const { openStream } = this.#headerReader;
    if (openStream !== 0 && (type !== FRAME.continuation || streamId !== openStream)) return this.#onInterrupted();
    if (!this.#control.settingsSeen && (type !== FRAME.settings || (flags & FLAG.ack) !== 0)) return this.#onTooEarly();
    if (type === FRAME.headers) this.#headerReader.onHeadersFrame(flags, streamId, buffer, start, end);
    else if (type === FRAME.continuation) this.#headerReader.onContinuation(flags, buffer, start, end);
    else this.#control.onFrame(type, flags, streamId, buffer, start, end);
  }

  #onInterrupted(): void {
    this.fail(CODE.protocolError, 'a header block was interrupted', 'framing_error');
  }

  #onTooEarly(): void {
    this.fail(CODE.protocolError, 'SETTINGS must come first', 'framing_error');
  }

  onFramingError(code: ErrorCode, detail: string): void {
    this.fail(code, detail, 'framing_error');
  }

  onData(streamId: number, buffer: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    if (this.#headerReader.openStream !== 0) return this.#onInterrupted();
    if (!this.#control.settingsSeen) return this.#onTooEarly();
    if (!this.#window.charge(flowBytes))
      return this.fail(CODE.flowControlError, 'more data than the window allows', 'flow_control_error');
    if (!this.guard.data(start === end && !endStream)) return this.flood('empty_frames_flood');
    const stream = this.streams.get(streamId);
    if (stream !== undefined && !stream.remoteEnded) {
      this.guard.worked();
      stream.receive(buffer, start, end, flowBytes, endStream);
      return;
    }
    if (streamId === 0 || this.isIdle(streamId))
      return this.fail(CODE.protocolError, 'DATA on a stream that is not open', 'framing_error');
    this.credit(flowBytes);
    if (stream !== undefined)
      return this.failStream(stream, CODE.streamClosed, 'DATA behind the end of the stream', 'rx_messaging_error');
    // A frame counts once, in however many pieces it comes.
    if (!this.reader.continued) this.#onClosedStream(streamId);
  }

  /** Frames for a stream we cut off may still come for a while; for others they are an error. */
  #onClosedStream(streamId: number): void {
    if (!this.guard.spend(CONTROL.closedStream)) return this.flood('closed_stream_flood');
    if (!this.closedStreams.wasCutByUs(streamId)) this.writeControlReset(streamId, CODE.streamClosed);
  }

  onPingAck(): void {
    this.#liveness.onPingAck();
  }

  /** Bytes of data were used or dropped. */
  credit(length: number): void {
    if (this.#window.use(length)) this.#sayCredit();
  }

  #sayCredit(): void {
    if (!this.gone) writeWindowUpdate(this.output.builder, 0, this.#window.takeCredit());
  }

  // Writing.

  get blockSent(): number {
    return this.headers.written;
  }

  /** Where an answer to the peer or a management frame goes; too many that nobody reads end the connection. */
  answer(): ByteBuilder {
    const { output } = this;
    output.controlFrames += 1;
    if (output.controlFrames > this.limits.maxQueuedControlFrames && !this.stopped)
      this.flood('outbound_control_flood');
    return output.builder;
  }

  writeFields(streamId: number, fields: readonly Field[], endStream: boolean): void {
    this.headers.write(streamId, fields, endStream);
  }

  writeControlReset(streamId: number, code: ErrorCode): void {
    this.counters.count('tx_reset');
    writeReset(this.answer(), streamId, code);
  }

  ping(): void {
    writePing(this.output.builder, false, PING_BYTES, 0);
  }

  onOutputWritable(): void {
    if (this.gone) return;
    this.waiting.onOutputWritable();
    if (this.stopped || !this.socket.isPaused() || this.output.queued > STOP_READING_BYTES) return;
    this.#liveness.onUnstalled();
    this.socket.resume();
  }

  // Ends.

  /** Lets go of a stream, whose owner is told by the caller. */
  close(stream: H2Stream, cutByUs: boolean): void {
    if (stream.closed) return;
    this.streams.delete(stream.id);
    this.waiting.delete(stream);
    this.closedStreams.add(stream.id, cutByUs);
    stream.letGo();
    this.onStreamClosed();
  }

  /** RST_STREAM, and the stream is closed; its owner is told by the caller. */
  reset(stream: H2Stream, code: ErrorCode): void {
    if (stream.closed) return;
    this.writeControlReset(stream.id, code);
    this.close(stream, true);
  }

  /** The peer broke a rule that concerns one stream. */
  failStream(stream: H2Stream, code: ErrorCode, detail: string, counter: H2Counter): void {
    this.counters.count(counter);
    this.reset(stream, code);
    stream.onFault(detail);
    this.onStreamCut(stream);
  }

  flood(counter: H2Counter): void {
    if (!this.stopped) this.onFlood();
    this.fail(CODE.enhanceYourCalm, counter, counter);
  }

  /** The peer broke a rule that concerns the connection: says so and ends it. */
  fail(code: ErrorCode, detail: string, counter: H2Counter): void {
    if (this.stopped) return;
    this.stopped = true;
    this.counters.count(counter);
    this.sayGoaway(this.lastPeerStream, code, detail);
    this.cutStreams((stream) => stream.onFault(detail));
    this.finish();
  }

  protected sayGoaway(lastStreamId: number, code: ErrorCode, detail: string): void {
    this.counters.count('goaway_sent');
    writeGoaway(this.output.builder, lastStreamId, code, detail);
  }

  protected cutStreams(tell: (stream: H2Stream) => void): void {
    for (const stream of Array.from(this.streams.values())) {
      if (stream.closed) continue;
      this.close(stream, true);
      tell(stream);
    }
  }

  /** Nobody is there: no use in saying goodbye. */
  lose(detail: string): void {
    if (this.gone) return;
    this.gone = true;
    this.stopped = true;
    this.#liveness.close();
    this.output.discard();
    this.cutStreams((stream) => stream.onCut(-1, detail));
    this.socket.destroy();
  }
}
