import { CODE, type ErrorCode, FLAG, FRAME_HEADER_BYTES, MAX_WINDOW } from '../frames/constants.ts';
import { type DecodeResult, HpackDecoder } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import type { FieldTable } from '../hpack/field-table.ts';
import type { H2Counter, H2Counters } from './counters.ts';
import type { FloodGuard } from './flood-guard.ts';
import { HeaderBlock } from './header-block.ts';
import type { H2Limits } from './options.ts';

const HEADER_TABLE_BYTES = 4096;

/** Who is told of header blocks, and of what is wrong with them. */
export interface HeaderTarget {
  readonly limits: H2Limits;
  readonly guard: FloodGuard;
  readonly counters: H2Counters;
  /** A block that is complete. @param fields as many as the limits allow; valid during the call. */
  onHeaders(
    streamId: number,
    fields: readonly Field[],
    result: DecodeResult,
    endStream: boolean,
    selfDependent: boolean,
  ): void;
  /** A block began that is not complete, or was completed. */
  onBlockOpen(open: boolean): void;
  fail(code: ErrorCode, detail: string, counter: H2Counter): void;
  flood(counter: H2Counter): void;
}

/** Header blocks as they come: HEADERS and its CONTINUATION frames (RFC 9113 §6.2, §6.10) → fields. */
export class HeaderReader {
  readonly #target: HeaderTarget;
  readonly #decoder: HpackDecoder;
  readonly #block = new HeaderBlock();
  /** Bytes of the last block, with its frames. */
  received = 0;

  constructor(target: HeaderTarget, known: FieldTable) {
    this.#target = target;
    this.#decoder = new HpackDecoder(known, HEADER_TABLE_BYTES, target.limits.head);
  }

  /** The stream whose block is not complete: no other frame may come; 0 = none. */
  get openStream(): number {
    return this.#block.streamId;
  }

  onHeadersFrame(flags: number, streamId: number, buffer: Buffer, payload: number, payloadEnd: number): void {
    const target = this.#target;
    let start = payload;
    let end = payloadEnd;
    if (streamId === 0) return target.fail(CODE.protocolError, 'HEADERS on stream 0', 'framing_error');
    if ((flags & FLAG.padded) !== 0) {
      if (start >= end) return target.fail(CODE.frameSizeError, 'HEADERS: no pad length', 'framing_error');
      end -= buffer[start] as number;
      start += 1;
    }
    let selfDependent = false;
    if ((flags & FLAG.priority) !== 0) {
      if (payloadEnd - start < 5) return target.fail(CODE.frameSizeError, 'HEADERS: priority is cut', 'framing_error');
      selfDependent = (buffer.readUInt32BE(start) & MAX_WINDOW) === streamId;
      start += 5;
    }
    if (start > end) return target.fail(CODE.protocolError, 'HEADERS: more padding than payload', 'framing_error');
    const endStream = (flags & FLAG.endStream) !== 0;
    if ((flags & FLAG.endHeaders) !== 0) {
      this.received = payloadEnd - payload + FRAME_HEADER_BYTES;
      this.#decode(streamId, buffer, start, end, endStream, selfDependent);
      return;
    }
    this.#block.open(streamId, endStream, selfDependent);
    this.#block.append(buffer, start, end);
    target.onBlockOpen(true);
  }

  onContinuation(flags: number, buffer: Buffer, start: number, end: number): void {
    const target = this.#target;
    const block = this.#block;
    if (block.streamId === 0) return target.fail(CODE.protocolError, 'CONTINUATION without HEADERS', 'framing_error');
    block.continuations += 1;
    if (block.continuations > target.limits.maxContinuations) return target.flood('continuation_flood');
    if (block.length + (end - start) > target.limits.head.maxBytes) return target.flood('header_overflow');
    block.append(buffer, start, end);
    if ((flags & FLAG.endHeaders) === 0) return;
    const { streamId, bytes, length, endStream, selfDependent } = block;
    this.received = length + (1 + block.continuations) * FRAME_HEADER_BYTES;
    block.close();
    target.onBlockOpen(false);
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
    const target = this.#target;
    const result = this.#decoder.decode(buffer, start, end);
    if (result === 'invalid')
      return target.fail(CODE.compressionError, 'a header block can not be decoded', 'compression_error');
    if (result === 'too-large') target.counters.count('header_overflow');
    target.guard.worked();
    target.onHeaders(streamId, this.#decoder.fields, result, endStream, selfDependent);
  }
}
