import { Field, FieldName } from './field.ts';
import { huffmanDecode, maxDecodedLength } from './huffman.ts';
import { STATIC_FIELDS } from './static-table.ts';

const NAME_SLOTS = 1024;
const FIELD_SLOTS = 4096;
// Longer ones are rarely the same twice, and the table must stay small.
const MAX_KEPT_OCTETS = 256;
const MAX_NAMES = 2048;
const MAX_STATUSES = 600;
const FIRST_SCRATCH_BYTES = 4096;

/** The received form of a name or value, and what it decodes to. */
interface KnownName {
  readonly octets: Uint8Array;
  readonly huffman: boolean;
  readonly name: FieldName;
}
interface KnownField {
  readonly octets: Uint8Array;
  readonly huffman: boolean;
  readonly field: Field;
}

/**
 * Fields by their bytes: what came before is found by a hash of its encoded form, and neither decoded nor checked
 * again. A field is kept from its second appearance on, in a table of fixed size where later ones take the place of
 * earlier ones. One table serves all connections of a process.
 */
export class FieldTable {
  /** By static index; 0 is not used. */
  readonly statics: readonly Field[];

  readonly #statuses = new Map<number, Field>();
  readonly #names = new Map<string, FieldName>();
  readonly #nameSlots: (KnownName | undefined)[] = Array.from({ length: NAME_SLOTS });
  readonly #octetSlots: (KnownField | undefined)[] = Array.from({ length: FIELD_SLOTS });
  readonly #octetsSeen = new Int32Array(FIELD_SLOTS);
  readonly #textSlots: (Field | undefined)[] = Array.from({ length: FIELD_SLOTS });
  readonly #textSeen = new Int32Array(FIELD_SLOTS);
  #scratch = Buffer.allocUnsafeSlow(FIRST_SCRATCH_BYTES);
  #nameSerial = 0;
  #fieldSerial = 0;

