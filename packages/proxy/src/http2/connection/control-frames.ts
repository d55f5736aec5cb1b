import type { ByteBuilder } from '../frames/byte-builder.ts';
import { CODE, codeName, type ErrorCode, FLAG, FRAME, MAX_WINDOW } from '../frames/constants.ts';
import { writePing, writeSettingsAck } from '../frames/frame-writer.ts';
import type { H2Counter, H2Counters } from './counters.ts';
import { CONTROL } from './flood-guard.ts';
import type { H2Stream } from './h2-stream.ts';
import type { HeaderWriter } from './header-writer.ts';
import type { StreamLink } from './stream-link.ts';

const MAX_SETTINGS_PER_FRAME = 64;
// Of what the peer says in a GOAWAY.
const MAX_DETAIL_BYTES = 128;

/** What control frames do to their connection. */
export interface ControlledLink extends StreamLink<H2Stream> {
  readonly counters: H2Counters;
  readonly headers: HeaderWriter;
  readonly streams: ReadonlyMap<number, H2Stream>;
  readonly isClient: boolean;
  /** True for streams that could still be opened, so that nothing may be said about them. */
  isIdle(streamId: number): boolean;
  /** Where an answer to the peer goes. */
  answer(): ByteBuilder;
  onPeerSettings(): void;
  onPingAck(): void;
  onGoaway(lastStreamId: number, code: ErrorCode, detail: string): void;
  /** The peer cut off a stream, which is closed already. */
  onStreamCut(stream: H2Stream): void;
  /** The peer broke a rule that concerns the connection. */
  fail(code: ErrorCode, detail: string, counter: H2Counter): void;
  /** The connection ends since the peer does harm. */
  flood(counter: H2Counter): void;
}

/** The frames that carry no message (RFC 9113 §6.3 to §6.9): what they must look like, and what follows from them. */
export class ControlFrames {
  readonly #link: ControlledLink;
  /** The peer's first SETTINGS have come. */
  settingsSeen = false;

  constructor(link: ControlledLink) {
    this.#link = link;
  }

  onFrame(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
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
        return this.#onGoaway(streamId, buffer, start, end);
      case FRAME.pushPromise:
        return this.#link.fail(CODE.protocolError, 'PUSH_PROMISE is not allowed', 'framing_error');
      default:
        // RFC 9113 §5.5: unknown types are ignored, but are not free.
        if (!this.#link.guard.spend(CONTROL.closedStream)) this.#link.flood('closed_stream_flood');
    }
  }

