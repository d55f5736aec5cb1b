import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { highlight } from './highlight.ts';

const kinds = (line: string): readonly string[] => highlight(line).map(({ kind, text }) => `${kind}:${text}`);

describe('highlight', () => {
  it('knows keys, strings, literals and comments', () => {
    expect(kinds('  - host: "a#b" # why')).toEqual([
      'plain:  - ',
      'key:host',
      'plain::',
      'plain: ',
      'string:"a#b" ',
      'comment:# why',
    ]);
    expect(kinds('timeout: 0.5s')).toContain('literal:0.5s');
    expect(kinds('mode: STRICT')).toContain('plain:STRICT');
    expect(kinds('# all')).toEqual(['comment:# all']);
    expect(kinds('url: http://a#b')).not.toContain('comment:#b');
  });
  it('never changes the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (line) => {
        const one = line.replaceAll('\n', ' ');
        expect(
          highlight(one)
            .map(({ text }) => text)
            .join(''),
        ).toBe(one);
      }),
    );
  });
});
