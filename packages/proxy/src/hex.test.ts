import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex16, hex32 } from './hex.ts';

describe('hexadecimal words', () => {
  it('are those of Number.toString, with leading zeros', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), (n) => {
        expect(hex32(n)).toBe(n.toString(16).padStart(8, '0'));
        expect(hex16(n)).toBe((n & 0xffff).toString(16).padStart(4, '0'));
      }),
    );
  });
});
