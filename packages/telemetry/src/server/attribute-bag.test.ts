import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CompressedAttributesSchema, ReferencedAttributesSchema } from '@weft/contracts/full/mixer/v1/attributes';
import {
  CheckRequestSchema,
  ReportRequest_RepeatedAttributesSemantics,
  ReportRequestSchema,
} from '@weft/contracts/full/mixer/v1/mixer';
import { GLOBAL_WORDS } from '@weft/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAttributes, decodeReport, trackingBag } from './attribute-bag.ts';
import { encodeReferences } from './referenced.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/[^0-9a-f]/g, ''), 'hex'));

// Written by hand from the field numbers, so that a wrong number in the .proto files shows.
const CHECK_REQUEST = bytes(`
  0a 3e
    0a 02 76 33
    0a 07 76 65 72 73 69 6f 6e
    12 05 08 26 10 b4 01
    12 04 08 24 10 01
    1a 05 08 2e 10 80 08
    2a 05 08 e2 02 10 01
    42 08 08 00 12 04 0a 00 00 01
    4a 0a 08 0a 12 06 0a 04 08 03 10 01
  10 de 01
  1a 02 69 64
`);

describe('the wire', () => {
  it('is read by number', () => {
    const request = fromBinary(CheckRequestSchema, CHECK_REQUEST);
    expect(request.globalWordCount).toBe(222);
    expect(request.deduplicationId).toBe('id');
    const { attributes, unknownWords } = decodeAttributes(request.attributes ?? create(CompressedAttributesSchema));
    expect(unknownWords).toEqual([]);
    expect(Object.fromEntries(attributes)).toEqual({
      'request.method': 'GET',
      'request.host': 'v3',
      'request.size': 1024,
      'connection.mtls': true,
      'source.ip': Uint8Array.of(10, 0, 0, 1),
      'source.labels': new Map([['version', 'v3']]),
    });
  });

  it('has Istio’s numbers in the answers', () => {
    const references = encodeReferences(
      [
        { name: 'source.ip', key: undefined, present: true },
        { name: 'source.labels', key: 'zone', present: false },
        { name: 'request.headers', key: 'source.ip', present: true },
      ],
      222,
    );
    expect(Buffer.from(toBinary(ReferencedAttributesSchema, references)).toString('hex')).toBe(
      Buffer.from(
        bytes(`
          0a 04 7a 6f 6e 65
          12 02 10 02
          12 06 08 0a 10 01 20 01
          12 06 08 1e 10 02 20 00
        `),
      ).toString('hex'),
    );
  });

  it('knows 222 words, in their places', () => {
    expect(GLOBAL_WORDS).toHaveLength(222);
    expect([0, 17, 90, 94, 111, 134, 200, 218, 221].map((i) => GLOBAL_WORDS[i])).toEqual([
      'source.ip',
      'request.path',
      'GET',
      "'200'",
      "'0'",
      '0',
      'context.reporter.type',
      '"-"',
      'context.proxy_version',
    ]);
  });
});

describe('dictionaries', () => {
  it('takes words of no dictionary for absent', () => {
    const message = create(CompressedAttributesSchema, { words: ['a'], strings: { 17: -1, 18: -2, 999: -1, 19: 500 } });
    const { attributes, unknownWords } = decodeAttributes(message);
    expect([...attributes]).toEqual([['request.path', 'a']]);
    expect(unknownWords.toSorted((a, b) => a - b)).toEqual([-2, 500, 999]);
  });

  it('shares the default words among bags without their own', () => {
    const request = create(ReportRequestSchema, {
      defaultWords: ['shared'],
      repeatedAttributesSemantics: ReportRequest_RepeatedAttributesSemantics.INDEPENDENT_ENCODING,
      attributes: [{ strings: { 17: -1 } }, { words: ['own'], strings: { 18: -1 } }],
    });
    expect(decodeReport(request).map(({ attributes }) => Object.fromEntries(attributes))).toEqual([
      { 'request.path': 'shared' },
      { 'request.host': 'own' },
    ]);
  });

  it('answers with words of the global dictionary only as far as the other end knows it', () => {
    const seen = [{ name: 'destination.workload.name', key: undefined, present: true }];
    expect(encodeReferences(seen, 222)).toMatchObject({ words: [], attributeMatches: [{ name: 188 }] });
    expect(encodeReferences(seen, 111)).toMatchObject({
      words: ['destination.workload.name'],
      attributeMatches: [{ name: -1 }],
    });
  });
});

describe('delta encoding', () => {
  const value = fc.dictionary(fc.constantFrom('17', '18', '19'), fc.integer({ min: 90, max: 110 }), { minKeys: 0 });

  it('equals the same bags sent whole', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 8 }), (changes) => {
        const delta = create(ReportRequestSchema, { attributes: changes.map((strings) => ({ strings })) });
        let whole: Record<string, number> = {};
        const bags = changes.map((change) => (whole = { ...whole, ...change }));
        const independent = create(ReportRequestSchema, {
          repeatedAttributesSemantics: ReportRequest_RepeatedAttributesSemantics.INDEPENDENT_ENCODING,
          attributes: bags.map((strings) => ({ strings })),
        });
        const plain = (request: typeof delta) =>
          decodeReport(request).map(({ attributes }) => Object.fromEntries(attributes));
        expect(plain(delta)).toEqual(plain(independent));
      }),
    );
  });
});

describe('tracking', () => {
  it('notes each attribute and each key once, with what was found', () => {
    const bag = trackingBag(
      new Map<string, string | ReadonlyMap<string, string>>([
        ['request.path', '/'],
        ['source.labels', new Map([['app', 'a']])],
      ]),
    );
    bag.get('request.path');
    bag.get('request.path');
    bag.get('request.host');
    bag.getKey('source.labels', 'app');
    bag.getKey('source.labels', 'zone');
    bag.getKey('destination.labels', 'app');
    expect(bag.references()).toEqual([
      { name: 'request.path', key: undefined, present: true },
      { name: 'request.host', key: undefined, present: false },
      { name: 'source.labels', key: 'app', present: true },
      { name: 'source.labels', key: 'zone', present: false },
      { name: 'destination.labels', key: 'app', present: false },
    ]);
  });
});
