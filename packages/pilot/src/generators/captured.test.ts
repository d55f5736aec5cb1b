import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import type { RegistryState } from '@weft/contracts';
import { TcpProxySchema } from '@weft/contracts/full/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { Cluster_DiscoveryType } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { buildProxyResources, type ProxyResources } from '../ads/proxy-resources.ts';
import { affectedBy } from '../push/affected.ts';
import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import { bookinfo, isolatedBookinfo } from '../testing/registry.ts';
import { routerOf } from '../testing/requests.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { planCaptured } from './captured-plan.ts';
import { buildClusters } from './clusters.ts';
import { createEncoder } from './encoder.ts';
import { buildListeners } from './listeners.ts';
import { createMemo } from './memo.ts';
import { PUSH_ORDER } from './resource.ts';

const contextFor = (yaml: string, workload = 'productpage-v1'): ReturnType<typeof contextOf> =>
  contextOf(snapshotOf({ yaml, registry: isolatedBookinfo() }), workload);

const entry = (name: string, port: string, addresses = '', resolution = 'DNS', created = ''): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default${created === '' ? '' : `, creationTimestamp: "${created}"`} }
spec:
  hosts: [${name}.example.com]
  ${addresses === '' ? '' : `addresses: [${addresses}]`}
  ports: [${port}]
  resolution: ${resolution}
