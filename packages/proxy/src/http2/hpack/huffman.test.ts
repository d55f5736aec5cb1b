import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { huffmanDecode, huffmanEncode, huffmanLength, maxDecodedLength } from './huffman.ts';

const decode = (hex: string): string | undefined => {
  const bytes = Buffer.from(hex, 'hex');
  const target = Buffer.alloc(maxDecodedLength(bytes.length));
  const length = huffmanDecode(bytes, 0, bytes.length, target);
  return length < 0 ? undefined : target.toString('latin1', 0, length);
};

const encode = (text: string): string => {
  const target = Buffer.alloc(4 * text.length + 1);
  return target.toString('hex', 0, huffmanEncode(text, target, 0));
};

// Texts and codes of RFC 7541 appendix C.4 and C.6.
const EXAMPLES: readonly (readonly [string, string])[] = [
  ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
  ['no-cache', 'a8eb10649cbf'],
  ['custom-key', '25a849e95ba97d7f'],
  ['custom-value', '25a849e95bb8e8b4bf'],
  ['302', '6402'],
  ['private', 'aec3771a4b'],
  ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
  ['https://www.example.com', '9d29ad171863c78f0b97c8e9ae82ae43d3'],
  ['307', '640eff'],
  ['gzip', '9bd9ab'],
  [
    'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
  ],
];

describe('the Huffman code', () => {
  it.each(EXAMPLES)('codes %s as the examples of RFC 7541 do', (text, code) => {
    expect(encode(text)).toBe(code);
    expect(decode(code)).toBe(text);
    expect(huffmanLength(text)).toBe(code.length / 2);
  });

  it('gives back every text of octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const text = Buffer.from(octets).toString('latin1');
        expect(decode(encode(text))).toBe(text);
      }),
    );
  });

  it('refuses padding of eight bits or more, padding of zeros, and EOS', () => {
    expect(decode('1f')).toBe('a');
    expect(decode('1fff')).toBeUndefined();
    expect(decode('ff')).toBeUndefined();
    expect(decode('18')).toBeUndefined();
    expect(decode('fffffffc')).toBeUndefined();
    expect(decode('1fffffffff')).toBeUndefined();
    expect(decode('')).toBe('');
  });
});
