import type { HeadView } from '../../head/head-view.ts';
import type { WireMeter } from '../../http/wire-meter.ts';
import { CODE, DEFAULT_WINDOW, FRAME_HEADER_BYTES, type ErrorCode } from '../frames/constants.ts';
import { writeData, writeWindowUpdate } from '../frames/frame-writer.ts';
import type { H2Head } from '../h2-head.ts';
import type { Field } from '../hpack/field.ts';
import { headFields } from './head-frames.ts';
import { HeldData } from './held-data.ts';
import type { StreamLink } from './stream-link.ts';

const EMPTY = Buffer.alloc(0);
// Whatever a peer takes: what is gathered for one write (frame-output.ts) has its bounds.
const MOST_FRAME_BYTES = 64 * 1024;

/**
 * One stream of a connection: its two windows, what waits on either side of them, and which ends have ended. What the
 * bytes mean is up to the server's and the client's kind.
 */
export abstract class H2Stream {
  readonly id: number;
  readonly link: StreamLink<H2Stream>;
  sendWindow: number;
  /** The peer has sent everything. */
  remoteEnded = false;
  /** The head of the peer's message has come: nothing else may be first. */
  headSeen = true;
  /** We have, and it is in the output. */
  localEnded = false;
  /** No longer one of the connection's streams. */
  closed = false;
  /** Content-length that has not come yet; -1 when none was declared. */
  contentLeft = -1;
  /** In the connection's list of those that got something during this read. */
  touched = false;
  /** Somebody was told that it is congested, and waits for the end of that. */
  waitsWritable = false;
  protected wire: WireMeter | undefined;

  #receiveWindow: number;
  #uncredited = 0;
  #paused = false;
  #held: HeldData | undefined;
  #heldTrailers: H2Head | undefined;
  #releasing = false;
  #endDelivered = false;
  #pending: HeldData | undefined;
  #pendingEnd = false;
  #pendingTrailers: readonly Field[] | undefined;

  constructor(id: number, link: StreamLink<H2Stream>) {
    this.id = id;
    this.link = link;
    this.sendWindow = link.peer.initialWindow;
    // Until it has read our SETTINGS a peer goes by the default.
    this.#receiveWindow = Math.max(link.limits.streamWindow, DEFAULT_WINDOW);
  }

  protected abstract onData(buffer: Buffer, start: number, end: number, last: boolean): void;
  protected abstract onTrailers(trailers: H2Head): void;
  /** Everything that had arrived was handed on. */
  abstract onPause(): void;
  abstract onWritable(): void;
  /** Cut off by the peer or with the connection; the stream is closed already. `code` is -1 when the connection was lost. */
  abstract onCut(code: ErrorCode, detail: string): void;
  /** The stream has to end since the peer broke a rule on it; it is closed already. */
  abstract onFault(detail: string): void;
  /** Both sides have ended and all was handed on; the stream is closed already. */
  abstract onComplete(): void;
  /** Our side ended. @returns true when what the peer still sends is not wanted. */
  protected abstract onLocalEnd(): boolean;
  /** The peer's end was handed on. @returns true when what we would still send is not wanted. */
  protected abstract onRemoteEnd(): boolean;

  // Receiving.

