import type { RegistryState } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import { buildProxyResources, diffResources } from '../ads/proxy-resources.ts';
import { affectedBy } from '../push/affected.ts';
import { bookinfo, isolatedBookinfo } from '../testing/registry.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { createEncoder } from './encoder.ts';
import { createMemo } from './memo.ts';
import { buildNames } from './names.ts';

const CONFIG = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside, namespace: default }
spec:
  hosts: [api.example.com, '*.wild.example.com']
  addresses: [240.240.0.1, 240.250.0.0/16]
  ports: [{ number: 443, name: tls, protocol: TLS }]
  resolution: STATIC
  endpoints: [{ address: 198.51.100.7 }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: unaddressed, namespace: default }
spec:
  hosts: [plain.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: hidden, namespace: other }
spec:
  hosts: [hidden.example.com]
  addresses: [240.240.0.9]
  exportTo: ['.']
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: NONE
`;
const SIDECAR = `
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: narrow, namespace: default }
spec:
  egress: [{ hosts: ['./ratings.default.svc.cluster.local', './api.example.com'] }]
`;

const tableOf = (
  registry: RegistryState,
  yaml = '',
  proxy = 'reviews-v1',
): Readonly<Record<string, { readonly ips: readonly string[]; readonly registry: string }>> | undefined =>
  buildNames(contextOf(snapshotOf({ registry, yaml }), proxy))[0]?.message.table;
/** Without a virtual address; the workloads stay. */
const headless = (service: string, state: RegistryState = isolatedBookinfo()): RegistryState => ({
  ...state,
  services: state.services.map(({ vip, ...rest }) =>
    rest.name === service || vip === undefined ? rest : { ...rest, vip },
  ),
});

describe('buildNames', () => {
  it('has the virtual addresses of all that a proxy may call, by host name', () => {
    const table = tableOf(isolatedBookinfo(), CONFIG);
    expect(Object.entries(table ?? {}).map(([host, { ips, registry }]) => [host, registry, ...ips])).toEqual([
      ['*.wild.example.com', 'External', '240.240.0.1'],
      ['api.example.com', 'External', '240.240.0.1'],
      ['details.default.svc.cluster.local', 'Kubernetes', '10.96.0.11'],
      ['mongodb.default.svc.cluster.local', 'Kubernetes', '10.96.0.14'],
      ['mystery.default.svc.cluster.local', 'Kubernetes', '10.96.0.15'],
      ['productpage.default.svc.cluster.local', 'Kubernetes', '10.96.0.10'],
      ['ratings.default.svc.cluster.local', 'Kubernetes', '10.96.0.13'],
      ['reviews.default.svc.cluster.local', 'Kubernetes', '10.96.0.12'],
    ]);
    expect(table?.['reviews.default.svc.cluster.local']).toMatchObject({ shortname: 'reviews', namespace: 'default' });
    expect(table?.['api.example.com']).toMatchObject({ shortname: '', namespace: '' });
  });
  it('is narrowed by a Sidecar', () => {
    expect(Object.keys(tableOf(isolatedBookinfo(), CONFIG + SIDECAR) ?? {})).toEqual([
      'api.example.com',
      'ratings.default.svc.cluster.local',
    ]);
  });
  it('has the instances of a service without a virtual address, as long as they are well', () => {
    const state = headless('reviews');
    const host = 'reviews.default.svc.cluster.local';
    expect(tableOf(state)?.[host]?.ips).toEqual(['10.244.0.4', '10.244.0.5', '10.244.0.6']);
    const ill: RegistryState = {
      ...state,
      workloads: state.workloads.map((one) => (one.name === 'reviews-v2' ? { ...one, health: 'unhealthy' } : one)),
    };
    expect(tableOf(ill)?.[host]?.ips).toEqual(['10.244.0.4', '10.244.0.6']);
  });
  it('is empty where services have no addresses, and absent for gateways', () => {
    expect(tableOf(bookinfo())).toEqual({});
    expect(tableOf(isolatedBookinfo(), CONFIG, 'weft-system/gateway')).toBeUndefined();
  });

  const pushed = (former: RegistryState, next: RegistryState, yaml = ''): readonly string[] => {
    const [a, b] = [snapshotOf({ registry: former, yaml }), snapshotOf({ registry: next, yaml })];
    const encoder = createEncoder();
    const resources = (snapshot: typeof a) => ({
      snapshot,
      proxy: contextOf(snapshot, 'ratings-v1').proxy,
      memo: createMemo(),
      encoder,
    });
    const before = buildProxyResources(resources(a));
    const after = buildProxyResources({ ...resources(b), former: { resources: before, affected: affectedBy(a, b) } });
    return [...diffResources(before, after).keys()];
  };
  it('is pushed when an address changes, and when an instance that stands for its service falls ill', () => {
    const state = isolatedBookinfo();
    const moved = { ...state, services: state.services.map((one) => ({ ...one, vip: `${one.vip ?? ''}9` })) };
    expect(pushed(state, moved)).toContain('nameTable');
    const ill = (from: RegistryState): RegistryState => ({
      ...from,
      workloads: from.workloads.map((one) => (one.name === 'reviews-v2' ? { ...one, health: 'unhealthy' } : one)),
    });
    expect(pushed(state, ill(state))).not.toContain('nameTable');
    const without = headless('reviews');
    expect(pushed(without, ill(without))).toContain('nameTable');
  });
});
