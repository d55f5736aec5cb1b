import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DER_TAG, DerError, derReader, pemBlocks, readObjectId, readPem, readTime } from './der-reader.ts';
import * as der from './der-writer.ts';

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('DER', () => {
  it('reads what it wrote, for any length', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const content = new Uint8Array(length).fill(7);
      const reader = derReader(der.octetString(content));
      expect(Buffer.from(reader.read(DER_TAG.octetString).content).equals(content)).toBe(true);
      reader.end();
    }
  });

  it('keeps object identifiers', () => {
    const arcs = fc.tuple(
      fc.integer({ min: 0, max: 39 }),
      fc.array(fc.integer({ min: 0, max: 2 ** 31 }), { maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 }), arcs, (first, [second, rest]) => {
        const text = [first, second, ...rest].join('.');
        expect(readObjectId(derReader(der.objectId(text)).read().content)).toBe(text);
      }),
    );
  });

  it('keeps times to the second, on both sides of 2050', () => {
    const range = { min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(2200, 0, 1) / 1000 };
    fc.assert(
      fc.property(fc.integer(range), (seconds) => {
        expect(readTime(derReader(der.time(seconds * 1000)).read())).toBe(seconds * 1000);
      }),
    );
  });

  it('writes integers without a sign and without needless zeros', () => {
    expect(Buffer.from(der.unsignedInteger(hex('00 00 80'))).toString('hex')).toBe('02020080');
    expect(Buffer.from(der.unsignedInteger(hex('00 7f'))).toString('hex')).toBe('02017f');
    expect(Buffer.from(der.unsignedInteger(new Uint8Array())).toString('hex')).toBe('020100');
  });

  it.each([
    ['indefinite length', '30 80 00 00'],
    ['a length in long form that fits the short one', '04 81 01 00'],
    ['a length with leading zeros', '04 82 00 80' + '00'.repeat(128)],
    ['a length that is too long to be real', '04 85 01 00 00 00 00'],
    ['a multi-byte tag', '1f 81 01 00'],
    ['content that ends too early', '04 05 00'],
    ['a length that ends too early', '04 82 01'],
    ['nothing', ''],
  ])('refuses %s', (_, bytes) => {
    expect(() => derReader(hex(bytes)).read()).toThrow(DerError);
  });

  it('refuses times that do not exist or have another form', () => {
    const utc = (text: string) => ({ tag: DER_TAG.utcTime, content: Buffer.from(text), whole: new Uint8Array() });
    for (const text of ['260230000000Z', '261301000000Z', '260101240000Z', '2601010000Z', '260101000000+0100', '']) {
      expect(() => readTime(utc(text))).toThrow(DerError);
    }
  });

  it('never fails in another way than DerError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          const reader = derReader(bytes);
          while (!reader.atEnd) reader.read();
        } catch (error) {
          expect(error).toBeInstanceOf(DerError);
        }
      }),
    );
  });
});

describe('PEM', () => {
  const block = der.pem('CERTIFICATE', Buffer.from('hello'.repeat(20)));

  it('reads what it wrote', () => {
    expect(Buffer.from(readPem('CERTIFICATE', block)).toString()).toBe('hello'.repeat(20));
    expect(block.split('\n').every((line) => line.length <= 64)).toBe(true);
  });

  it('wants exactly one block of the right kind', () => {
    for (const text of ['', 'x', block + block, `${block}x`, block.replaceAll('CERTIFICATE', 'PRIVATE KEY')]) {
      expect(() => readPem('CERTIFICATE', text)).toThrow(DerError);
    }
  });

  it('finds every block of one kind', () => {
    const other = der.pem('PRIVATE KEY', Buffer.from('x'));
    expect(pemBlocks('CERTIFICATE', `# note\n${block}${other}${block.trim()}`)).toEqual([block, block]);
  });
});
