// A peer of a test's own making: sends whatever frames it is told to, and keeps those that come back.
import { connect, type Socket } from 'node:net';
import { waitFor } from '@weft/testkit';
import { ByteBuilder } from '../frames/byte-builder.ts';
import { FLAG, FRAME, FRAME_HEADER_BYTES, PREFACE } from '../frames/constants.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { FieldTable } from '../hpack/field-table.ts';
import { writeInteger } from '../hpack/integers.ts';

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32BE(value, i * 4));
  return bytes;
}

export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(FRAME.settings, 0, 0, payload);
}

/** A block of literals that leave the tables alone. */
export function block(...lines: readonly string[]): Buffer {
  const out = new ByteBuilder();
  const text = (value: string): void => {
    const at = out.reserve(value.length + 8);
    const start = writeInteger(out.buffer, at, 0, 7, value.length);
    out.length = start + out.buffer.write(value, start, 'latin1');
  };
  for (const line of lines) {
    const colon = line.indexOf(':', 1);
    out.byte(0);
    text(line.slice(0, colon));
    text(line.slice(colon + 1));
  }
  return Buffer.from(out.buffer.subarray(0, out.length));
}

export const GET = [':method:GET', ':scheme:http', ':path:/', ':authority:h'] as const;
export const POST = [':method:POST', ':scheme:http', ':path:/', ':authority:h'] as const;

/** HEADERS of a request. */
export const headers = (streamId: number, lines: readonly string[], endStream = true): Buffer =>
  frame(FRAME.headers, FLAG.endHeaders | (endStream ? FLAG.endStream : 0), streamId, block(...lines));

export const data = (streamId: number, text: string | Buffer, endStream = false): Buffer =>
  frame(FRAME.data, endStream ? FLAG.endStream : 0, streamId, Buffer.from(text as string, 'latin1'));

export const HELLO = Buffer.concat([PREFACE, settings()]);

export class RawPeer implements Disposable {
  readonly frames: SeenFrame[] = [];
  readonly socket: Socket;
  ended = false;
  #rest = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder(new FieldTable(), 4096, { maxBytes: 1e6, maxFields: 1000 });

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.ended = true));
    socket.on('error', () => (this.ended = true));
  }

  /** A client of a server on this machine. */
  static async connect(port: number, hello: Buffer = HELLO): Promise<RawPeer> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await new Promise((resolve) => socket.once('connect', resolve));
    const peer = new RawPeer(socket);
    socket.write(hello);
    return peer;
  }

  send(...frames: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  of(type: number, streamId?: number): SeenFrame[] {
    return this.frames.filter((seen) => seen.type === type && (streamId === undefined || seen.streamId === streamId));
  }

  /** The error code of the first RST_STREAM of this stream. */
  resetOf(streamId: number): number | undefined {
    return this.of(FRAME.rstStream, streamId)[0]?.payload.readUInt32BE(0);
  }

  get goaways(): { readonly last: number; readonly code: number; readonly detail: string }[] {
    return this.of(FRAME.goaway).map(({ payload }) => ({
      last: payload.readUInt32BE(0),
      code: payload.readUInt32BE(4),
      detail: payload.toString('latin1', 8),
    }));
  }

  /** Names and values of the first HEADERS on a stream; every block must be asked for in the order of its coming. */
  decode(seen: SeenFrame): string[] {
    const result = this.#decoder.decode(seen.payload, 0, seen.payload.length);
    return result === 'done' ? this.#decoder.fields.map(({ name, value }) => `${name.text}: ${value}`) : [result];
  }

  bodyOf(streamId: number): Buffer {
    return Buffer.concat(this.of(FRAME.data, streamId).map(({ payload }) => payload));
  }

  endOf(streamId: number): boolean {
    return this.frames.some(
      ({ type, flags, streamId: id }) =>
        id === streamId && (type === FRAME.data || type === FRAME.headers) && (flags & FLAG.endStream) !== 0,
    );
  }

  until(condition: () => boolean, what: string): Promise<unknown> {
    return waitFor(condition, { what, everyMs: 2 });
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#rest.toString('latin1', 0, 3) === 'PRI' && this.#rest.length >= PREFACE.length)
      this.#rest = this.#rest.subarray(PREFACE.length);
    while (this.#rest.length >= FRAME_HEADER_BYTES) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < FRAME_HEADER_BYTES + length) return;
      this.frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        streamId: this.#rest.readUInt32BE(5),
        payload: Buffer.from(this.#rest.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length)),
      });
      this.#rest = this.#rest.subarray(FRAME_HEADER_BYTES + length);
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
