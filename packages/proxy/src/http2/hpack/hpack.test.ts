import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBuilder } from '../frames/byte-builder.ts';
import { type DecodeResult, HpackDecoder } from './decoder.ts';
import { DynamicTable } from './dynamic-table.ts';
import { HpackEncoder } from './encoder.ts';
import { FieldTable } from './field-table.ts';
import { IntegerReader, writeInteger } from './integers.ts';

const LIMITS = { maxBytes: 60 * 1024, maxFields: 100 };
type Pairs = readonly (readonly [string, string])[];

const newDecoder = (limits = LIMITS, tableSize = 4096): HpackDecoder =>
  new HpackDecoder(new FieldTable(), tableSize, limits);

function decode(decoder: HpackDecoder, hex: string): DecodeResult | Pairs {
  const block = Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
  const result = decoder.decode(block, 0, block.length);
  return result === 'done' ? decoder.fields.map(({ name, value }) => [name.text, value] as const) : result;
}

/** A block of the encoder for these fields, coded through a table of its own as heads are. */
function encode(encoder: HpackEncoder, known: FieldTable, pairs: Pairs): Buffer {
  const out = new ByteBuilder();
  encoder.begin(out);
  for (const [name, value] of pairs) encoder.write(out, known.field(known.name(name), value));
  return out.buffer.subarray(0, out.length);
}

describe('integers', () => {
  const reader = new IntegerReader();

  it('reads and writes the examples of RFC 7541 appendix C.1', () => {
    const bytes = Buffer.alloc(8);
    expect(writeInteger(bytes, 0, 0, 5, 10)).toBe(1);
    expect(bytes[0]).toBe(10);
    expect(writeInteger(bytes, 0, 0, 5, 1337)).toBe(3);
    expect(bytes.toString('hex', 0, 3)).toBe('1f9a0a');
    expect(reader.read(bytes, 0, 3, 5)).toBe(1337);
    expect(reader.next).toBe(3);
    expect(writeInteger(bytes, 0, 0, 8, 42)).toBe(1);
  });

  it('gives back every value below 2^28 for every prefix', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 28 - 1 }), fc.integer({ min: 1, max: 7 }), (value, bits) => {
        const bytes = Buffer.alloc(8);
        const end = writeInteger(bytes, 0, 0, bits, value);
        expect(reader.read(bytes, 0, end, bits)).toBe(value);
        expect(reader.next).toBe(end);
        expect(reader.read(bytes, 0, end - 1, bits)).toBe(-1);
      }),
    );
  });

  it('refuses what would overflow, also when padded with zeros', () => {
    for (const hex of ['1fffffffffff0f', '1f8080808000', '1fffffffffffffffffff7f']) {
      const bytes = Buffer.from(hex, 'hex');
      expect(reader.read(bytes, 0, bytes.length, 5)).toBe(-1);
    }
  });
});

