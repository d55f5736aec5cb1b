import type { JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { messageJson, SCHEMAS } from '../testing/json.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { buildClusters } from './clusters.ts';

const policy = (name: string, spec: object, namespace = 'default'): string =>
  JSON.stringify({ apiVersion: 'weft.dev/v1', kind: 'HealthCheckPolicy', metadata: { name, namespace }, spec });
const rule = JSON.stringify({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'reviews' },
  spec: { host: 'reviews', subsets: [{ name: 'v1', labels: { version: 'v1' } }] },
});

/** The checks of each of reviews' clusters, by subset. */
function checks(...yaml: readonly string[]): Record<string, JsonObject | undefined> {
  const clusters = buildClusters(contextOf(snapshotOf({ yaml: [...yaml, rule].join('\n---\n') }), 'productpage-v1'));
  const of = (subset: string): JsonObject | undefined => {
    const name = `outbound|9080|${subset}|reviews.default.svc.cluster.local`;
    const found = clusters.find((cluster) => cluster.name === name);
    const { healthChecks = [] } = (found && messageJson(SCHEMAS.cluster, found.message)) as {
      healthChecks?: JsonObject[];
    };
    return healthChecks[0];
  };
  return { all: of(''), v1: of('v1') };
}

describe('a health check policy', () => {
  it('by HTTP has thresholds that hold for every answer, and asks also what nobody calls', () => {
    expect(checks(policy('a', { host: 'reviews', http: { path: '/well', headers: { 'x-a': 'b' } } }))['all']).toEqual({
      timeout: '3s',
      interval: '10s',
      noTrafficInterval: '10s',
      intervalJitterPercent: 10,
      unhealthyThreshold: 3,
      healthyThreshold: 2,
      httpHealthCheck: {
        path: '/well',
        host: 'reviews.default.svc.cluster.local',
        method: 'GET',
        requestHeadersToAdd: [{ header: { key: 'x-a', value: 'b' } }],
        expectedStatuses: [{ start: '200', end: '201' }],
        retriableStatuses: [{ start: '100', end: '600' }],
      },
    });
  });

  it('by TCP says bytes in hexadecimal; by gRPC names the service', () => {
    const tcp = checks(policy('a', { host: 'reviews', tcp: { send: 'PING', receive: ['PONG'] }, checkPort: 7 }))['all'];
    expect(tcp).toMatchObject({
      altPort: 7,
      tcpHealthCheck: { send: { text: '50494e47' }, receive: [{ text: '504f4e47' }] },
    });
    expect(checks(policy('a', { host: 'reviews', grpc: { service: 's' }, interval: '1s' }))['v1']).toMatchObject({
      interval: '1s',
      grpcHealthCheck: { serviceName: 's' },
    });
  });

  it('holds for the subset and port that it names, and the most precise one wins', () => {
    const general = policy('a', { host: '*.default.svc.cluster.local', tcp: {} });
    const precise = policy('b', { host: 'reviews', subset: 'v1', http: { path: '/' } });
    const found = checks(general, precise, policy('c', { host: 'reviews', port: 1, grpc: {} }));
    expect(found['all']).toHaveProperty('tcpHealthCheck');
    expect(found['v1']).toHaveProperty('httpHealthCheck');
  });

  it('of the client’s namespace rules over that of the root, and others do not count', () => {
    const root = policy('a', { host: 'reviews.default.svc.cluster.local', tcp: {} }, 'istio-system');
    const foreign = policy('b', { host: 'reviews.default.svc.cluster.local', grpc: {} }, 'elsewhere');
    expect(checks(foreign)['all']).toBeUndefined();
    expect(checks(root, foreign)['all']).toHaveProperty('tcpHealthCheck');
    expect(checks(root, policy('c', { host: 'reviews', http: { path: '/' } }))['all']).toHaveProperty(
      'httpHealthCheck',
    );
  });
});