  /** @param flowBytes what counts against the windows; the connection's was charged already. */
  receive(buffer: Buffer, start: number, end: number, flowBytes: number, last: boolean): void {
    const { link } = this;
    const length = end - start;
    if (this.wire !== undefined) this.wire.received += flowBytes + FRAME_HEADER_BYTES;
    if (!this.headSeen) {
      link.credit(flowBytes);
      link.failStream(this, CODE.protocolError, 'DATA in front of the head', 'rx_messaging_error');
      return;
    }
    this.#receiveWindow -= flowBytes;
    if (this.#receiveWindow < 0) {
      link.credit(flowBytes);
      link.failStream(this, CODE.flowControlError, 'more data than the window allows', 'flow_control_error');
      return;
    }
    if (this.contentLeft >= 0) {
      this.contentLeft -= length;
      if (this.contentLeft < 0 || (last && this.contentLeft > 0)) {
        link.credit(flowBytes);
        link.failStream(this, CODE.protocolError, 'data and content-length differ', 'rx_messaging_error');
        return;
      }
    }
    if (flowBytes > length) this.#consumed(flowBytes - length);
    if (last) this.remoteEnded = true;
    if (this.#paused || (this.#held !== undefined && this.#held.length > 0)) {
      this.#held ??= new HeldData(this.link.buffers);
      this.#held.append(buffer, start, end);
      link.heldBytes += length;
      return;
    }
    if (length === 0 && !last) return;
    if (last) this.#endDelivered = true;
    else link.touch(this);
    this.onData(buffer, start, end, last);
    this.#consumed(length);
    this.#completeIfOver();
  }

  receiveTrailers(trailers: H2Head): void {
    this.remoteEnded = true;
    this.wire?.receivedHead(this.link.blockReceived);
    if (this.contentLeft > 0) {
      this.link.failStream(this, CODE.protocolError, 'data and content-length differ', 'rx_messaging_error');
      return;
    }
    if (this.#paused || (this.#held !== undefined && this.#held.length > 0)) {
      this.#heldTrailers = trailers;
      return;
    }
    this.#endDelivered = true;
    this.onTrailers(trailers);
    this.#completeIfOver();
  }