// RFC 7541 appendix C: blocks of one connection, in order, and what they mean.
const REQUESTS: readonly Pairs[] = [
  [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'www.example.com']],
  [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'www.example.com'], ['cache-control', 'no-cache']],
  [[':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'], [':authority', 'www.example.com'], ['custom-key', 'custom-value']],
]; // prettier-ignore
const RESPONSES: readonly Pairs[] = [
  [[':status', '302'], ['cache-control', 'private'], ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'], ['location', 'https://www.example.com']],
  [[':status', '307'], ['cache-control', 'private'], ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'], ['location', 'https://www.example.com']],
  [[':status', '200'], ['cache-control', 'private'], ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'], ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'], ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1']],
]; // prettier-ignore

describe('HpackDecoder on the examples of RFC 7541 appendix C', () => {
  it.each([
    ['C.3 requests', 4096, REQUESTS, [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ]],
    ['C.4 requests with Huffman code', 4096, REQUESTS, [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ]],
    ['C.5 responses, table of 256', 256, RESPONSES, [
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ]],
    ['C.6 responses with Huffman code, table of 256', 256, RESPONSES, [
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ]],
  ] as const)('%s', (_, tableSize, expected, blocks) => {
    const decoder = newDecoder(LIMITS, tableSize);
    expect(blocks.map((block) => decode(decoder, block))).toEqual(expected);
  }); // prettier-ignore

  it('C.2 each kind of representation', () => {
    expect(decode(newDecoder(), '400a637573746f6d2d6b65790d637573746f6d2d686561646572')).toEqual([
      ['custom-key', 'custom-header'],
    ]);
    expect(decode(newDecoder(), '040c2f73616d706c652f70617468')).toEqual([[':path', '/sample/path']]);
    const decoder = newDecoder();
    expect(decode(decoder, '100870617373776f726406736563726574')).toEqual([['password', 'secret']]);
    expect(decoder.fields[0]?.secret).toBe(true);
    expect(decode(newDecoder(), '82')).toEqual([[':method', 'GET']]);
  });
});

describe('HpackDecoder', () => {
  it.each([
    ['index 0', '80'],
    ['an index behind both tables', 'be'],
    ['a name at an index behind both tables', '7f0001 61'],
    ['an integer that overflows', 'ffffffffffff7f'],
    ['a string that ends too soon', '400a6375'],
    ['a literal without value', '400161'],
    ['a Huffman string with bad padding', '400181ff0161'],
    ['a table larger than allowed', '3fe21f'],
    ['a change of the table behind a field', '8220'],
  ])('refuses %s', (_, block) => {
    expect(decode(newDecoder(), block)).toBe('invalid');
  });

  it('takes changes of the table up to the limit, and forgets what no longer fits', () => {
    const decoder = newDecoder();
    decode(decoder, '400161 0162');
    expect(decode(decoder, '3fe11f be')).toEqual([['a', 'b']]);
    expect(decode(decoder, '20 3fe11f')).toEqual([]);
    expect(decode(decoder, 'be')).toBe('invalid');
  });

  it('counts decoded bytes and fields, and stays usable over the limit', () => {
    const decoder = newDecoder({ maxBytes: 200, maxFields: 3 });
    expect(decode(decoder, '400161 0162 be be be')).toBe('too-large');
    expect(decoder.fields).toHaveLength(3);
    expect(decode(decoder, `4001 63 7f4a ${'64'.repeat(201)}`)).toBe('too-large');
    expect(decoder.fields).toHaveLength(0);
    // What came over the limit is in the table all the same.
    expect(decode(decoder, 'bf')).toEqual([['a', 'b']]);
  });

  it('does not let a name that exists everywhere reach into objects', () => {
    expect(decode(newDecoder(), '4009 5f5f70726f746f5f5f 0161')).toEqual([['__proto__', 'a']]);
  });
});

describe('DynamicTable', () => {
  const known = new FieldTable();
  const field = (name: string, value: string) => known.field(known.name(name), value);

  it('is emptied by an entry larger than itself', () => {
    const table = new DynamicTable(80);
    table.insert(field('a', '1'));
    expect(table.insert(field('b', 'x'.repeat(60)))).toBe(false);
    expect([table.length, table.size]).toEqual([0, 0]);
  });

  it('lets the oldest go first, however often it wraps', () => {
    const table = new DynamicTable(34 * 20);
    for (let i = 0; i < 100; i += 1) table.insert(field('n', String(i % 10)));
    expect(table.length).toBe(20);
    expect([0, 1, 19].map((index) => table.at(index)?.value)).toEqual(['9', '8', '0']);
    expect(table.at(20)).toBeUndefined();
  });
});

describe('HpackEncoder', () => {
  it('uses its table for what comes again', () => {
    const known = new FieldTable();
    const encoder = new HpackEncoder();
    const head: Pairs = [['x-tenant', 'a-tenant-of-ours'], ['content-type', 'application/grpc']]; // prettier-ignore
    const sizes = [0, 1, 2, 3].map(() => encode(encoder, known, head).length);
    expect(sizes[3]).toBe(2);
    expect(sizes[0]).toBeGreaterThan(30);
  });

  it.each([
    ['authorization', 'Bearer abcdefghijklmnopqrstuvwxyz', true],
    ['cookie', 'pin=1234', true],
    ['cookie', 'session=0123456789abcdef0123456789abcdef', false],
  ])('keeps %s: %s out of every table: %s', (name, value, secret) => {
    const known = new FieldTable();
    const encoder = new HpackEncoder();
    for (let i = 0; i < 3; i += 1) encode(encoder, known, [[name, value]]);
    const block = encode(encoder, known, [[name, value]]);
    expect(block.length === 1).toBe(!secret);
    if (secret) expect((block[0] ?? 0) & 0xf0).toBe(0x10);
  });

  it('passes on that a field must not be indexed', () => {
    const known = new FieldTable();
    const decoder = new HpackDecoder(known, 4096, LIMITS);
    const received = Buffer.from('100870617373776f726406736563726574', 'hex');
    for (let i = 0; i < 3; i += 1) {
      decoder.decode(received, 0, received.length);
      const out = new ByteBuilder();
      for (const field of decoder.fields) new HpackEncoder().write(out, field);
      expect((out.buffer[0] ?? 0) & 0xf0).toBe(0x10);
    }
  });

  it('tells a table that shrank and grew both sizes', () => {
    const known = new FieldTable();
    const encoder = new HpackEncoder();
    const head: Pairs = [['x-a', 'b']];
    for (let i = 0; i < 3; i += 1) encode(encoder, known, head);
    encoder.allowTable(0);
    encoder.allowTable(100);
    expect(encode(encoder, known, []).toString('hex')).toBe('203f45');
    encoder.allowTable(2 ** 31);
    expect(encode(encoder, known, []).toString('hex')).toBe('3fe11f');
  });

  const name = fc.oneof(
    fc.constantFrom('x-a', 'x-b', 'accept', 'cookie', 'authorization', 'content-type', ':path'),
    fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/),
  );
  const value = fc.oneof(
    fc.constantFrom('', '1', 'gzip, deflate', 'a'.repeat(300)),
    fc.stringMatching(/^[!-~]{0,60}$/),
  );
  const heads = fc.array(fc.array(fc.tuple(name, value), { maxLength: 12 }), { maxLength: 12 });
  const tableSize = fc.option(fc.integer({ min: 0, max: 5000 }));

  it('is read back by the decoder, whatever the table does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(heads, tableSize), { maxLength: 5 }), (rounds) => {
        const ours = new FieldTable();
        const encoder = new HpackEncoder();
        const decoder = newDecoder();
        for (const [round, size] of rounds) {
          if (size !== null) encoder.allowTable(size);
          for (const head of [...round, ...round]) {
            const block = encode(encoder, ours, head);
            expect(decode(decoder, block.toString('hex'))).toEqual(head);
          }
        }
      }),
    );
  });

  it('reads octets of any kind without failing in any other way than saying so', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 4 }), (blocks) => {
        const decoder = newDecoder({ maxBytes: 500, maxFields: 5 });
        for (const block of blocks)
          expect(['done', 'too-large', 'invalid']).toContain(decoder.decode(Buffer.from(block), 0, block.length));
      }),
      { numRuns: 2000 },
    );
  });
});
