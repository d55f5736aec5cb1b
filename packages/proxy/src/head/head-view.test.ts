import { describe, expect, it } from 'vitest';
import { H1Head } from '../http1/h1-head.ts';
import { HeadParser } from '../http1/head-parser.ts';
import { HpackDecoder } from '../http2/hpack/decoder.ts';
import { FieldTable } from '../http2/hpack/field-table.ts';
import { requestHead } from '../http2/message-rules.ts';
import { FieldsHead } from './fields-head.ts';
import type { HeadView } from './head-view.ts';

const LINES: readonly (readonly [string, string])[] = [
  ['Host', 'h:80'],
  ['X-One', '1'],
  ['Accept', 'a/b'],
  ['x-one', '2'],
  ['X-Odd', ''],
  ['__proto__', 'p'],
];

function fromBytes(): HeadView {
  const parser = new HeadParser('request');
  const bytes = Buffer.from(
    `GET /p?q HTTP/1.1\r\n${LINES.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  );
  parser.parse(bytes, 0, bytes.length);
  const head = new H1Head(parser);
  head.take(bytes, 0);
  return head;
}

function fromFields(): HeadView {
  const head = FieldsHead.request('GET', '/p?q', 'h:80');
  for (const [name, value] of LINES.slice(1)) head.add(name, value);
  return head;
}

/** A block of literals, as simple as HPACK can be. */
function fromDecodedFields(carried = false): HeadView {
  const known = new FieldTable();
  const decoder = new HpackDecoder(known, 4096, { maxBytes: 1000, maxFields: 20 });
  const literal = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  const pairs = [[':method', 'GET'], [':scheme', 'http'], [':path', '/p?q'], ...(carried ? LINES : [[':authority', 'h:80'], ...LINES.slice(1)])]; // prettier-ignore
  const block = Buffer.concat(
    pairs.flatMap(([name = '', value = '']) => [
      Buffer.from([0]),
      literal(carried ? name : name.toLowerCase()),
      literal(value),
    ]),
  );
  decoder.decode(block, 0, block.length);
  const { head, malformed } = requestHead(known, decoder.fields, { carried, connect: false });
  expect(malformed).toBe('');
  return head;
}

const linesOf = (head: HeadView): string[] => {
  const lines: string[] = [];
  head.forEach((name, value) => lines.push(`${name.toLowerCase()}: ${value}`));
  return lines;
};

// One suite for every maker of heads.
describe.each([
  ['received bytes', fromBytes],
  ['a list of fields', fromFields],
  ['decoded fields', () => fromDecodedFields()],
  ['decoded fields of HTTP/1.1', () => fromDecodedFields(true)],
])('HeadView over %s', (_, make) => {
  it('reads pseudo-headers and joins lines of one name', () => {
    const head = make();
    expect([':method', ':path', ':authority', ':scheme', 'host', 'x-one', 'accept', 'x-odd', '__proto__', 'nothing', 'constructor'].map((name) => head.get(name))).toEqual([
      'GET', '/p?q', 'h:80', 'http', 'h:80', '1,2', 'a/b', '', 'p', undefined, undefined,
    ]); // prettier-ignore
  });

  it('keeps order and every line', () => {
    expect(linesOf(make())).toEqual(LINES.map(([name, value]) => `${name.toLowerCase()}: ${value}`));
  });

  it('sets in the place of the first line and drops the others', () => {
    const head = make();
    head.set('x-one', 'new');
    head.set('x-new', 'n');
    head.set('x-new', 'm');
    expect(linesOf(head)).toEqual(['host: h:80', 'x-one: new', 'accept: a/b', 'x-odd: ', '__proto__: p', 'x-new: m']);
    expect(head.get('x-one')).toBe('new');
  });

  it('adds and removes', () => {
    const head = make();
    head.add('x-one', '3');
    expect(head.get('x-one')).toBe('1,2,3');
    head.remove('x-one');
    expect(head.has('x-one')).toBe(false);
    expect(linesOf(head)).toEqual(['host: h:80', 'accept: a/b', 'x-odd: ', '__proto__: p']);
    head.set('x-one', 'back');
    expect(head.get('x-one')).toBe('back');
  });

  it('changes method, path and authority, which is host too', () => {
    const head = make();
    head.set(':path', '/new');
    head.set(':method', 'PUT');
    head.set(':authority', 'other');
    expect([head.get(':path'), head.get(':method'), head.get('host'), head.get(':authority')]).toEqual([
      '/new',
      'PUT',
      'other',
      'other',
    ]);
    expect(linesOf(head)[0]).toBe('host: other');
  });
});

describe('H1Head', () => {
  it('writes untouched lines byte for byte', () => {
    const head = fromBytes() as H1Head;
    head.remove('accept');
    head.set('x-odd', 'even');
    head.add('x-last', 'l');
    expect(head.writeFields('')).toBe(
      'Host: h:80\r\nX-One: 1\r\nx-one: 2\r\nX-Odd: even\r\n__proto__: p\r\nx-last: l\r\n',
    );
  });
});