---`;
const withoutAddresses = ({ services }: RegistryState): RegistryState['services'] =>
  services.map(({ name, namespace, hostname, ports }) => ({ name, namespace, hostname, ports }));
const TCP = '{ number: 9000, name: tcp, protocol: TCP }';
const HTTP = '{ number: 9000, name: http, protocol: HTTP }';

const planOf = (yaml: string, port: number): unknown =>
  planCaptured(contextFor(yaml))
    .filter((listener) => listener.port === port)
    .map(({ bind, http, tcp }) => ({
      bind,
      http: http?.targets.map(({ service }) => service.hostname),
      tcp: tcp.map(({ target }) => target.service.hostname),
    }));

describe('what is captured', () => {
  it('routes by every name and address of a service, and lets unknown names out', () => {
    const route = routerOf(contextFor(''), '9080');
    const reviews = 'outbound|9080||reviews.default.svc.cluster.local';
    for (const host of [
      'reviews',
      'reviews.default',
      'reviews.default.svc.cluster.local',
      'REVIEWS:9080',
      '10.96.0.12',
    ])
      expect([host, route({ host }).cluster]).toEqual([host, reviews]);
    expect(route({ host: 'example.com' })).toMatchObject({ route: 'allow_any', cluster: 'PassthroughCluster' });
  });

  it('keeps unknown names in where only the registry may be called', () => {
    const yaml = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec: { outboundTrafficPolicy: { mode: REGISTRY_ONLY } }`;
    const route = routerOf(contextFor(yaml), '9080');
    expect(route({ host: 'example.com' })).toMatchObject({ route: 'block_all', cluster: '' });
    expect(route({ host: 'reviews' }).cluster).toContain('reviews');
  });

  it('lets HTTP and another protocol share a port, told apart by what is said', () => {
    expect(planOf(entry('a', HTTP) + entry('b', TCP), 9000)).toEqual([
      { bind: '0.0.0.0', http: ['a.example.com'], tcp: ['b.example.com'] },
    ]);
  });

  it('gives one address to the older of two services', () => {
    const [old, young] = ['2020-01-01T00:00:00Z', '2024-01-01T00:00:00Z'];
    expect(planOf(entry('a', TCP, '192.0.2.7', 'DNS', young) + entry('b', TCP, '192.0.2.7', 'DNS', old), 9000)).toEqual(
      [{ bind: '192.0.2.7', http: undefined, tcp: ['b.example.com'] }],
    );
    expect(planOf(entry('a', TCP, '', 'DNS', young) + entry('b', TCP, '', 'DNS', old), 9000)).toEqual([
      { bind: '0.0.0.0', http: undefined, tcp: ['b.example.com'] },
    ]);
  });

  it('routes TCP by the address that was dialled', () => {
    const yaml = `${entry('range', TCP, '192.0.2.0/24, 198.51.100.7', 'NONE')}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: range, namespace: default }
spec:
  hosts: [range.example.com]
  tcp:
    - match: [{ destinationSubnets: [192.0.2.64/26, 192.0.2.9] }]
      route: [{ destination: { host: mongodb, port: { number: 27017 } } }]
    - match: [{ destinationSubnets: [192.0.2.64/26] }, { destinationSubnets: [192.0.2.0/30], port: 1 }]
      route: [{ destination: { host: ratings, port: { number: 9080 } } }]
    - route: [{ destination: { host: details, port: { number: 9080 } } }]
    - route: [{ destination: { host: reviews, port: { number: 9080 } } }]`;
    const chainsOf = (name: string): unknown => {
      const { message } = buildListeners(contextFor(yaml)).find((listener) => listener.name === name) ?? {};
      const all = [
        ...(message?.filterChains ?? []),
        ...(message?.defaultFilterChain ? [message.defaultFilterChain] : []),
      ];
      return all.map(({ filterChainMatch, filters }) => {
        const config = filters[0]?.configType;
        const proxy = config?.case === 'typedConfig' ? anyUnpack(config.value, TcpProxySchema) : undefined;
        const ranges = (filterChainMatch?.prefixRanges ?? []).map(
          (range) => `${range.addressPrefix}/${range.prefixLen}`,
        );
        const to = proxy?.clusterSpecifier;
        return [ranges.join(), to?.case === 'cluster' ? to.value : ''];
      });
    };
    const mongodb = 'outbound|27017||mongodb.default.svc.cluster.local';
    const details = 'outbound|9080||details.default.svc.cluster.local';
    expect(chainsOf('0.0.0.0_9000')).toEqual([
      ['192.0.2.64/26,192.0.2.9/32', mongodb],
      ['192.0.2.0/24', details],
      ['', 'PassthroughCluster'],
    ]);
    expect(chainsOf('198.51.100.7_9000')).toEqual([
      ['192.0.2.64/26,192.0.2.9/32', mongodb],
      ['', details],
    ]);
  });

  it('calls a service without a virtual address at its instances, but never the workload itself', () => {
    const registry = isolatedBookinfo();
    const headless: RegistryState = {
      ...registry,
      services: withoutAddresses(registry),
    };
    const binds = (workload: string): readonly string[] =>
      planCaptured(contextOf(snapshotOf({ registry: headless }), workload))
        .filter(({ port }) => port === 27_017)
        .map(({ bind }) => bind);
    expect(binds('productpage-v1')).toEqual(['10.244.0.8']);
    expect(binds('mongodb-v1')).toEqual([]);
  });

  it('binds nothing but the two listeners that rules redirect to', () => {
    const bound = buildListeners(contextFor('')).filter(({ message }) => message.bindToPort ?? true);
    expect(bound.map(({ name }) => name)).toEqual(['virtualInbound', 'virtualOutbound']);
  });

  it('is the same whether made anew or from what it was before and what changed', () => {
    const registry = isolatedBookinfo();
    const headless = (health: 'healthy' | 'unhealthy', without: string): RegistryState => ({
      ...registry,
      services: withoutAddresses(registry),
      workloads: registry.workloads.filter(({ name }) => name !== without).map((workload) => ({ ...workload, health })),
    });
    const passthrough = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ratings, namespace: default }
spec: { host: ratings, trafficPolicy: { loadBalancer: { simple: PASSTHROUGH } } }
---
`;
    const disabled = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: DISABLE } }`;
    const steps = [
      snapshotOf({ registry, yaml: passthrough }),
      snapshotOf({ registry, yaml: passthrough + disabled }),
      snapshotOf({ registry: headless('healthy', ''), yaml: passthrough }),
      snapshotOf({ registry: headless('healthy', 'mongodb-v1') }),
      snapshotOf({ registry: headless('unhealthy', 'mystery-v1') }),
    ];
    const encoder = createEncoder();
    const make = (snapshot: MeshSnapshot, former?: readonly [MeshSnapshot, ProxyResources]): ProxyResources =>
      buildProxyResources({
        snapshot,
        proxy: contextOf(snapshot, 'productpage-v1').proxy,
        memo: createMemo(),
        encoder,
        ...(former ? { former: { resources: former[1], affected: affectedBy(former[0], snapshot) } } : {}),
      });
    const versions = (resources: ProxyResources): unknown =>
      PUSH_ORDER.map((kind) => [...resources.of(kind)].map(([name, { version }]) => `${kind} ${name} ${version}`));
    let former: readonly [MeshSnapshot, ProxyResources] | undefined;
    for (const snapshot of steps) {
      const resources = make(snapshot, former);
      expect(versions(resources)).toEqual(versions(make(snapshot)));
      former = [snapshot, resources];
    }
  });

  it('says that nobody chooses instances where sidecars are dialled, and sends such callers to the balancer', () => {
    const yaml = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ratings, namespace: default }
spec: { host: ratings, trafficPolicy: { loadBalancer: { simple: PASSTHROUGH } } }`;
    const [dialled, redirected] = [
      snapshotOf({ yaml, registry: bookinfo() }),
      snapshotOf({ yaml, registry: isolatedBookinfo() }),
    ];
    expect(dialled.diagnostics).toMatchObject([{ code: 'W0031', object: 'DestinationRule/default/ratings' }]);
    expect(redirected.diagnostics).toEqual([]);
    const typeOf = (snapshot: MeshSnapshot): unknown =>
      buildClusters(contextOf(snapshot, 'productpage-v1')).find(({ name }) => name.includes('ratings'))?.message
        .clusterDiscoveryType.value;
    expect([typeOf(dialled), typeOf(redirected)]).toEqual([
      Cluster_DiscoveryType.EDS,
      Cluster_DiscoveryType.ORIGINAL_DST,
    ]);
  });
});
