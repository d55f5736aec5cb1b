import { describe, expect, it } from 'vitest';
import { createPeerExchange } from './peer-exchange.ts';
import { workloadOfMetadata } from './workload-labels.ts';

const exchangeOf = (metadata: Record<string, unknown>) =>
  createPeerExchange('sidecar~1.2.3.4~a.b~b', workloadOfMetadata(metadata));
const client = exchangeOf({
  WORKLOAD_NAME: 'reviews-v2',
  NAMESPACE: 'default',
  CLUSTER_ID: 'local',
  LABELS: { app: 'reviews', version: 'v2' },
});
const server = exchangeOf({ WORKLOAD_NAME: 'ratings-v1', NAMESPACE: 'default' });
const PRINCIPAL = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';

describe('peer exchange', () => {
  it('tells the server who calls', () => {
    for (const _ of [1, 2]) expect(server.read(client.metadata, PRINCIPAL)).toBe('reviews-v2;default;reviews;v2;local');
  });
  it.each([
    ['another namespace', client.metadata, 'spiffe://cluster.local/ns/other/sa/x'],
    ['no certificate', client.metadata, ''],
    ['no metadata', '', PRINCIPAL],
    ['bytes that are no message', 'AAAA////', PRINCIPAL],
    ['a very long value', 'A'.repeat(5000), PRINCIPAL],
    ['a separator in a name', exchangeOf({ WORKLOAD_NAME: 'a;b', NAMESPACE: 'default' }).metadata, PRINCIPAL],
    ['a line break in a name', exchangeOf({ WORKLOAD_NAME: 'a\nb', NAMESPACE: 'default' }).metadata, PRINCIPAL],
  ])('believes nothing from %s', (_, metadata, principal) => {
    expect(server.read(metadata, principal)).toBe('');
  });
  it('tells only so many workloads of one account apart', () => {
    const own = exchangeOf({ WORKLOAD_NAME: 'ratings-v1', NAMESPACE: 'default' });
    const claim = (i: number): string =>
      own.read(exchangeOf({ WORKLOAD_NAME: `w${i}`, NAMESPACE: 'default' }).metadata, PRINCIPAL);
    const told = new Set(Array.from({ length: 3_000 }, (_, i) => claim(i)));
    expect(told.size).toBeLessThan(200);
    expect(claim(0)).toMatch(/^w0;/);
    expect(own.read(client.metadata, 'spiffe://cluster.local/ns/default/sa/other')).toMatch(/^reviews-v2;/);
  });
});
