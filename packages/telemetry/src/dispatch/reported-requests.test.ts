import { create } from '@bufbuild/protobuf';
import { REPORTED_ATTRIBUTES, STANDARD_ATTRIBUTES } from '@weft/contracts';
import { LogEntry_Direction, LogEntrySchema } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { hasType } from '@weft/expr';
import { describe, expect, it } from 'vitest';
import { bagOfLog } from './reported-requests.ts';

const facts = (_: string, workload: string) => {
  const [app = '', version = ''] = workload.split('-');
  return { labels: { app, version }, service: app };
};
const origin = { workload: 'reviews-v3', namespace: 'default', service: 'reviews', version: 'v3' };
const entry = (direction: LogEntry_Direction, peerWorkload: string) =>
  create(LogEntrySchema, {
    direction,
    protocol: 'HTTP/1.1',
    timeMs: 1000,
    durationMs: 12.5,
    method: 'GET',
    path: '/ratings/0?x=y',
    authority: 'ratings:9080',
    requestId: 'id',
    userAgent: 'node',
    status: 200,
    bytesReceived: 0,
    bytesSent: 48,
    upstreamCluster: 'outbound|9080||ratings.default.svc.cluster.local',
    peerWorkload,
    peerNamespace: 'default',
    sourcePrincipal: 'spiffe://cluster.local/ns/default/sa/a',
    destinationPrincipal: 'spiffe://cluster.local/ns/default/sa/b',
    mutualTls: true,
  });

describe('bagOfLog', () => {
  it('knows both ends of a call, from either side', () => {
    const outbound = bagOfLog(entry(LogEntry_Direction.OUTBOUND, 'ratings-v1'), origin, facts);
    expect(
      ['source.workload.name', 'destination.workload.name', 'destination.service.name', 'context.reporter.kind'].map(
        (name) => outbound.get(name),
      ),
    ).toEqual(['reviews-v3', 'ratings-v1', 'ratings', 'outbound']);
    const inbound = bagOfLog(entry(LogEntry_Direction.INBOUND, 'productpage-v1'), origin, facts);
    expect([inbound.getKey('source.labels', 'app'), inbound.get('destination.service.host')]).toEqual([
      'productpage',
      'reviews.default.svc.cluster.local',
    ]);
    expect(inbound.get('source.principal')).toBe('cluster.local/ns/default/sa/a');
  });
  it('gives each attribute that it promises, in its type, and no other', () => {
    const bag = bagOfLog(entry(LogEntry_Direction.OUTBOUND, 'ratings-v1'), origin, facts);
    for (const [name, type] of STANDARD_ATTRIBUTES) {
      const value = bag.get(name);
      expect([name, value !== undefined]).toEqual([name, REPORTED_ATTRIBUTES.has(name)]);
      if (value !== undefined) expect([name, hasType(value, type)]).toEqual([name, true]);
    }
  });
  it('a caller that is not known has no name', () => {
    const bag = bagOfLog(entry(LogEntry_Direction.INBOUND, ''), origin, facts);
    expect([bag.get('source.workload.name'), bag.get('source.labels')]).toEqual([undefined, undefined]);
  });
});