  constructor() {
    this.statics = STATIC_FIELDS.map(([name, value]) => new Field(this.name(name), value, this.#nextSerial(), false));
  }

  /** `:status`. */
  status(code: number): Field {
    const known = this.#statuses.get(code);
    if (known !== undefined) return known;
    const text = String(code);
    const made =
      this.statics.find(({ name, value }) => name.text === ':status' && value === text) ??
      new Field(this.name(':status'), text, this.#nextSerial(), false);
    if (this.#statuses.size < MAX_STATUSES) this.#statuses.set(code, made);
    return made;
  }

  name(text: string): FieldName {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    const made = new FieldName(ownCopy(text), this.#nextNameSerial());
    // Junk from one peer must not stay for ever; what is in use comes back at once.
    if (this.#names.size >= MAX_NAMES) this.#names.clear();
    if (made.valid) this.#names.set(made.text, made);
    return made;
  }

  /** @returns undefined when the Huffman code is not valid. */
  nameOf(bytes: Buffer, start: number, end: number, huffman: boolean): FieldName | undefined {
    const length = end - start;
    if (length > MAX_KEPT_OCTETS) {
      const text = this.#decode(bytes, start, end, huffman);
      return text === undefined ? undefined : this.name(text);
    }
    const slot = hashOctets(bytes, start, end, huffman ? 1 : 0) & (NAME_SLOTS - 1);
    const known = this.#nameSlots[slot];
    if (known !== undefined && known.huffman === huffman && sameOctets(known.octets, bytes, start, length))
      return known.name;
    const text = this.#decode(bytes, start, end, huffman);
    if (text === undefined) return undefined;
    const name = this.name(text);
    if (name.valid) {
      this.#nameSlots[slot] = { octets: Uint8Array.prototype.slice.call(bytes, start, end), huffman, name };
    }
    return name;
  }

  /**
   * The field with this name and the value in these octets.
   * @param secret the peer asked never to put it into a table.
   * @returns undefined when the Huffman code is not valid.
   */
  fieldOf(
    name: FieldName,
    bytes: Buffer,
    start: number,
    end: number,
    huffman: boolean,
    secret: boolean,
  ): Field | undefined {
    const length = end - start;
    if (secret || length > MAX_KEPT_OCTETS) {
      const text = this.#decode(bytes, start, end, huffman);
      return text === undefined ? undefined : new Field(name, text, 0, secret);
    }
    const hash = hashOctets(bytes, start, end, (name.serial << 1) | (huffman ? 1 : 0));
    const slot = hash & (FIELD_SLOTS - 1);
    const known = this.#octetSlots[slot];
    if (
      known !== undefined &&
      known.field.name === name &&
      known.huffman === huffman &&
      sameOctets(known.octets, bytes, start, length)
    )
      return known.field;
    const text = this.#decode(bytes, start, end, huffman);
    if (text === undefined) return undefined;
    if (this.#octetsSeen[slot] !== hash) {
      this.#octetsSeen[slot] = hash;
      return new Field(name, text, 0, false);
    }
    const field = this.#keptField(name, text);
    if (field.serial !== 0) {
      this.#octetSlots[slot] = { octets: Uint8Array.prototype.slice.call(bytes, start, end), huffman, field };
    }
    return field;
  }

  /** The field with this name and value, for heads that come from elsewhere than HTTP/2. */
  field(name: FieldName, value: string): Field {
    if (value.length > MAX_KEPT_OCTETS) return new Field(name, value, 0, false);
    const hash = hashText(value, name.serial);
    const slot = hash & (FIELD_SLOTS - 1);
    const known = this.#textSlots[slot];
    if (known !== undefined && known.name === name && known.value === value) return known;
    if (this.#textSeen[slot] !== hash) {
      this.#textSeen[slot] = hash;
      return new Field(name, value, 0, false);
    }
    return this.#keep(slot, name, value);
  }

  /** A field that a peer refers to in its table: it will come again, so it is kept at once. */
  promote(field: Field): Field {
    if (field.secret || !field.valid) return field;
    if (field.value.length <= MAX_KEPT_OCTETS) return this.#keptField(field.name, field.value);
    return new Field(field.name, field.value, this.#nextSerial(), false);
  }

  #keptField(name: FieldName, value: string): Field {
    const slot = hashText(value, name.serial) & (FIELD_SLOTS - 1);
    const known = this.#textSlots[slot];
    return known !== undefined && known.name === name && known.value === value ? known : this.#keep(slot, name, value);
  }

  /** Secrets and what is not valid are never kept. */
  #keep(slot: number, name: FieldName, value: string): Field {
    const field = new Field(name, ownCopy(value), this.#nextSerial(), false);
    if (!field.valid || field.secret) return new Field(name, value, 0, field.secret);
    this.#textSlots[slot] = field;
    return field;
  }

  #decode(bytes: Buffer, start: number, end: number, huffman: boolean): string | undefined {
    if (!huffman) return bytes.toString('latin1', start, end);
    const room = maxDecodedLength(end - start);
    if (room > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(room * 2);
    const length = huffmanDecode(bytes, start, end, this.#scratch);
    return length < 0 ? undefined : this.#scratch.toString('latin1', 0, length);
  }

  #nextSerial(): number {
    this.#fieldSerial = (this.#fieldSerial + 1) & 0x3fff_ffff;
    if (this.#fieldSerial === 0) this.#fieldSerial = 1;
    return this.#fieldSerial;
  }

  #nextNameSerial(): number {
    this.#nameSerial = (this.#nameSerial + 1) & 0x3fff_ffff;
    return this.#nameSerial;
  }
}

// FNV-1a, folded so that the low bits depend on all of it.
const fold = (hash: number): number => hash ^ (hash >>> 15) ^ (hash >>> 7);

function hashOctets(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = Math.imul(seed + 0x811c, 0x0100_0193) ^ 0x811c_9dc5;
  for (let i = start; i < end; i += 1) hash = Math.imul(hash ^ (bytes[i] as number), 0x0100_0193);
  return fold(hash);
}

// Of long texts only the ends and some of the middle are hashed: looking at each character costs more than a wrong guess.
const WHOLE_LENGTH = 24;
const END_LENGTH = 8;
const MIDDLE_STRIDE = 8;

function hashText(text: string, seed: number): number {
  const { length } = text;
  let hash = Math.imul(seed + 0x811c, 0x0100_0193) ^ 0x811c_9dc5 ^ length;
  const step = length > WHOLE_LENGTH ? MIDDLE_STRIDE : 1;
  for (let i = 0; i < length; i += step) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  if (step > 1)
    for (let i = length - END_LENGTH; i < length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return fold(hash);
}

/** A slice would keep the whole head that it is a part of. */
const ownCopy = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

function sameOctets(kept: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (kept.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (kept[i] !== bytes[start + i]) return false;
  return true;
}
