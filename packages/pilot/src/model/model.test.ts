import { describe, expect, it } from 'vitest';
import { endpointsOf } from '../snapshot/mesh-snapshot.ts';
import { snapshotOf } from '../testing/snapshots.ts';
import { parseDurationMs } from './duration.ts';
import { compareSpecificity, covers, resolveHost } from './hostname.ts';
import { protocolOf } from './protocol.ts';

describe('host names', () => {
  it('belong to the namespace of the object that says them, when they have no dot', () => {
    expect(resolveHost('Reviews', 'foo', 'cluster.local')).toBe('reviews.foo.svc.cluster.local');
    expect(resolveHost('reviews.bar', 'foo', 'cluster.local')).toBe('reviews.bar');
    expect(resolveHost('*', 'foo', 'cluster.local')).toBe('*');
  });
  it.each([
    ['*.foo.com', 'a.foo.com', true],
    ['*.foo.com', 'a.b.foo.com', true],
    ['*.foo.com', 'foo.com', false],
    ['*.foo.com', '*.b.foo.com', true],
    ['*.b.foo.com', '*.foo.com', false],
    ['*', 'anything', true],
    ['a.com', 'a.com', true],
    ['a.com', '*', false],
  ])('%s covers %s: %s', (pattern, host, expected) => expect(covers(pattern, host)).toBe(expected));
  it('sort the most specific first', () => {
    expect(['*', '*.com', 'z.a.com', '*.a.com', 'b.com'].sort(compareSpecificity)).toEqual([
      'b.com',
      'z.a.com',
      '*.a.com',
      '*.com',
      '*',
    ]);
  });
});

describe('port protocols', () => {
  it.each([
    [{ name: 'http', number: 1 }, 'http'],
    [{ name: 'http-api', number: 1 }, 'http'],
    [{ name: 'HTTP2-x', number: 1 }, 'http2'],
    [{ name: 'grpc-web-x', number: 1 }, 'grpc-web'],
    [{ name: 'grpc', number: 1 }, 'grpc'],
    [{ name: 'mongo-db', number: 1 }, 'mongo'],
    [{ name: 'httpx', number: 1 }, 'auto'],
    [{ name: '', number: 3306 }, 'tcp'],
    [{ name: 'http', number: 53, protocol: 'UDP' }, 'udp'],
    [{ name: 'x', number: 1, appProtocol: 'kubernetes.io/h2c' }, 'http2'],
    [{ name: 'http', number: 1, appProtocol: 'tcp' }, 'tcp'],
  ] as const)('%j is %s', (port, expected) => expect(protocolOf(port)).toBe(expected));
});

describe('durations', () => {
  it.each([
    ['1.5s', 1500],
    ['100ms', 100],
    ['1h10m', 4_200_000],
    ['0.1s', 100],
    ['500us', 0.5],
    ['5', undefined],
    ['', undefined],
    ['s', undefined],
  ])('%s is %s ms', (text, expected) => expect(parseDurationMs(text)).toBe(expected));
});

describe('services', () => {
  it('without workloads still exist, without endpoints', () => {
    const base = snapshotOf();
    const registry = {
      version: 2,
      meshId: 'm',
      trustDomain: 'cluster.local',
      services: [
        {
          name: 'ghost',
          namespace: 'default',
          hostname: 'ghost.default.svc.cluster.local',
          ports: [{ name: 'http', port: 80 }],
        },
      ],
      workloads: [],
    };
    const snapshot = snapshotOf({ registry });
    expect(snapshot.services.map((service) => [service.hostname, endpointsOf(snapshot, service).length])).toEqual([
      ['ghost.default.svc.cluster.local', 0],
    ]);
    expect(base.services.map((service) => service.name)).toEqual(['details', 'productpage', 'ratings', 'reviews']);
  });
  it('have the virtual IP that their registry gives them', () => {
    const registry = {
      version: 2,
      meshId: 'm',
      trustDomain: 'cluster.local',
      services: [
        {
          name: 'reviews',
          namespace: 'default',
          hostname: 'reviews.default.svc.cluster.local',
          ports: [{ name: 'http', port: 9080 }],
          vip: '10.96.0.7',
        },
      ],
      workloads: [],
    };
    expect(snapshotOf({ registry }).services.map((service) => service.addresses)).toEqual([['10.96.0.7']]);
  });
  it('of Kubernetes objects choose workloads by label and join with what workloads say', () => {
    const snapshot = snapshotOf({
      yaml: `
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: default, annotations: { networking.istio.io/exportTo: '.' } }
spec:
  clusterIP: 10.1.2.3
  selector: { app: reviews }
  ports: [{ port: 80, targetPort: 9080, name: http-web }]
`,
    });
    const reviews = snapshot.services.find((service) => service.name === 'reviews');
    expect(reviews).toMatchObject({
      origin: 'kubernetes',
      addresses: ['10.1.2.3'],
      exportTo: ['.'],
      ports: [{ number: 80 }, { number: 9080 }],
    });
    expect(
      reviews &&
        endpointsOf(snapshot, reviews).map(
          (endpoint) => `${endpoint.servicePort}>${endpoint.address}:${endpoint.port}`,
        ),
    ).toEqual([
      '80>127.66.4.1:9080',
      '80>127.66.5.1:9080',
      '80>127.66.6.1:9080',
      '9080>127.66.4.1:9080',
      '9080>127.66.5.1:9080',
      '9080>127.66.6.1:9080',
    ]);
  });
  it('of ServiceEntries have inline endpoints, selected WorkloadEntries, or DNS names', () => {
    const snapshot = snapshotOf({
      yaml: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: static, namespace: default }
spec:
  hosts: [db.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 5432, name: tcp-db, protocol: TCP, targetPort: 6000 }]
  workloadSelector: { labels: { app: db } }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: db1, namespace: default }
spec: { address: 10.0.0.9, labels: { app: db, security.istio.io/tlsMode: istio }, serviceAccount: db, ports: { tcp-db: 7000 } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: dns, namespace: default }
spec:
  hosts: [api.example.com]
  resolution: DNS
  ports: [{ number: 443, name: https, protocol: HTTPS }]
`,
    });
    const byHost = Object.fromEntries(
      snapshot.services.map((service) => [service.hostname, endpointsOf(snapshot, service)]),
    );
    expect(byHost['db.example.com']).toMatchObject([
      { address: '10.0.0.9', port: 7000, identity: 'spiffe://cluster.local/ns/default/sa/db', hasSidecar: true },
    ]);
    expect(byHost['api.example.com']).toMatchObject([{ address: 'api.example.com', port: 443, hasSidecar: false }]);
  });
});
