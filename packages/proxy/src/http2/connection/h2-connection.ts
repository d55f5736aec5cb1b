import type { Socket } from 'node:net';
import type { BufferPool } from '../../sockets/buffer-pool.ts';
import { Deadline, type DeadlineOwner, type TimerQueue } from '../../timers/timer-queue.ts';
import {
  CODE,
  codeName,
  DEFAULT_WINDOW,
  type ErrorCode,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  MAX_WINDOW,
  SETTING,
} from '../frames/constants.ts';
import { FrameOutput, type OutputOwner } from '../frames/frame-output.ts';
import { FrameReader, type FrameSink } from '../frames/frame-reader.ts';
import {
  finishHeaders,
  writeGoaway,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from '../frames/frame-writer.ts';
import type { WriteTurn } from '../frames/write-turn.ts';
import { type DecodeResult, HpackDecoder } from '../hpack/decoder.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import type { Field } from '../hpack/field.ts';
import type { FieldTable } from '../hpack/field-table.ts';
import { ClosedStreams } from './closed-streams.ts';
import type { H2Counter, H2Counters } from './counters.ts';
import { CONTROL, FloodGuard } from './flood-guard.ts';
import type { H2Stream } from './h2-stream.ts';
import { HeaderBlock } from './header-block.ts';
import type { H2Limits } from './options.ts';
import { PeerSettings } from './peer-settings.ts';
import type { StreamLink } from './stream-link.ts';

/** What all HTTP/2 connections of a process share. */
export interface H2Shared {
  readonly known: FieldTable;
  readonly turn: WriteTurn;
  /** For bytes that wait. */
  readonly buffers: BufferPool;
  readonly timers: TimerQueue;
}

export const DEADLINE = {
  idle: 0,
  headers: 1,
  keepalive: 2,
  keepaliveAck: 3,
  linger: 4,
  drain: 5,
  age: 6,
  stall: 7,
} as const;

const HEADER_TABLE_BYTES = 4096;
const MAX_SETTINGS_PER_FRAME = 64;
// A peer that does not read gets no more answers than this.
const STOP_READING_BYTES = 1024 * 1024;

/** The rules of RFC 9113 that hold for both sides: frames, windows, states of streams, and the end of it all. */
export abstract class H2Connection implements StreamLink<H2Stream>, FrameSink, OutputOwner, DeadlineOwner {
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
  readonly streams = new Map<number, H2Stream>();
  /** Streams with bytes that wait for a window. */
  readonly blocked = new Set<H2Stream>();
  /** Streams that were told to wait until the output has room. */
  readonly waiting = new Set<H2Stream>();
  sendWindow = DEFAULT_WINDOW;
  /** Received data of streams that are paused; it takes room of the window that all share. */
  heldBytes = 0;
  blockReceived = 0;
  blockSent = 0;
  /** Nothing more is read: the connection has failed, or is gone. */
  stopped = false;

  protected readonly reader = new FrameReader(this);
  protected readonly closedStreams = new ClosedStreams();
  protected settingsSeen = false;
  protected gone = false;
  readonly #decoder: HpackDecoder;
  readonly #encoder = new HpackEncoder();
  readonly #block = new HeaderBlock();
  readonly #keepalive: Deadline;
  readonly #keepaliveAck: Deadline;
  readonly #stall: Deadline;
  #receiveWindow: number;
  #uncredited = 0;
  #touched: H2Stream[] = [];
  /** Something has come since the keepalive looked last. */
  #heard = false;

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
    this.#decoder = new HpackDecoder(shared.known, HEADER_TABLE_BYTES, limits.head);
    this.#receiveWindow = limits.connectionWindow;
    this.#keepalive = new Deadline(this, DEADLINE.keepalive);
    this.#keepaliveAck = new Deadline(this, DEADLINE.keepaliveAck);
    this.#stall = new Deadline(this, DEADLINE.stall);
  }

  // What the two sides do differently.

  /** A HEADERS block that is complete; the fields are in `fields` as far as the limits allow. */
  protected abstract onHeaders(
    streamId: number,
    fields: readonly Field[],
    result: DecodeResult,
    endStream: boolean,
    selfDependent: boolean,
  ): void;
  /** True for streams that could still be opened, so that nothing may be said about them. */
  protected abstract isIdle(streamId: number): boolean;
  protected abstract onGoaway(lastStreamId: number, code: ErrorCode, detail: string): void;
  /** The highest stream of the peer's that was taken. */
  protected abstract readonly lastPeerStream: number;
  protected abstract readonly isClient: boolean;
  protected onPeerSettings(): void {}
  protected onPingAck(): void {}
  /** A header block began that is not complete, or was completed. */
  protected onBlockOpen(_open: boolean): void {}
  /** After a stream was closed. */
  protected abstract onStreamClosed(): void;

  /** The first frames of this side. */
  protected start(settings: readonly (readonly [id: number, value: number])[]): void {
    const { limits } = this;
    const { builder } = this.output;
    writeSettings(builder, [
      ...settings,
      [SETTING.initialWindowSize, limits.streamWindow],
      [SETTING.maxHeaderListSize, limits.head.maxBytes],
    ]);
    if (limits.connectionWindow > DEFAULT_WINDOW)
      writeWindowUpdate(builder, 0, limits.connectionWindow - DEFAULT_WINDOW);
    else this.#receiveWindow = DEFAULT_WINDOW;
    this.#armKeepalive();
  }

  /** Everything of one read was handed to the reader. */
  protected endRead(): void {
    this.#heard = true;
    const touched = this.#touched;
    if (touched.length > 0) {
      this.#touched = [];
      for (const stream of touched) {
        stream.touched = false;
        if (!stream.closed && !stream.remoteEnded) stream.onPause();
      }
    }
    // What paused streams hold must not keep the others from the rest of the window.
    if (this.#uncredited > 0 && this.#receiveWindow * 4 < this.limits.connectionWindow) this.#sayCredit();
    if (this.output.queued > STOP_READING_BYTES && !this.isClient && !this.stopped && this.output.congested) {
      this.socket.pause();
      if (this.#stall.list === undefined) this.timers.arm(this.#stall, this.limits.stallMs);
    }
  }

  touch(stream: H2Stream): void {
    if (stream.touched) return;
    stream.touched = true;
    this.#touched.push(stream);
  }

  // Frames.

  onFrame(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block.streamId !== 0 && (type !== FRAME.continuation || streamId !== block.streamId))
      return this.fail(CODE.protocolError, 'a header block was interrupted', 'framing_error');
    if (!this.settingsSeen && (type !== FRAME.settings || (flags & FLAG.ack) !== 0))
      return this.fail(CODE.protocolError, 'SETTINGS must come first', 'framing_error');
    switch (type) {
      case FRAME.headers:
        return this.#onHeadersFrame(flags, streamId, buffer, start, end);
      case FRAME.continuation:
        return this.#onContinuation(flags, buffer, start, end);
      case FRAME.windowUpdate:
        return this.#onWindowUpdate(streamId, buffer, start, end);
      case FRAME.settings:
        return this.#onSettings(flags, streamId, buffer, start, end);
      case FRAME.ping:
        return this.#onPing(flags, streamId, buffer, start, end);
      case FRAME.rstStream:
        return this.#onReset(streamId, buffer, start, end);
      case FRAME.priority:
        return this.#onPriority(streamId, buffer, start, end);
      case FRAME.goaway:
        if (streamId !== 0 || end - start < 8)
          return this.fail(
            streamId === 0 ? CODE.frameSizeError : CODE.protocolError,
            'GOAWAY is not valid',
            'framing_error',
          );
        return this.onGoaway(
          buffer.readUInt32BE(start) & MAX_WINDOW,
          buffer.readUInt32BE(start + 4),
          buffer.toString('latin1', start + 8, Math.min(end, start + 136)),
        );
      case FRAME.pushPromise:
        return this.fail(CODE.protocolError, 'PUSH_PROMISE is not allowed', 'framing_error');
      default:
        // RFC 9113 §5.5: unknown types are ignored, but are not free.
        if (!this.guard.spend(CONTROL.closedStream)) this.flood('closed_stream_flood');
    }
  }

  onFramingError(code: ErrorCode, detail: string): void {
    this.fail(code, detail, 'framing_error');
  }

  onData(streamId: number, buffer: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    if (this.#block.streamId !== 0)
      return this.fail(CODE.protocolError, 'a header block was interrupted', 'framing_error');
    if (!this.settingsSeen) return this.fail(CODE.protocolError, 'SETTINGS must come first', 'framing_error');
    this.#receiveWindow -= flowBytes;
    if (this.#receiveWindow < 0)
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

  #onHeadersFrame(flags: number, streamId: number, buffer: Buffer, payload: number, payloadEnd: number): void {
    let start = payload;
    let end = payloadEnd;
    if (streamId === 0) return this.fail(CODE.protocolError, 'HEADERS on stream 0', 'framing_error');
    if ((flags & FLAG.padded) !== 0) {
      if (start >= end) return this.fail(CODE.frameSizeError, 'HEADERS: no pad length', 'framing_error');
      end -= buffer[start] as number;
      start += 1;
    }
    let selfDependent = false;
    if ((flags & FLAG.priority) !== 0) {
      if (payloadEnd - start < 5) return this.fail(CODE.frameSizeError, 'HEADERS: priority is cut', 'framing_error');
      selfDependent = (buffer.readUInt32BE(start) & MAX_WINDOW) === streamId;
      start += 5;
    }
    if (start > end) return this.fail(CODE.protocolError, 'HEADERS: more padding than payload', 'framing_error');
    const endStream = (flags & FLAG.endStream) !== 0;
    if ((flags & FLAG.endHeaders) !== 0) {
      this.blockReceived = payloadEnd - payload + FRAME_HEADER_BYTES;
      this.#decode(streamId, buffer, start, end, endStream, selfDependent);
      return;
    }
    this.#block.open(streamId, endStream, selfDependent);
    this.#block.append(buffer, start, end);
    this.onBlockOpen(true);
  }

  #onContinuation(flags: number, buffer: Buffer, start: number, end: number): void {
    const block = this.#block;
    if (block.streamId === 0) return this.fail(CODE.protocolError, 'CONTINUATION without HEADERS', 'framing_error');
    block.continuations += 1;
    if (block.continuations > this.limits.maxContinuations) return this.flood('continuation_flood');
    if (block.length + (end - start) > this.limits.head.maxBytes) return this.flood('header_overflow');
    block.append(buffer, start, end);
    if ((flags & FLAG.endHeaders) === 0) return;
    const { streamId, bytes, length, endStream, selfDependent } = block;
    this.blockReceived = length + (1 + block.continuations) * FRAME_HEADER_BYTES;
    block.close();
    this.onBlockOpen(false);
    this.#decode(streamId, bytes, 0, length, endStream, selfDependent);
  }

  #decode(
    streamId: number,
    buffer: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    selfDependent: boolean,
  ): void {
    const result = this.#decoder.decode(buffer, start, end);
    if (result === 'invalid')
      return this.fail(CODE.compressionError, 'a header block can not be decoded', 'compression_error');
    if (result === 'too-large') this.counters.count('header_overflow');
    this.guard.worked();
    this.onHeaders(streamId, this.#decoder.fields, result, endStream, selfDependent);
  }

  #onSettings(flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    const length = end - start;
    if (streamId !== 0) return this.fail(CODE.protocolError, 'SETTINGS on a stream', 'framing_error');
    if (length % 6 !== 0 || ((flags & FLAG.ack) !== 0 && length > 0))
      return this.fail(CODE.frameSizeError, 'SETTINGS of a wrong size', 'framing_error');
    if (!this.guard.spend(CONTROL.settings) || length > MAX_SETTINGS_PER_FRAME * 6) return this.flood('settings_flood');
    if ((flags & FLAG.ack) !== 0) return;
    const former = this.peer.initialWindow;
    const failure = this.peer.read(buffer, start, end, this.isClient);
    if (failure !== undefined) return this.fail(failure.code, failure.detail, 'framing_error');
    this.settingsSeen = true;
    this.#encoder.allowTable(this.peer.headerTableSize);
    writeSettingsAck(this.#control());
    const grown = this.peer.initialWindow - former;
    if (grown !== 0) {
      for (const stream of this.streams.values()) {
        stream.sendWindow += grown;
        if (stream.sendWindow > MAX_WINDOW)
          return this.fail(CODE.flowControlError, 'SETTINGS: a window grows too large', 'flow_control_error');
      }
      if (grown > 0) this.#release();
    }
    this.onPeerSettings();
  }

  #onPing(flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    if (streamId !== 0) return this.fail(CODE.protocolError, 'PING on a stream', 'framing_error');
    if (end - start !== 8) return this.fail(CODE.frameSizeError, 'PING of a wrong size', 'framing_error');
    if (!this.guard.spend(CONTROL.ping)) return this.flood('ping_flood');
    if ((flags & FLAG.ack) === 0) {
      writePing(this.#control(), true, buffer, start);
      return;
    }
    this.timers.cancel(this.#keepaliveAck);
    this.onPingAck();
  }

  #onReset(streamId: number, buffer: Buffer, start: number, end: number): void {
    if (streamId === 0 || this.isIdle(streamId))
      return this.fail(CODE.protocolError, 'RST_STREAM on a stream that is not open', 'framing_error');
    if (end - start !== 4) return this.fail(CODE.frameSizeError, 'RST_STREAM of a wrong size', 'framing_error');
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (!this.guard.spend(CONTROL.closedStream)) this.flood('closed_stream_flood');
      return;
    }
    const code = buffer.readUInt32BE(start);
    this.counters.count('rx_reset');
    this.close(stream, false);
    stream.onCut(code, codeName(code));
    this.onStreamCut(stream);
  }

  /** The peer cut off a stream, or made us do so. */
  protected onStreamCut(_stream: H2Stream): void {}

  protected prematureFlood(): void {
    this.flood('premature_reset_flood');
  }

  #onPriority(streamId: number, buffer: Buffer, start: number, end: number): void {
    if (streamId === 0) return this.fail(CODE.protocolError, 'PRIORITY on stream 0', 'framing_error');
    if (!this.guard.spend(CONTROL.priority)) return this.flood('priority_flood');
    const wrongSize = end - start !== 5;
    if (!wrongSize && (buffer.readUInt32BE(start) & MAX_WINDOW) !== streamId) return;
    const code = wrongSize ? CODE.frameSizeError : CODE.protocolError;
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.fail(code, 'PRIORITY is not valid', 'framing_error');
    else this.failStream(stream, code, 'PRIORITY is not valid', 'rx_messaging_error');
  }

  #onWindowUpdate(streamId: number, buffer: Buffer, start: number, end: number): void {
    if (end - start !== 4) return this.fail(CODE.frameSizeError, 'WINDOW_UPDATE of a wrong size', 'framing_error');
    if (!this.guard.spend(CONTROL.windowUpdate)) return this.flood('window_update_flood');
    const increment = buffer.readUInt32BE(start) & MAX_WINDOW;
    if (streamId === 0) {
      this.sendWindow += increment;
      if (increment === 0) return this.fail(CODE.protocolError, 'WINDOW_UPDATE of nothing', 'framing_error');
      if (this.sendWindow > MAX_WINDOW)
        return this.fail(CODE.flowControlError, 'the window grows too large', 'flow_control_error');
      this.#release();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId))
        this.fail(CODE.protocolError, 'WINDOW_UPDATE on a stream that is not open', 'framing_error');
      return;
    }
    stream.sendWindow += increment;
    if (increment === 0)
      return this.failStream(stream, CODE.protocolError, 'WINDOW_UPDATE of nothing', 'rx_messaging_error');
    if (stream.sendWindow > MAX_WINDOW)
      return this.failStream(stream, CODE.flowControlError, 'the window grows too large', 'flow_control_error');
    if (stream.blocked && stream.release()) {
      this.blocked.delete(stream);
      this.#tellWritable(stream);
    }
  }

  /** A window grew: those that wait are served in turn, first come first. */
  #release(): void {
    for (const stream of Array.from(this.blocked)) {
      if (this.sendWindow <= 0) return;
      this.blocked.delete(stream);
      if (stream.release()) this.#tellWritable(stream);
      else this.blocked.add(stream);
    }
  }

  #tellWritable(stream: H2Stream): void {
    if (!stream.waitsWritable || stream.closed || stream.congested) return;
    stream.waitsWritable = false;
    this.waiting.delete(stream);
    stream.onWritable();
  }

  onOutputWritable(): void {
    if (this.gone) return;
    for (const stream of Array.from(this.waiting)) this.#tellWritable(stream);
    if (this.stopped || !this.socket.isPaused() || this.output.queued > STOP_READING_BYTES) return;
    this.timers.cancel(this.#stall);
    this.socket.resume();
  }

  // Writing.

  /** Where an answer to the peer or a management frame goes; too many that nobody reads end the connection. */
  #control() {
    const { output } = this;
    output.controlFrames += 1;
    if (output.controlFrames > this.limits.maxQueuedControlFrames && !this.stopped)
      this.flood('outbound_control_flood');
    return output.builder;
  }

  /** Begins a header block; fields go through `encoder`, then `endBlock`. @returns where the frame starts. */
  protected beginBlock(): number {
    const { builder } = this.output;
    const at = builder.reserve(FRAME_HEADER_BYTES);
    builder.length = at + FRAME_HEADER_BYTES;
    this.#encoder.begin(builder);
    return at;
  }

  protected putField(field: Field): void {
    this.#encoder.write(this.output.builder, field);
  }

  protected endBlock(frameStart: number, streamId: number, endStream: boolean): void {
    const { builder } = this.output;
    finishHeaders(builder, frameStart, streamId, endStream, this.peer.maxFrame);
    this.blockSent = builder.length - frameStart;
    this.guard.worked();
    this.output.frames += 1;
    if (this.output.frames > this.limits.maxQueuedFrames && !this.stopped) this.flood('outbound_flood');
  }

  writeFields(streamId: number, fields: readonly Field[], endStream: boolean): void {
    const at = this.beginBlock();
    for (const field of fields) this.putField(field);
    this.endBlock(at, streamId, endStream);
  }

  writeControlReset(streamId: number, code: ErrorCode): void {
    this.counters.count('tx_reset');
    writeReset(this.#control(), streamId, code);
  }

  /** Bytes of data were used or dropped. */
  credit(length: number): void {
    this.#uncredited += length;
    if (this.#uncredited * 2 >= this.limits.connectionWindow) this.#sayCredit();
  }

  #sayCredit(): void {
    if (this.gone) return;
    writeWindowUpdate(this.output.builder, 0, this.#uncredited);
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  // Ends.

  /** Lets go of a stream, whose owner is told by the caller. */
  close(stream: H2Stream, cutByUs: boolean): void {
    if (stream.closed) return;
    this.streams.delete(stream.id);
    this.blocked.delete(stream);
    this.waiting.delete(stream);
    this.closedStreams.add(stream.id, cutByUs);
    stream.letGo();
    this.onStreamClosed();
  }

  /** RST_STREAM, and the stream is closed; its owner is told by the caller. */
  reset(stream: H2Stream, code: ErrorCode): void {
    if (stream.closed) return;
    this.counters.count('tx_reset');
    writeReset(this.#control(), stream.id, code);
    this.close(stream, true);
  }

  /** The peer broke a rule that concerns one stream. */
  failStream(stream: H2Stream, code: ErrorCode, detail: string, counter: H2Counter): void {
    this.counters.count(counter);
    this.reset(stream, code);
    stream.onFault(detail);
    this.onStreamCut(stream);
  }

  protected flood(counter: H2Counter): void {
    if (!this.stopped) this.onFlood();
    this.fail(CODE.enhanceYourCalm, counter, counter);
  }

  /** The connection ends since the peer does harm. */
  protected onFlood(): void {}

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

  /** Sends what is written, then ends. */
  protected abstract finish(): void;

  // PING of our own.

  #armKeepalive(): void {
    const { keepalive } = this.limits;
    if (keepalive !== undefined) this.timers.arm(this.#keepalive, keepalive.intervalMs);
  }

  protected ping(): void {
    writePing(this.output.builder, false, PING_BYTES, 0);
  }

  onDeadline(kind: number): void {
    if (this.gone) return;
    if (kind === DEADLINE.keepalive) {
      const { keepalive } = this.limits;
      if (keepalive === undefined || this.stopped) return;
      if (keepalive.whenSilent !== true || (!this.#heard && this.streams.size > 0)) {
        this.ping();
        this.timers.arm(this.#keepaliveAck, keepalive.timeoutMs);
      }
      this.#heard = false;
      this.#armKeepalive();
    } else if (kind === DEADLINE.keepaliveAck) {
      this.counters.count('keepalive_timeout');
      this.lose('keepalive timeout');
    } else if (kind === DEADLINE.stall) {
      this.counters.count('tx_flush_timeout');
      this.lose('the peer does not read');
    }
  }

  /** Nobody is there: no use in saying goodbye. */
  protected lose(detail: string): void {
    if (this.gone) return;
    this.gone = true;
    this.stopped = true;
    this.timers.cancel(this.#keepalive);
    this.timers.cancel(this.#keepaliveAck);
    this.timers.cancel(this.#stall);
    this.output.discard();
    this.cutStreams((stream) => stream.onCut(-1, detail));
    this.socket.destroy();
  }
}

const PING_BYTES = Buffer.from('weftping', 'latin1');
