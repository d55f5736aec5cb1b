import { describe, expect, it } from 'vitest';
import { hello } from '../testing/fake-proxy.ts';
import { peerOf, refusalOf } from './peer.ts';

const identity = (namespace: string) =>
  ({ type: 'identity', identity: { trustDomain: 'cluster.local', namespace, serviceAccount: 'a' } }) as const;

const strict = { requireIdentity: true };

describe('who may report what', () => {
  it('is bound to the namespace of the certificate', () => {
    expect(refusalOf(hello(), identity('default'), strict)).toBeUndefined();
    expect(refusalOf(hello(), identity('other'), strict)).toMatch(/namespace other/);
    expect(refusalOf(hello({ namespace: 'other' }), identity('default'), strict)).toMatch(/namespace default/);
    expect(refusalOf(hello({ proxy: 'x' }), identity('default'), strict)).toMatch(/no node id/);
  });

  it('is bound to the service account of the workload that it names', () => {
    const accounts: Readonly<Record<string, string>> = { 'productpage-v1': 'a', 'ratings-v1': 'b' };
    const rules = { ...strict, accountOf: (_: string, workload: string) => accounts[workload] };
    const by = (name: string, workload = name) =>
      refusalOf(hello({ proxy: `sidecar~127.1.2.1~${name}.default~d`, workload }), identity('default'), rules);
    expect(by('productpage-v1')).toBeUndefined();
    expect(by('gone-v1')).toBeUndefined();
    expect(by('ratings-v1')).toMatch(/service account a, which is not that of workload default\/ratings-v1/);
    expect(by('productpage-v1', 'ratings-v1')).toMatch(/not that of/);
  });

  it('takes a certificate that is no SVID for none', () => {
    expect(peerOf(undefined)).toEqual({ type: 'plain' });
    const peer = peerOf(Uint8Array.of(1, 2, 3));
    expect(peer.type).toBe('rejected');
    expect(refusalOf(hello(), peer, { requireIdentity: false })).toMatch(/can not be read/);
  });
});
