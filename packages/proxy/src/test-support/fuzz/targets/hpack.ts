// Header blocks of one direction of a connection: the decoder, which finds fields by their bytes, must read what a plain
// reading reads; what the encoder makes of it must read the same again, in both.
import type { Random } from '@weft/kit';
import { ByteBuilder } from '../../../http2/frames/byte-builder.ts';
import { HpackDecoder } from '../../../http2/hpack/decoder.ts';
import { HpackEncoder } from '../../../http2/hpack/encoder.ts';
import type { Field } from '../../../http2/hpack/field.ts';
import { FieldTable } from '../../../http2/hpack/field-table.ts';
import { type FuzzTarget, must, mustEqual } from '../fuzz-target.ts';
import { randomOf } from '../pieces.ts';
import { type ReferenceField, ReferenceHpack } from '../reference/hpack.ts';

const MAX_BYTES = 512;
const LIMITS = { maxBytes: 1200, maxFields: 20 };
const NO_LIMITS = { maxBytes: 1e6, maxFields: 1e6 };
const TABLE_SIZES = [4096, 0, 64, 200] as const;
/** What is remembered of fields outlives connections; a new memory now and then makes findings easier to repeat. */
const INPUTS_PER_MEMORY = 4096;

/** An input is the size of the table and blocks, each behind a byte for its length. */
export function hpack(): FuzzTarget {
  let known = new FieldTable();
  let inputs = 0;
  return {
    name: 'hpack',
    maxBytes: MAX_BYTES,
    dictionary: HPACK_TOKENS,
    run(input) {
      inputs += 1;
      if (inputs % INPUTS_PER_MEMORY === 0) known = new FieldTable();
      const random = randomOf(input);
      const tableSize = TABLE_SIZES[(input[0] ?? 0) & 3] ?? 0;
      const decoder = new HpackDecoder(known, tableSize, LIMITS);
      const plain = new ReferenceHpack(tableSize);
      const again = random.int(3) === 0 ? new Again(known, random) : undefined;
      let behaviour = '';
      for (let at = 1; at < input.length;) {
        const start = at + 1;
        const end = Math.min(input.length, start + (input[at] ?? 0));
        at = end;
        const result = decoder.decode(input, start, end);
        const wanted = plain.decode(input, start, end);
        if ((result === 'invalid') !== (wanted === 'invalid'))
          throw new Error(`${result}, and plainly ${typeof wanted === 'string' ? wanted : 'done'}`);
        if (typeof wanted === 'string') return `${behaviour}invalid`;
        checkLimits(decoder.fields, wanted, result === 'too-large');
        // Of the last two blocks.
        behaviour = `${behaviour.slice(-4)}${result === 'done' ? 'd' : 'l'}${Math.min(9, decoder.fields.length)}${Math.min(9, plain.entries.length)} `;
        again?.check(decoder.fields);
      }
      return behaviour;
    },
  };
}

/** The fields of every block encoded, and decoded twice. */
class Again {
  readonly #random: Random;
  readonly #encoder = new HpackEncoder();
  readonly #out = new ByteBuilder();
  readonly #decoder: HpackDecoder;
  readonly #plain = new ReferenceHpack(4096);

  constructor(known: FieldTable, random: Random) {
    this.#decoder = new HpackDecoder(known, 4096, NO_LIMITS);
    this.#random = random;
  }

  check(fields: readonly Field[]): void {
    const random = this.#random;
    const out = this.#out;
    if (random.int(4) === 0) this.#encoder.allowTable(random.int(2) === 0 ? random.int(300) : 4096);
    out.length = 0;
    this.#encoder.begin(out);
    for (const field of fields) this.#encoder.write(out, field);
    mustEqual(this.#decoder.decode(out.buffer, 0, out.length), 'done', 'what was encoded can not be decoded');
    checkFields(this.#decoder.fields, fields, 'encoded and decoded');
    const plain = this.#plain.decode(out.buffer, 0, out.length);
    must(typeof plain !== 'string', 'what was encoded can not be decoded plainly');
    checkPlain(fields, plain, 'encoded and plainly decoded');
    for (const { name } of this.#plain.entries) must(!SECRET.has(name), 'a secret is in the table');
    fields.forEach(({ secret, staticIndex }, i) =>
      must(!secret || plain[i]?.never === true || staticIndex !== 0, 'a secret that others may put into tables'),
    );
  }
}

const SECRET = new Set(['authorization', 'proxy-authorization']);

function checkPlain(got: readonly Field[], wanted: readonly ReferenceField[], what: string): void {
  if (got.length !== wanted.length) throw new Error(`${what}: ${got.length} fields for ${wanted.length}`);
  for (let i = 0; i < got.length; i += 1) {
    const [field, plain] = [got[i], wanted[i]];
    if (field?.name.text !== plain?.name || field?.value !== plain?.value)
      throw new Error(`${what}: ${JSON.stringify(field)} for ${JSON.stringify(plain)}`);
  }
}

function checkFields(got: readonly Field[], wanted: readonly Field[], what: string): void {
  const plain = wanted.map(({ name, value }) => ({ name: name.text, value, never: false }));
  checkPlain(got, plain, what);
}

function checkLimits(got: readonly Field[], wanted: readonly ReferenceField[], tooLarge: boolean): void {
  let bytes = 0;
  for (const { name, value } of wanted) bytes += name.length + value.length + 32;
  must(tooLarge === (bytes > LIMITS.maxBytes || wanted.length > LIMITS.maxFields), 'the limits were not kept');
  must(!tooLarge || got.length < wanted.length, 'more was kept than may be');
  checkPlain(got, tooLarge ? wanted.slice(0, got.length) : wanted, 'fields');
}

export const HPACK_TOKENS: readonly Buffer[] = [
  '82', '84', '86', '88', '8f', 'be', 'bf', 'c0', 'ff00', 'ff80808001', 'ffffffff7f', '20', '3f', '3fe11f', '3f00', '3fe21f', '40', '4001610162', '0001610162', '1001610162',
  '418cf1e3c2e5f23a6ba0ab90f4ff', '5f', '0f0d0131', '1f0803616263', '0f', '7f', '7f8001', 'ff', '00', '81ff', '8400000000', '82ffff', '0f17', '4f', '5803666f6f', '0f2003613d62', '62',
].map((text) => Buffer.from(text, 'hex')); // prettier-ignore