  /** The message ended with its head. */
  headWasAll(): void {
    this.remoteEnded = true;
    this.#endDelivered = true;
    this.#completeIfOver();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#releasing || this.closed) return;
    this.#releasing = true;
    const held = this.#held;
    while (held !== undefined && held.length > 0 && !this.#paused && !this.closed) {
      const { buffer, start, end } = held;
      const last = this.remoteEnded && end - start === held.length && this.#heldTrailers === undefined;
      if (last) this.#endDelivered = true;
      held.consume(end - start);
      this.link.heldBytes -= end - start;
      this.onData(buffer, start, end, last);
      this.#consumed(end - start);
    }
    this.#releasing = false;
    if (this.closed) return;
    if (!this.#paused && this.remoteEnded && !this.#endDelivered) {
      this.#endDelivered = true;
      const trailers = this.#heldTrailers;
      this.#heldTrailers = undefined;
      if (trailers === undefined) this.onData(EMPTY, 0, 0, true);
      else this.onTrailers(trailers);
    }
    if (this.#endDelivered) this.#completeIfOver();
    else if (!this.#paused) this.onPause();
  }

  /** These bytes were used: the peer may send as many more. */
  #consumed(length: number): void {
    this.link.credit(length);
    this.#uncredited += length;
    if (this.remoteEnded || this.closed || this.#uncredited * 2 < this.link.limits.streamWindow) return;
    writeWindowUpdate(this.link.output.builder, this.id, this.#uncredited);
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  // Sending.

  get congested(): boolean {
    const congested = (this.#pending !== undefined && this.#pending.length > 0) || this.link.output.congested;
    if (congested && !this.waitsWritable) {
      this.waitsWritable = true;
      this.link.waiting.forOutput.add(this);
    }
    return congested;
  }

  /** Of both directions. */
  get heldBytes(): number {
    return (this.#held?.length ?? 0) + (this.#pending?.length ?? 0);
  }

  /** True while bytes wait for a window. */
  get blocked(): boolean {
    return this.#pending !== undefined && (this.#pending.length > 0 || this.#pendingEnd);
  }

  sendData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (this.closed || this.localEnded) return;
    if (this.#pending !== undefined && this.#pending.length > 0) {
      this.#pending.append(buffer, start, end);
      if (last) this.#pendingEnd = true;
      return;
    }
    const sent = this.#put(buffer, start, end, last);
    if (sent < end) {
      this.#pending ??= new HeldData(this.link.buffers);
      this.#pending.append(buffer, sent, end);
      this.#pendingEnd = last;
      this.link.waiting.forWindow.add(this);
    } else if (last) this.endLocal();
    this.link.output.relieve();
  }

  /** Writes what the windows allow. @returns how far it got. */
  #put(buffer: Buffer, start: number, end: number, last: boolean): number {
    const { link, id } = this;
    const { output } = link;
    if (start === end) {
      if (!last) return end;
      writeData(output.builder, id, buffer, start, end, true);
      if (this.wire !== undefined) this.wire.sent += FRAME_HEADER_BYTES;
      return end;
    }
    let at = start;
    while (at < end) {
      const size = Math.min(end - at, this.sendWindow, link.sendWindow, link.peer.maxFrame, MOST_FRAME_BYTES);
      if (size <= 0) break;
      if (at > start) output.setFullAside();
      writeData(output.builder, id, buffer, at, at + size, last && at + size === end);
      at += size;
      if (this.wire !== undefined) this.wire.sent += size + FRAME_HEADER_BYTES;
      this.sendWindow -= size;
      link.sendWindow -= size;
      link.guard.sentData();
      output.frames += 1;
    }
    return at;
  }

  sendTrailers(trailers: HeadView): void {
    if (this.closed || this.localEnded) return;
    const fields = headFields(this.link.known, trailers, this.link.carried);
    if (fields.length === 0) return this.sendData(EMPTY, 0, 0, true);
    if (this.#pending !== undefined && this.#pending.length > 0) {
      this.#pendingTrailers = fields;
      return;
    }
    this.#putTrailers(fields);
  }

  #putTrailers(fields: readonly Field[]): void {
    this.link.writeFields(this.id, fields, true);
    this.wire?.sentHead(this.link.blockSent);
    this.endLocal();
  }

  /** A window grew: sends what waited. @returns true when nothing waits any more. */
  release(): boolean {
    const pending = this.#pending;
    if (pending === undefined || this.closed) return true;
    const end = this.#pendingTrailers === undefined && this.#pendingEnd;
    while (pending.length > 0) {
      const { buffer, start, end: pieceEnd } = pending;
      const sent = this.#put(buffer, start, pieceEnd, end && pieceEnd - start === pending.length);
      if (sent > start) pending.consume(sent - start);
      if (sent < pieceEnd) return false;
    }
    this.#pending = undefined;
    if (this.#pendingTrailers !== undefined) this.#putTrailers(this.#pendingTrailers);
    else if (end) this.endLocal();
    this.link.output.relieve();
    return true;
  }

  /** All of our message is in the output. */
  endLocal(): void {
    this.localEnded = true;
    const notWanted = this.onLocalEnd();
    if (this.closed) return;
    if (notWanted && !this.#endDelivered) {
      // RFC 9113 §8.1: the answer is complete, the rest of the request need not come.
      if (!this.remoteEnded) this.link.reset(this, CODE.noError);
      else this.link.close(this, false);
      this.onComplete();
      return;
    }
    this.#completeIfOver();
  }

  #completeIfOver(): void {
    if (this.closed || !this.#endDelivered) return;
    if (this.localEnded) this.link.close(this, false);
    else if (this.onRemoteEnd()) this.link.reset(this, CODE.cancel);
    else return;
    this.onComplete();
  }

  /** Forgets what waits; called once, when the connection lets go of the stream. */
  letGo(): void {
    this.closed = true;
    if (this.#held !== undefined && this.#held.length > 0) {
      this.link.heldBytes -= this.#held.length;
      this.link.credit(this.#held.length);
    }
    this.#held?.clear();
    this.#held = undefined;
    this.#heldTrailers = undefined;
    this.#pending?.clear();
    this.#pending = undefined;
    this.#pendingTrailers = undefined;
  }
}
