import { describe, expect, it } from 'vitest';
import { hello } from '../testing/fake-proxy.ts';
import { peerOf, refusalOf } from './peer.ts';

const identity = (namespace: string) =>
  ({ type: 'identity', identity: { trustDomain: 'cluster.local', namespace, serviceAccount: 'a' } }) as const;

describe('who may report what', () => {
  it('is bound to the namespace of the certificate', () => {
    expect(refusalOf(hello(), identity('default'), true)).toBeUndefined();
    expect(refusalOf(hello(), identity('other'), true)).toMatch(/namespace other/);
    expect(refusalOf(hello({ namespace: 'other' }), identity('default'), true)).toMatch(/namespace default/);
    expect(refusalOf(hello({ proxy: 'x' }), identity('default'), true)).toMatch(/no node id/);
  });

  it('takes a certificate that is no SVID for none', () => {
    expect(peerOf(undefined)).toEqual({ type: 'plain' });
    const peer = peerOf(Uint8Array.of(1, 2, 3));
    expect(peer.type).toBe('rejected');
    expect(refusalOf(hello(), peer, false)).toMatch(/can not be read/);
  });
});
