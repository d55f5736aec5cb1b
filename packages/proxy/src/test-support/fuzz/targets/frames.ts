// HTTP/2 frames as mutation sees them, and as a plain reading of what the codec wrote does.
import type { Reshape } from '../fuzz-target.ts';
import { FRAME_HEADER_BYTES } from '../../../http2/frames/constants.ts';

/** Where each frame begins, and where the last one ends. */
function frameStarts(bytes: Buffer, length: number): number[] {
  const starts: number[] = [];
  let at = 0;
  while (at + FRAME_HEADER_BYTES <= length) {
    starts.push(at);
    at += FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
  }
  starts.push(Math.min(at, length));
  return starts;
}

const STREAM_BITS = 4;

/** Whole frames come, go, move and change their heads; in the end lengths are right again, most of the time. */
export const reshapeFrames: Reshape = (bytes, given, random) => {
  let length = given;
  for (let rounds = 1 + random(4); rounds > 0; rounds -= 1) {
    const starts = frameStarts(bytes, length);
    const count = starts.length - 1;
    if (count === 0) return length;
    const one = random(count);
    const at = starts[one] ?? 0;
    const end = Math.min(length, starts[one + 1] ?? length);
    const size = end - at;
    switch (random(8)) {
      case 0:
        bytes.copyWithin(at, end, length);
        length -= size;
        break;
      case 1:
      case 2: {
        if (length + size > bytes.length) break;
        const copy = Buffer.from(bytes.subarray(at, end));
        const to = starts[random(count + 1)] ?? 0;
        bytes.copyWithin(to + size, to, length);
        copy.copy(bytes, to);
        length += size;
        if (random(2) === 0) bytes.writeUInt32BE(random(1 << STREAM_BITS), to + 5);
        break;
      }
      case 3:
        bytes[at + 4] = (bytes[at + 4] ?? 0) ^ (1 << random(6));
        break;
      case 4:
        bytes.writeUInt32BE(random(1 << STREAM_BITS), at + 5);
        break;
      case 5:
        bytes[at + 3] = random(11);
        break;
      case 6:
        if (size > FRAME_HEADER_BYTES) bytes[at + FRAME_HEADER_BYTES + random(size - FRAME_HEADER_BYTES)] = random(256);
        break;
      default: {
        // Cut or stretched, with a length that says so.
        if (size <= FRAME_HEADER_BYTES) break;
        const removed = random(size - FRAME_HEADER_BYTES) + 1;
        bytes.copyWithin(end - removed, end, length);
        length -= removed;
        bytes.writeUIntBE(size - FRAME_HEADER_BYTES - removed, at, 3);
      }
    }
  }
  return length;
};

export interface PlainFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** @throws {Error} when the bytes do not end with a frame. */
export function readFrames(bytes: Buffer): PlainFrame[] {
  const frames: PlainFrame[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const start = at + FRAME_HEADER_BYTES;
    if (start + length > bytes.length) throw new Error('the last frame is cut');
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      streamId: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(start, start + length),
    });
    at = start + length;
  }
  return frames;
}