  #onWindowUpdate(streamId: number, buffer: Buffer, start: number, end: number): void {
    const link = this.#link;
    if (end - start !== 4) return link.fail(CODE.frameSizeError, 'WINDOW_UPDATE of a wrong size', 'framing_error');
    if (!link.guard.spend(CONTROL.windowUpdate)) return link.flood('window_update_flood');
    const increment = buffer.readUInt32BE(start) & MAX_WINDOW;
    if (streamId === 0) {
      link.sendWindow += increment;
      if (increment === 0) return link.fail(CODE.protocolError, 'WINDOW_UPDATE of nothing', 'framing_error');
      if (link.sendWindow > MAX_WINDOW)
        return link.fail(CODE.flowControlError, 'the window grows too large', 'flow_control_error');
      link.waiting.onWindow(link);
      return;
    }
    const stream = link.streams.get(streamId);
    if (stream === undefined) {
      if (link.isIdle(streamId))
        link.fail(CODE.protocolError, 'WINDOW_UPDATE on a stream that is not open', 'framing_error');
      return;
    }
    stream.sendWindow += increment;
    if (increment === 0)
      return link.failStream(stream, CODE.protocolError, 'WINDOW_UPDATE of nothing', 'rx_messaging_error');
    if (stream.sendWindow > MAX_WINDOW)
      return link.failStream(stream, CODE.flowControlError, 'the window grows too large', 'flow_control_error');
    if (stream.blocked) link.waiting.onStreamWindow(stream);
  }

  #onSettings(flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    const link = this.#link;
    const { peer } = link;
    const length = end - start;
    if (streamId !== 0) return link.fail(CODE.protocolError, 'SETTINGS on a stream', 'framing_error');
    if (length % 6 !== 0 || ((flags & FLAG.ack) !== 0 && length > 0))
      return link.fail(CODE.frameSizeError, 'SETTINGS of a wrong size', 'framing_error');
    if (!link.guard.spend(CONTROL.settings) || length > MAX_SETTINGS_PER_FRAME * 6) return link.flood('settings_flood');
    if ((flags & FLAG.ack) !== 0) return;
    const former = peer.initialWindow;
    const failure = peer.read(buffer, start, end, link.isClient);
    if (failure !== undefined) return link.fail(failure.code, failure.detail, 'framing_error');
    this.settingsSeen = true;
    link.headers.allowTable(peer.headerTableSize);
    writeSettingsAck(link.answer());
    const grown = peer.initialWindow - former;
    if (grown !== 0) {
      for (const stream of link.streams.values()) {
        stream.sendWindow += grown;
        if (stream.sendWindow > MAX_WINDOW)
          return link.fail(CODE.flowControlError, 'SETTINGS: a window grows too large', 'flow_control_error');
      }
      if (grown > 0) link.waiting.onWindow(link);
    }
    link.onPeerSettings();
  }

  #onPing(flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    const link = this.#link;
    if (streamId !== 0) return link.fail(CODE.protocolError, 'PING on a stream', 'framing_error');
    if (end - start !== 8) return link.fail(CODE.frameSizeError, 'PING of a wrong size', 'framing_error');
    if (!link.guard.spend(CONTROL.ping)) return link.flood('ping_flood');
    if ((flags & FLAG.ack) === 0) writePing(link.answer(), true, buffer, start);
    else link.onPingAck();
  }

  #onReset(streamId: number, buffer: Buffer, start: number, end: number): void {
    const link = this.#link;
    if (streamId === 0 || link.isIdle(streamId))
      return link.fail(CODE.protocolError, 'RST_STREAM on a stream that is not open', 'framing_error');
    if (end - start !== 4) return link.fail(CODE.frameSizeError, 'RST_STREAM of a wrong size', 'framing_error');
    const stream = link.streams.get(streamId);
    if (stream === undefined) {
      if (!link.guard.spend(CONTROL.closedStream)) link.flood('closed_stream_flood');
      return;
    }
    const code = buffer.readUInt32BE(start);
    link.counters.count('rx_reset');
    link.close(stream, false);
    stream.onCut(code, codeName(code));
    link.onStreamCut(stream);
  }

  #onPriority(streamId: number, buffer: Buffer, start: number, end: number): void {
    const link = this.#link;
    if (streamId === 0) return link.fail(CODE.protocolError, 'PRIORITY on stream 0', 'framing_error');
    if (!link.guard.spend(CONTROL.priority)) return link.flood('priority_flood');
    const wrongSize = end - start !== 5;
    if (!wrongSize && (buffer.readUInt32BE(start) & MAX_WINDOW) !== streamId) return;
    const code = wrongSize ? CODE.frameSizeError : CODE.protocolError;
    const stream = link.streams.get(streamId);
    if (stream === undefined) link.fail(code, 'PRIORITY is not valid', 'framing_error');
    else link.failStream(stream, code, 'PRIORITY is not valid', 'rx_messaging_error');
  }

  #onGoaway(streamId: number, buffer: Buffer, start: number, end: number): void {
    const link = this.#link;
    if (streamId !== 0) return link.fail(CODE.protocolError, 'GOAWAY is not valid', 'framing_error');
    if (end - start < 8) return link.fail(CODE.frameSizeError, 'GOAWAY is not valid', 'framing_error');
    const detail = buffer.toString('latin1', start + 8, Math.min(end, start + 8 + MAX_DETAIL_BYTES));
    link.onGoaway(buffer.readUInt32BE(start) & MAX_WINDOW, buffer.readUInt32BE(start + 4), detail);
  }
}
