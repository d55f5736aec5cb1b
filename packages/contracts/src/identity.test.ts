import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { controlPlaneId, parseSpiffeId, principalOf, spiffeId } from './identity.ts';

const REVIEWS = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'bookinfo-reviews' };
const idOfLength = (length: number): string => {
  const head = 'spiffe://cluster.local/ns/default/sa/';
  return head + 'a'.repeat(length - head.length);
};

describe('spiffeId', () => {
  it('writes what parseSpiffeId reads', () => {
    expect(spiffeId(REVIEWS)).toBe('spiffe://cluster.local/ns/default/sa/bookinfo-reviews');
    expect(parseSpiffeId(spiffeId(REVIEWS))).toEqual(REVIEWS);
    expect(controlPlaneId()).toBe('spiffe://cluster.local/ns/weft-system/sa/weft-control-plane');
  });

  it('has room for the longest names of Kubernetes', () => {
    const long = { trustDomain: 'd'.repeat(255), namespace: 'n'.repeat(63), serviceAccount: 's'.repeat(253) };
    expect(parseSpiffeId(spiffeId(long))).toEqual(long);
  });

  it.each([
    ['empty namespace', { namespace: '' }],
    ['empty service account', { serviceAccount: '' }],
    ['a comma', { serviceAccount: 'a,URI:spiffe://x/ns/a/sa/b' }],
    ['a slash', { serviceAccount: 'a/b' }],
    ['dots only', { namespace: '..' }],
    ['a space', { namespace: 'a b' }],
    ['a control byte', { namespace: 'a\n' }],
    ['an upper-case trust domain', { trustDomain: 'Cluster.local' }],
    ['an at sign in the trust domain', { trustDomain: 'a@b' }],
    ['a trust domain that is too long', { trustDomain: 'd'.repeat(256) }],
    ['more than 2048 bytes', { serviceAccount: 's'.repeat(2048) }],
  ])('refuses %s', (_, part) => {
    expect(() => spiffeId({ ...REVIEWS, ...part })).toThrow(RangeError);
  });
});

describe('parseSpiffeId (X509-SVID conformance, row 10 and 11)', () => {
  it.each([
    ['another scheme', 'https://cluster.local/ns/default/sa/reviews'],
    ['an upper-case scheme', 'SPIFFE://cluster.local/ns/default/sa/reviews'],
    ['an upper-case host', 'spiffe://Cluster.local/ns/default/sa/reviews'],
    ['no host', 'spiffe:///ns/default/sa/reviews'],
    ['a port', 'spiffe://cluster.local:80/ns/default/sa/reviews'],
    ['user information', 'spiffe://me@cluster.local/ns/default/sa/reviews'],
    ['percent-encoding in the host', 'spiffe://cluster%2elocal/ns/default/sa/reviews'],
    ['percent-encoding in the path', 'spiffe://cluster.local/ns/default/sa/%72eviews'],
    ['an empty segment', 'spiffe://cluster.local/ns//sa/reviews'],
    ['a doubled slash', 'spiffe://cluster.local//ns/default/sa/reviews'],
    ['a dot segment', 'spiffe://cluster.local/ns/./sa/reviews'],
    ['a dot-dot segment', 'spiffe://cluster.local/ns/default/sa/..'],
    ['a trailing slash', 'spiffe://cluster.local/ns/default/sa/reviews/'],
    ['one segment more', 'spiffe://cluster.local/ns/default/sa/reviews/x'],
    ['one segment less', 'spiffe://cluster.local/ns/default/sa'],
    ['other words', 'spiffe://cluster.local/namespace/default/sa/reviews'],
    ['a query', 'spiffe://cluster.local/ns/default/sa/reviews?x=1'],
    ['a fragment', 'spiffe://cluster.local/ns/default/sa/reviews#x'],
    ['a NUL', 'spiffe://cluster.local/ns/default/sa/reviews\0'],
    ['a newline', 'spiffe://cluster.local/ns/default/sa/reviews\n'],
    ['a letter beyond ASCII', 'spiffe://cluster.local/ns/default/sa/revi\u00e9ws'],
    ['only a trust domain', 'spiffe://cluster.local'],
    ['2049 bytes', idOfLength(2049)],
  ])('refuses %s', (_, id) => {
    expect(parseSpiffeId(id)).toBeUndefined();
  });

  it('takes 2048 bytes', () => {
    expect(parseSpiffeId(idOfLength(2048))).toBeDefined();
  });

  it('accepts only what spiffeId would write', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 20 }), (a, b) => {
        const parsed = parseSpiffeId(`spiffe://cluster.local/ns/${a}/sa/${b}`);
        if (parsed) expect(spiffeId(parsed)).toBe(`spiffe://cluster.local/ns/${a}/sa/${b}`);
      }),
    );
  });
});

describe('principalOf', () => {
  it('leaves the scheme out, and other names as they are', () => {
    expect(principalOf(spiffeId(REVIEWS))).toBe('cluster.local/ns/default/sa/bookinfo-reviews');
    expect(principalOf('https://example.com')).toBe('https://example.com');
  });
});
