// Frames as bytes behind what a builder already holds.
import type { ByteBuilder } from './byte-builder.ts';
import { type ErrorCode, FLAG, FRAME, FRAME_HEADER_BYTES } from './constants.ts';

export function putFrameHeader(
  buffer: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  buffer[at] = length >>> 16;
  buffer[at + 1] = length >>> 8;
  buffer[at + 2] = length;
  buffer[at + 3] = type;
  buffer[at + 4] = flags;
  buffer[at + 5] = streamId >>> 24;
  buffer[at + 6] = streamId >>> 16;
  buffer[at + 7] = streamId >>> 8;
  buffer[at + 8] = streamId;
}

/** @returns where the payload begins; the builder counts it as written. */
function begin(out: ByteBuilder, length: number, type: number, flags: number, streamId: number): number {
  const at = out.reserve(FRAME_HEADER_BYTES + length);
  putFrameHeader(out.buffer, at, length, type, flags, streamId);
  out.length = at + FRAME_HEADER_BYTES + length;
  return at + FRAME_HEADER_BYTES;
}

export function writeSettings(out: ByteBuilder, settings: readonly (readonly [id: number, value: number])[]): void {
  let at = begin(out, settings.length * 6, FRAME.settings, 0, 0);
  for (const [id, value] of settings) {
    out.buffer.writeUInt16BE(id, at);
    out.buffer.writeUInt32BE(value, at + 2);
    at += 6;
  }
}

export function writeSettingsAck(out: ByteBuilder): void {
  begin(out, 0, FRAME.settings, FLAG.ack, 0);
}

/** @param opaque eight bytes from `start` on. */
export function writePing(out: ByteBuilder, ack: boolean, opaque: Buffer, start: number): void {
  const at = begin(out, 8, FRAME.ping, ack ? FLAG.ack : 0, 0);
  opaque.copy(out.buffer, at, start, start + 8);
}

export function writeGoaway(out: ByteBuilder, lastStreamId: number, code: ErrorCode, detail: string): void {
  const at = begin(out, 8 + detail.length, FRAME.goaway, 0, 0);
  out.buffer.writeUInt32BE(lastStreamId, at);
  out.buffer.writeUInt32BE(code, at + 4);
  out.buffer.write(detail, at + 8, 'latin1');
}

export function writeReset(out: ByteBuilder, streamId: number, code: ErrorCode): void {
  const at = begin(out, 4, FRAME.rstStream, 0, streamId);
  out.buffer.writeUInt32BE(code, at);
}

export function writeWindowUpdate(out: ByteBuilder, streamId: number, increment: number): void {
  const at = begin(out, 4, FRAME.windowUpdate, 0, streamId);
  out.buffer.writeUInt32BE(increment, at);
}

export function writeData(
  out: ByteBuilder,
  streamId: number,
  source: Buffer,
  start: number,
  end: number,
  endStream: boolean,
): void {
  const at = begin(out, end - start, FRAME.data, endStream ? FLAG.endStream : 0, streamId);
  if (end > start) source.copy(out.buffer, at, start, end);
}

/**
 * Gives a header block that was written at `blockStart`, behind room for one frame header, its frames.
 * @param maxFrame a longer block goes on in CONTINUATION frames.
 */
export function finishHeaders(
  out: ByteBuilder,
  frameStart: number,
  streamId: number,
  endStream: boolean,
  maxFrame: number,
): void {
  const blockStart = frameStart + FRAME_HEADER_BYTES;
  const length = out.length - blockStart;
  const end = endStream ? FLAG.endStream : 0;
  if (length <= maxFrame) {
    putFrameHeader(out.buffer, frameStart, length, FRAME.headers, FLAG.endHeaders | end, streamId);
    return;
  }
  const block = Buffer.from(out.buffer.subarray(blockStart, out.length));
  out.length = frameStart;
  for (let at = 0; at < length; at += maxFrame) {
    const size = Math.min(maxFrame, length - at);
    const last = at + size === length ? FLAG.endHeaders : 0;
    const place =
      at === 0
        ? begin(out, size, FRAME.headers, last | end, streamId)
        : begin(out, size, FRAME.continuation, last, streamId);
    block.copy(out.buffer, place, at, at + size);
  }
}
