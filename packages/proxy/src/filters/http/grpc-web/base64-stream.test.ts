import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Base64Stream } from './base64-stream.ts';

function decode(text: string, cuts: readonly number[]): string | undefined {
  const stream = new Base64Stream();
  const bytes = Buffer.from(text, 'latin1');
  const parts: Buffer[] = [];
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    const decoded = stream.decode(bytes, from, to, to === bytes.length);
    if (decoded === undefined) return undefined;
    parts.push(Buffer.from(decoded));
    from = to;
  }
  return Buffer.concat(parts).toString('latin1');
}

describe('Base64Stream', () => {
  it('decodes texts that were encoded one by one, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), fc.array(fc.nat(500)), (pieces, at) => {
        const text = pieces.map((piece) => Buffer.from(piece).toString('base64')).join('');
        const cuts = at.map((cut) => cut % (text.length + 1)).filter((cut) => cut < text.length).sort((a, b) => a - b); // prettier-ignore
        expect(decode(text, cuts)).toBe(Buffer.concat(pieces).toString('latin1'));
      }),
    );
  });

  it.each(['A', 'AAA', 'AA=', 'A===', '====', 'AA=A', 'AAAA=', 'A A=', 'AAA\n', 'AA-_', 'AA==A'])(
    'does not take %j',
    (text) => expect(decode(text, [])).toBeUndefined(),
  );
});
