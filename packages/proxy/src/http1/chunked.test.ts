import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkedDecoder } from './chunked.ts';
import type { HeadLimits } from './head-parser.ts';

interface Decoded {
  readonly data: string;
  readonly end: 'end' | 'invalid' | 'more';
  /** Bytes used, once at the end. */
  readonly used: number;
}

function decode(bytes: Buffer, cuts: readonly number[], limits?: HeadLimits): Decoded {
  const decoder = new ChunkedDecoder(limits);
  let data = '';
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    for (let at = from; at < to; at = decoder.at) {
      const event = decoder.next(bytes, at, to);
      if (event === 'data') data += bytes.toString('latin1', decoder.dataStart, decoder.dataEnd);
      else if (event === 'end') return { data, end: 'end', used: decoder.at };
      else if (event === 'invalid') return { data, end: 'invalid', used: 0 };
      else break;
    }
    from = to;
  }
  return { data, end: 'more', used: 0 };
}

const chunk = fc.tuple(
  fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' }),
  fc.constantFrom('', ';a=b', ';x="y z"'),
);
const body = fc
  .tuple(fc.array(chunk, { maxLength: 6 }), fc.constantFrom('', 'X-Sum: 1\r\n', 'A: b\r\nC: d\r\n'))
  .map(([chunks, trailers]) => ({
    bytes: Buffer.from(
      `${chunks.map(([text, extension]) => `${text.length.toString(16)}${extension}\r\n${text}\r\n`).join('')}0\r\n${trailers}\r\nnext`,
      'latin1',
    ),
    text: chunks.map(([text]) => text).join(''),
  }));

describe('ChunkedDecoder', () => {
  it('finds the data and the end, however the bytes are cut', () => {
    fc.assert(
      fc.property(body, fc.array(fc.nat(300)), ({ bytes, text }, cuts) => {
        const expected: Decoded = { data: text, end: 'end', used: bytes.length - 'next'.length };
        const inOrder = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
        expect(decode(bytes, [])).toEqual(expected);
        expect(decode(bytes, inOrder)).toEqual(expected);
        expect(
          decode(
            bytes,
            Array.from(bytes, (_, i) => i),
          ),
        ).toEqual(expected);
      }),
    );
  });

  it('never takes a damaged ending for a whole body', () => {
    fc.assert(
      fc.property(body, fc.nat(), ({ bytes }, at) => {
        const cut = bytes.subarray(0, at % (bytes.length - 'next'.length));
        expect(decode(cut, []).end).not.toBe('end');
      }),
    );
  });
  it('takes as much of extensions and trailers as it is told, and nothing more', () => {
    const run = (text: string) => decode(Buffer.from(text, 'latin1'), [], { maxBytes: 100, maxFields: 3 }).end;
    const extension = (bytes: number): string => `1;${'e'.repeat(bytes - 1)}\r\nx\r\n0\r\n\r\n`;
    expect([run(extension(100)), run(extension(101))]).toEqual(['end', 'invalid']);
    // With the empty line that ends them.
    const trailer = (bytes: number): string => `0\r\na:${'t'.repeat(bytes - 6)}\r\n\r\n`;
    expect([run(trailer(100)), run(trailer(101))]).toEqual(['end', 'invalid']);
    const trailers = (count: number): string => `0\r\n${'a:b\r\n'.repeat(count)}\r\n`;
    expect([run(trailers(3)), run(trailers(4))]).toEqual(['end', 'invalid']);
  });
});
