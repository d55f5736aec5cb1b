// RFC 7541 in the plainest way: a table that is a list, and no memory of what was decoded before.
import { huffmanDecode, maxDecodedLength } from '../../../http2/hpack/huffman.ts';
import { STATIC_FIELDS } from '../../../http2/hpack/static-table.ts';

export interface ReferenceField {
  readonly name: string;
  readonly value: string;
  readonly never: boolean;
}

const STATIC: readonly ReferenceField[] = STATIC_FIELDS.map(([name, value]) => ({ name, value, never: false }));
const EMPTY = Buffer.alloc(0);
const sizeOf = ({ name, value }: ReferenceField): number => name.length + value.length + 32;
// As the codec: nothing that it limits comes near 2^28.
const MAX_CONTINUATION_BYTES = 4;

export class ReferenceHpack {
  readonly #allowed: number;
  #max: number;
  /** Newest first. */
  #entries: ReferenceField[] = [];
  #size = 0;
  #block: Buffer = EMPTY;
  #at = 0;
  #end = 0;

  constructor(allowed: number) {
    this.#allowed = allowed;
    this.#max = allowed;
  }

  get entries(): readonly ReferenceField[] {
    return this.#entries;
  }

  decode(block: Buffer, start: number, end: number): ReferenceField[] | 'invalid' {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    const fields: ReferenceField[] = [];
    let mayResize = true;
    while (this.#at < end) {
      const first = block[this.#at] ?? 0;
      if ((first & 0x80) !== 0) {
        const field = this.#entry(this.#integer(7));
        if (field === undefined) return 'invalid';
        fields.push(field);
        mayResize = false;
      } else if ((first & 0x60) === 0x20) {
        const size = this.#integer(5);
        if (!mayResize || size < 0 || size > this.#allowed) return 'invalid';
        this.#max = size;
        this.#evict();
      } else {
        mayResize = false;
        const keeps = (first & 0x40) !== 0;
        const index = this.#integer(keeps ? 6 : 4);
        const name = index === 0 ? this.#string() : this.#entry(index)?.name;
        const value = name === undefined ? undefined : this.#string();
        if (name === undefined || value === undefined) return 'invalid';
        const field = { name, value, never: !keeps && (first & 0x10) !== 0 };
        fields.push(field);
        if (!keeps) continue;
        this.#entries.unshift(field);
        this.#size += sizeOf(field);
        this.#evict();
      }
    }
    return fields;
  }

  #evict(): void {
    while (this.#size > this.#max) {
      const oldest = this.#entries.pop();
      if (oldest !== undefined) this.#size -= sizeOf(oldest);
    }
  }

  #entry(index: number): ReferenceField | undefined {
    if (index <= 0) return undefined;
    return index < STATIC.length ? STATIC[index] : this.#entries[index - STATIC.length];
  }

  /** @returns -1 when it is cut or too large. */
  #integer(bits: number): number {
    const most = 2 ** bits - 1;
    let value = (this.#block[this.#at] ?? 0) & most;
    if (this.#at >= this.#end) return -1;
    this.#at += 1;
    if (value < most) return value;
    for (let i = 0; i < MAX_CONTINUATION_BYTES; i += 1) {
      if (this.#at >= this.#end) return -1;
      const byte = this.#block[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    return -1;
  }

  #string(): string | undefined {
    const coded = this.#at < this.#end && ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    if (length < 0 || start + length > this.#end) return undefined;
    this.#at = start + length;
    if (!coded) return this.#block.toString('latin1', start, this.#at);
    const target = Buffer.alloc(maxDecodedLength(length));
    const decoded = huffmanDecode(this.#block, start, this.#at, target);
    return decoded < 0 ? undefined : target.toString('latin1', 0, decoded);
  }
}
