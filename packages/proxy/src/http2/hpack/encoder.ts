import type { ByteBuilder } from '../frames/byte-builder.ts';
import { DynamicTable } from './dynamic-table.ts';
import type { Field } from './field.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { writeInteger } from './integers.ts';
import { STATIC_LENGTH } from './static-table.ts';

const INDEXED = 0x80;
const INCREMENTAL = 0x40;
const PLAIN = 0x00;
const NEVER = 0x10;
const SIZE_UPDATE = 0x20;
const HUFFMAN = 0x80;

/** What this side uses at most, whatever the peer allows. */
const MAX_TABLE_SIZE = 4096;
const DEFAULT_TABLE_SIZE = 4096;
// One large field must not empty the table.
const MAX_ENTRY_FRACTION = 4;
const SLOTS = 64;
// For each of the two lengths and the index; a long way above what integers.ts accepts.
const INTEGER_ROOM = 16;

/** Encodes the header blocks of one direction of a connection (RFC 7541). */
export class HpackEncoder {
  readonly #table = new DynamicTable(DEFAULT_TABLE_SIZE);
  /** Number of the table entry that a field has, if it still has, by some bits of its serial. */
  #ordinals: Int32Array | undefined;
  // A table that shrinks and grows between two blocks is told both sizes (RFC 7541 §4.2).
  #leastPending = -1;
  #pending = -1;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  allowTable(size: number): void {
    const wanted = Math.min(size, MAX_TABLE_SIZE);
    if (wanted === (this.#pending < 0 ? this.#table.maxSize : this.#pending)) return;
    this.#leastPending = this.#leastPending < 0 ? wanted : Math.min(this.#leastPending, wanted);
    this.#pending = wanted;
  }

  /** Before the first field of each block. */
  begin(out: ByteBuilder): void {
    if (this.#pending < 0) return;
    if (this.#leastPending < this.#pending) this.#resize(out, this.#leastPending);
    this.#resize(out, this.#pending);
    this.#pending = -1;
    this.#leastPending = -1;
  }

  write(out: ByteBuilder, field: Field): void {
    const { staticIndex, serial } = field;
    if (staticIndex !== 0) {
      out.byte(INDEXED | staticIndex);
      return;
    }
    if (serial === 0 || field.size * MAX_ENTRY_FRACTION > this.#table.maxSize) {
      writeLiteral(out, field, field.secret ? NEVER : PLAIN);
      return;
    }
    const ordinals = (this.#ordinals ??= new Int32Array(SLOTS));
    const slot = serial & (SLOTS - 1);
    const index = this.#table.find(ordinals[slot] as number, field);
    if (index >= 0) {
      const at = out.reserve(INTEGER_ROOM);
      out.length = writeInteger(out.buffer, at, INDEXED, 7, index + STATIC_LENGTH + 1);
      return;
    }
    ordinals[slot] = this.#table.added;
    this.#table.insert(field);
    const literal = (field.literal ??= literalOf(field));
    out.bytes(literal);
  }

  #resize(out: ByteBuilder, size: number): void {
    this.#table.resize(size);
    const at = out.reserve(INTEGER_ROOM);
    out.length = writeInteger(out.buffer, at, SIZE_UPDATE, 5, size);
  }
}

/** For fields that come once: as they are, since coding them costs more than it saves. */
function writeLiteral(out: ByteBuilder, field: Field, pattern: number): void {
  const { name, value } = field;
  const at = out.reserve(2 * INTEGER_ROOM + name.text.length + value.length);
  const { buffer } = out;
  let end = writeInteger(buffer, at, pattern, 4, name.staticIndex);
  if (name.staticIndex === 0) end = writeText(buffer, end, name.text);
  out.length = writeText(buffer, end, value);
}

// Below this a loop is quicker than a call into Node.
const SHORT_TEXT = 24;

function writeText(buffer: Buffer, at: number, text: string): number {
  const { length } = text;
  const start = writeInteger(buffer, at, 0, 7, length);
  if (length < SHORT_TEXT) {
    for (let i = 0; i < length; i += 1) buffer[start + i] = text.charCodeAt(i);
  } else {
    buffer.write(text, start, length, 'latin1');
  }
  return start + length;
}

function literalOf({ name, value }: Field): Uint8Array {
  const scratch = Buffer.allocUnsafe(2 * INTEGER_ROOM + 4 * (name.text.length + value.length));
  let end = writeInteger(scratch, 0, INCREMENTAL, 6, name.staticIndex);
  if (name.staticIndex === 0) end = writeShorter(scratch, end, name.text);
  end = writeShorter(scratch, end, value);
  return Uint8Array.prototype.slice.call(scratch, 0, end);
}

function writeShorter(buffer: Buffer, at: number, text: string): number {
  const coded = huffmanLength(text);
  if (coded >= text.length) return writeText(buffer, at, text);
  return huffmanEncode(text, buffer, writeInteger(buffer, at, HUFFMAN, 7, coded));
}
