import { DynamicTable } from './dynamic-table.ts';
import type { Field, FieldName } from './field.ts';
import type { FieldTable } from './field-table.ts';
import { IntegerReader } from './integers.ts';
import { STATIC_LENGTH } from './static-table.ts';

export interface FieldLimits {
  /** Names, values and 32 for each field. */
  readonly maxBytes: number;
  readonly maxFields: number;
}

/** `invalid`: the tables of both sides differ from now on, so the connection is lost (RFC 9113 §4.3). */
export type DecodeResult = 'done' | 'too-large' | 'invalid';

const FAILED = -1;

/** Decodes the header blocks of one direction of a connection (RFC 7541). */
export class HpackDecoder {
  /** Fields of the block decoded last; only as many as the limits allow. */
  fields: Field[] = [];
  readonly #known: FieldTable;
  readonly #table: DynamicTable;
  readonly #allowedTableSize: number;
  readonly #limits: FieldLimits;
  readonly #integers = new IntegerReader();
  // A string literal that was just found.
  #start = 0;
  #end = 0;
  #huffman = false;
  #at = 0;
  #bytes = 0;
  #count = 0;

  /** @param tableSize what SETTINGS_HEADER_TABLE_SIZE allows the peer's encoder. */
  constructor(known: FieldTable, tableSize: number, limits: FieldLimits) {
    this.#known = known;
    this.#allowedTableSize = tableSize;
    this.#table = new DynamicTable(tableSize);
    this.#limits = limits;
  }

  decode(block: Buffer, start: number, end: number): DecodeResult {
    this.fields = [];
    this.#bytes = 0;
    this.#count = 0;
    let at = start;
    let mayResize = true;
    while (at < end) {
      const first = block[at] as number;
      if (first >= 0x80) {
        // Indexed field; nearly always one byte.
        let index = first & 0x7f;
        if (index === 0x7f) {
          index = this.#integers.read(block, at, end, 7);
          if (index < 0) return 'invalid';
          at = this.#integers.next;
        } else at += 1;
        const field = this.#entry(index);
        if (field === undefined) return 'invalid';
        this.#take(field);
        mayResize = false;
        continue;
      }
      if ((first & 0xe0) === 0x20) {
        // RFC 7541 §4.2: only before the first field.
        if (!mayResize) return 'invalid';
        const size = this.#integers.read(block, at, end, 5);
        if (size < 0 || size > this.#allowedTableSize) return 'invalid';
        this.#table.resize(size);
        at = this.#integers.next;
        continue;
      }
      mayResize = false;
      at = this.#literal(block, at, end, first);
      if (at === FAILED) return 'invalid';
    }
    return this.#count > this.#limits.maxFields || this.#bytes > this.#limits.maxBytes ? 'too-large' : 'done';
  }

  #literal(block: Buffer, start: number, end: number, first: number): number {
    const keeps = first >= 0x40;
    const index = this.#integers.read(block, start, end, keeps ? 6 : 4);
    if (index < 0) return FAILED;
    this.#at = this.#integers.next;
    let name: FieldName | undefined;
    if (index === 0) {
      if (!this.#string(block, end)) return FAILED;
      name = this.#known.nameOf(block, this.#start, this.#end, this.#huffman);
    } else {
      name = this.#entry(index)?.name;
    }
    if (name === undefined || !this.#string(block, end)) return FAILED;
    const secret = !keeps && (first & 0x10) !== 0;
    const field = this.#known.fieldOf(name, block, this.#start, this.#end, this.#huffman, secret);
    if (field === undefined) return FAILED;
    if (keeps) this.#table.insert(field);
    this.#take(field);
    return this.#at;
  }

  /** Finds a string literal at the cursor and moves behind it. */
  #string(block: Buffer, end: number): boolean {
    if (this.#at >= end) return false;
    this.#huffman = (block[this.#at] as number) >= 0x80;
    const length = this.#integers.read(block, this.#at, end, 7);
    if (length < 0) return false;
    this.#start = this.#integers.next;
    this.#end = this.#start + length;
    this.#at = this.#end;
    return this.#end <= end;
  }

  #entry(index: number): Field | undefined {
    if (index <= STATIC_LENGTH) return index === 0 ? undefined : this.#known.statics[index];
    const field = this.#table.at(index - STATIC_LENGTH - 1);
    if (field === undefined || field.serial !== 0 || field.secret) return field;
    const kept = this.#known.promote(field);
    this.#table.replace(index - STATIC_LENGTH - 1, kept);
    return kept;
  }

  /** Over the limit fields are still decoded, since later blocks refer to the table, but not kept. */
  #take(field: Field): void {
    this.#bytes += field.size;
    this.#count += 1;
    if (this.#count <= this.#limits.maxFields && this.#bytes <= this.#limits.maxBytes) this.fields.push(field);
  }
}
