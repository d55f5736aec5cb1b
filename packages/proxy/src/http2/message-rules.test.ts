import { describe, expect, it } from 'vitest';
import { requestHeadText } from '../http1/head-writer.ts';
import { FieldTable } from './hpack/field-table.ts';
import type { H2Head } from './h2-head.ts';
import { type CheckedHead, requestHead, responseHead, trailersHead } from './message-rules.ts';

const known = new FieldTable();
const fields = (lines: readonly string[]) =>
  lines.map((line) => {
    const colon = line.indexOf(':', 1);
    return known.field(known.name(line.slice(0, colon)), line.slice(colon + 1));
  });
const GET = [':method:GET', ':scheme:http', ':path:/a', ':authority:h'];
const request = (...lines: string[]): CheckedHead => requestHead(known, fields(lines));
const lines = (head: H2Head): string[] => {
  const all: string[] = [];
  head.forEach((name, value) => all.push(`${name}: ${value}`));
  return all;
};

describe('a request', () => {
  it.each([
    ['h:443', [], undefined],
    ['h:443', ['content-length:0'], undefined],
    ['h:443', ['content-length:3'], 'bad-request'],
    ['h', [], 'bad-request'],
    ['a,b:443', [], 'missing-host'],
  ])('CONNECT %s with %s', (authority, rest, refused) => {
    const head = fields([':method:CONNECT', `:authority:${authority}`, ...rest]);
    const checked = requestHead(known, head, { carried: false, connect: true });
    if (refused === 'missing-host') expect(checked.malformed).toBe(':authority is not valid');
    else expect([checked.malformed, checked.refused]).toEqual(['', refused]);
  });

  it.each([
    ['no :method', [':scheme:http', ':path:/', ':authority:h']],
    ['no :scheme', [':method:GET', ':path:/', ':authority:h']],
    ['no :path', [':method:GET', ':scheme:http', ':authority:h']],
    ['an empty :path', [':method:GET', ':scheme:http', ':path:', ':authority:h']],
    ['a :path that begins with nothing', [':method:GET', ':scheme:http', ':path:a', ':authority:h']],
    ['a space in :path', [':method:GET', ':scheme:http', ':path:/a b', ':authority:h']],
    ['a line end in :path', [':method:GET', ':scheme:http', ':path:/a\r\nx: y', ':authority:h']],
    ['a fragment in :path', [':method:GET', ':scheme:http', ':path:/a#b', ':authority:h']],
    ['a space in :method', [':method:GET /x', ':scheme:http', ':path:/', ':authority:h']],
    ['an empty :method', [':method:', ':scheme:http', ':path:/', ':authority:h']],
    ['a slash in :authority', [':method:GET', ':scheme:http', ':path:/', ':authority:h/x']],
    ['userinfo in :authority', [':method:GET', ':scheme:http', ':path:/', ':authority:u@h']],
    [':authority that is empty', [':method:GET', ':scheme:http', ':path:/', ':authority:']],
    ['a :scheme that is none', [':method:GET', ':scheme:ht tp', ':path:/', ':authority:h']],
    ['one pseudo-header twice', [...GET, ':path:/b']],
    ['one that nobody knows', [...GET, ':other:x']],
    ['one of responses', [...GET, ':status:200']],
    ['one behind a regular field', [':method:GET', 'a:b', ':scheme:http', ':path:/', ':authority:h']],
    ['upper case in a name', [...GET, 'X-A:b']],
    ['an empty name', [...GET, ':x']],
    ['a space in a name', [...GET, 'a b:c']],
    ['a line end in a value', [...GET, 'a:b\r\nc: d']],
    ['NUL in a value', [...GET, 'a:b\0']],
    ['space around a value', [...GET, 'a: b']],
    ['a tab behind a value', [...GET, 'a:b\t']],
    ['connection', [...GET, 'connection:close']],
    ['keep-alive', [...GET, 'keep-alive:1']],
    ['proxy-connection', [...GET, 'proxy-connection:close']],
    ['transfer-encoding', [...GET, 'transfer-encoding:chunked']],
    ['upgrade', [...GET, 'upgrade:websocket']],
    ['te other than trailers', [...GET, 'te:gzip']],
    ['a host that differs from :authority', [...GET, 'host:other']],
    ['two hosts', [':method:GET', ':scheme:http', ':path:/', 'host:h', 'host:h']],
    ['a content-length that is no number', [...GET, 'content-length:+1']],
    ['two content-lengths', [...GET, 'content-length:1', 'content-length:2']],
    ['the same content-length twice', [...GET, 'content-length:5', 'content-length:5']],
    ['CONNECT with a path', [':method:CONNECT', ':scheme:http', ':path:/', ':authority:h:1']],
    [':protocol without CONNECT', [...GET, ':protocol:websocket']],
    ['extended CONNECT without a path', [':method:CONNECT', ':protocol:websocket', ':scheme:http', ':authority:h']],
  ])('with %s is malformed', (_, given) => {
    expect(request(...given).malformed).not.toBe('');
  });

  it.each([
    ['no host at all', [':method:GET', ':scheme:http', ':path:/'], 'missing-host'],
    ['CONNECT', [':method:CONNECT', ':authority:h:1'], 'connect-refused'],
    ['an asterisk for GET', [':method:GET', ':scheme:http', ':path:*', ':authority:h'], 'bad-request'],
  ])('with %s is refused', (_, given, reason) => {
    expect(request(...given)).toMatchObject({ malformed: '', refused: reason });
  });

  it('may name its host either way, or both when they agree', () => {
    expect(request(...GET).head.get('host')).toBe('h');
    const byHost = request(':method:GET', ':scheme:http', ':path:/', 'host:h', 'a:b');
    expect(byHost).toMatchObject({ malformed: '', refused: undefined });
    expect(lines(byHost.head)).toEqual(['host: h', 'a: b']);
    expect(lines(request(...GET, 'host:H').head)).toEqual(['host: h']);
  });

  it('may ask OPTIONS of the server itself, say te: trailers, and declare its length twice alike', () => {
    expect(request(':method:OPTIONS', ':scheme:http', ':path:*', ':authority:h')).toMatchObject({
      malformed: '',
      refused: undefined,
    });
    expect(request(...GET, 'te:trailers').malformed).toBe('');
    expect(request(...GET, 'content-length:5').contentLength).toBe(5);
  });

  it('has one cookie, however many crumbs came', () => {
    const { head } = request(...GET, 'cookie:a=1', 'x:y', 'cookie:b=2', 'cookie:c=3');
    expect(lines(head)).toEqual(['host: h', 'cookie: a=1; b=2; c=3', 'x: y']);
    expect(head.get('cookie')).toBe('a=1; b=2; c=3');
  });

  it('becomes HTTP/1.1 with one Host in front', () => {
    const { head } = request(...GET, 'x-a:1', 'x-a:2');
    head.set(':path', '/b');
    expect(requestHeadText(head, true)).toBe('GET /b HTTP/1.1\r\nhost: h\r\nx-a: 1\r\nx-a: 2\r\n\r\n');
  });
});

describe('a response', () => {
  it.each([
    ['no :status', ['a:b']],
    [':status that is no number', [':status:2xx']],
    [':status of two digits', [':status:20']],
    ['a pseudo-header of requests', [':status:200', ':path:/']],
    ['a field of HTTP/1.1', [':status:200', 'connection:close']],
    ['an octet that no value has', [':status:200', 'a:b\nc']],
  ])('with %s is malformed', (_, given) => {
    expect(responseHead(known, fields(given)).malformed).not.toBe('');
  });

  it('is taken as it is', () => {
    const { head, contentLength, malformed } = responseHead(known, fields([':status:200', 'content-length:3', 'a:']));
    expect([malformed, contentLength, head.get(':status'), lines(head)]).toEqual([
      '',
      3,
      '200',
      ['content-length: 3', 'a: '],
    ]);
  });
});

it('trailers have no pseudo-headers', () => {
  expect(trailersHead(known, fields(['grpc-status:0'])).malformed).toBe('');
  expect(trailersHead(known, fields([':status:200'])).malformed).not.toBe('');
});
