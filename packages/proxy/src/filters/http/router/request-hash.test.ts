import type { HashPolicy } from '@weft/evaluator';
import { describe, expect, it } from 'vitest';
import type { DownstreamConnection } from '../../../http/streams.ts';
import { cookieValue, RequestHash } from './request-hash.ts';

const connection: DownstreamConnection = {
  id: 1,
  remoteAddress: '10.0.0.1',
  directAddress: '10.0.0.1',
  directPort: 4000,
  remotePort: 4000,
  localAddress: '10.0.0.2',
  localPort: 80,
  directLocalAddress: '10.0.0.2',
  directLocalPort: 80,
  filterChain: '',
  secure: false,
  peerPrincipal: '',
  ownPrincipal: '',
  peerFingerprint: '',
  peerSubject: '',
  requestedServerName: '',
  peerWorkload: '',
  peerKey: '',
};
const request = (headers: Record<string, string>, query = '', remoteIp = '192.0.2.7') => ({
  remoteIp,
  query,
  downstream: { connection },
  requestHeader: (name: string): string | undefined => headers[name],
});
const header = (name: string, terminal = false): HashPolicy => ({ kind: 'header', name, terminal });
const cookie = (
  ttlMs: number | undefined,
  path = '',
  attributes: { name: string; value: string }[] = [],
): HashPolicy => ({
  kind: 'cookie',
  name: 'user',
  ttlMs,
  path,
  attributes,
  terminal: false,
});

const hashOf = (policies: readonly HashPolicy[], asked: ReturnType<typeof request>): string => {
  const hash = new RequestHash();
  hash.evaluate(policies, asked);
  return hash.found ? hash.high.toString(16).padStart(8, '0') + hash.low.toString(16).padStart(8, '0') : '';
};

describe('the key of a request', () => {
  it('is XXH64 of the header, the client’s address, or the query parameter', () => {
    expect(hashOf([header('x-user')], request({ 'x-user': 'abc' }))).toBe('44bc2cf5ad770999');
    expect(hashOf([{ kind: 'query-parameter', name: 'user', terminal: false }], request({}, 'a=1&user=abc'))).toBe(
      '44bc2cf5ad770999',
    );
    expect(hashOf([{ kind: 'source-ip', terminal: false }], request({}, '', 'abc'))).toBe('44bc2cf5ad770999');
    expect(hashOf([cookie(undefined)], request({ cookie: 'a=b; user=abc' }))).toBe('44bc2cf5ad770999');
  });

  it('is none when nothing is there', () => {
    expect(hashOf([header('x-user'), cookie(undefined)], request({ cookie: 'other=1' }))).toBe('');
  });

  it('joins several policies, and equal ones do not cancel out', () => {
    const both = hashOf([header('a'), header('b')], request({ a: 'abc', b: 'abc' }));
    expect(both).not.toBe('0000000000000000');
    // 44bc2cf5ad770999 turned left by one, xor itself.
    expect(both).toBe((((0x44bc2cf5ad770999n << 1n) & 0xffff_ffff_ffff_ffffn) ^ 0x44bc2cf5ad770999n).toString(16));
  });

  it('ends at a terminal policy that found something, and only then', () => {
    const asked = request({ a: 'abc', b: 'other' });
    expect(hashOf([header('a', true), header('b')], asked)).toBe('44bc2cf5ad770999');
    expect(hashOf([header('none', true), header('a')], asked)).toBe('44bc2cf5ad770999');
  });
});

describe('a cookie that is not there', () => {
  it('is made, once for the connection, with age, path and attributes', () => {
    const hash = new RequestHash();
    const policies = [
      cookie(3_600_000, '/shop', [
        { name: 'SameSite', value: 'Strict' },
        { name: 'Secure', value: '' },
      ]),
    ];
    hash.evaluate(policies, request({}));
    const first = [hash.high, hash.low];
    expect(hash.setCookie).toMatch(
      /^user="[0-9a-f]{16}"; Max-Age=3600; Path=\/shop; SameSite=Strict; Secure; HttpOnly$/,
    );
    const value = /"(.+)"/.exec(hash.setCookie)?.[1] ?? '';
    hash.evaluate(policies, request({ cookie: `user="${value}"` }));
    expect([hash.high, hash.low]).toEqual(first);
    expect(hash.setCookie).toBe('');
  });

  it('is a session cookie with a ttl of 0, and not made without one', () => {
    const hash = new RequestHash();
    hash.evaluate([cookie(0)], request({}));
    expect(hash.setCookie).toMatch(/^user="[0-9a-f]{16}"; HttpOnly$/);
    hash.evaluate([cookie(undefined)], request({}));
    expect(hash.setCookie).toBe('');
    expect(hash.found).toBe(false);
  });
});

it.each([
  ['a=1; user=2', '2'],
  ['user="x y"', 'x y'],
  ['xuser=1;user=3', '3'],
  ['user', undefined],
  ['', undefined],
])('cookie user of %j is %j', (cookies, value) => {
  expect(cookieValue(cookies, 'user')).toBe(value);
});
