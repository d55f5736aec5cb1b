import { describe, expect, it } from 'vitest';
import { hostnameOf, isLoopback, LOOPBACK_NAMES, refusalOf } from './origin.ts';

const allowed = new Set<string>(LOOPBACK_NAMES);
const refusal = (headers: readonly (readonly [string, string])[], url = '/api/v1/mesh', method = 'GET') =>
  refusalOf({ method, url, rawHeaders: headers.flat() }, allowed, 'http')?.status;

describe('Host', () => {
  it.each(['localhost', 'localhost:20001', '127.0.0.1:20001', '[::1]:20001', 'LOCALHOST'])('accepts %s', (host) => {
    expect(refusal([['Host', host]])).toBeUndefined();
  });
  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    'localhost@evil',
    'localhost:20001:1',
    '',
    ' localhost',
    '0.0.0.0',
    '127.1',
  ])('answers 421 to %j', (host) => expect(refusal([['Host', host]])).toBe(421));
  it('answers 421 when there is no Host, or more than one', () => {
    expect(refusal([])).toBe(421);
    expect(
      refusal([
        ['Host', 'localhost'],
        ['host', 'localhost'],
      ]),
    ).toBe(421);
  });
  it('keeps the brackets of IPv6 names', () => expect(hostnameOf('[::1]:80')).toBe('[::1]'));
});

describe('Origin', () => {
  const host = ['Host', '127.0.0.1:20001'] as const;
  it('accepts its own pages', () => expect(refusal([host, ['Origin', 'http://127.0.0.1:20001']])).toBeUndefined());
  it.each([
    'http://127.0.0.1:3000',
    'https://127.0.0.1:20001',
    'http://localhost:20001',
    'null',
    'http://evil.example',
    '',
  ])('answers 403 to %j', (origin) => expect(refusal([host, ['Origin', origin]])).toBe(403));
  it('answers 403 to what a browser marks as sent by another site, also by another port of this host', () => {
    expect(refusal([host, ['Sec-Fetch-Site', 'cross-site']])).toBe(403);
    expect(refusal([host, ['Sec-Fetch-Site', 'same-site']])).toBe(403);
    expect(refusal([host, ['Sec-Fetch-Site', 'same-origin']])).toBeUndefined();
    expect(refusal([host, ['Sec-Fetch-Site', 'none']])).toBeUndefined();
  });
  it('lets somebody follow a link to a page, not to the API', () => {
    const visit = [host, ['Sec-Fetch-Site', 'cross-site'], ['Sec-Fetch-Mode', 'navigate']] as const;
    expect(refusal(visit, '/traffic')).toBeUndefined();
    expect(refusal(visit, '/api/v1/mesh')).toBe(403);
    expect(refusal(visit, '/traffic', 'POST')).toBe(403);
  });
});

describe('isLoopback', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.66.1.1', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['::ffff:10.0.0.1', false],
    ['1270.0.0.1', false],
    [undefined, false],
  ] as const)('%s: %s', (address, expected) => expect(isLoopback(address)).toBe(expected));
});
