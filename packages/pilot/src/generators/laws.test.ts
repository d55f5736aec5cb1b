import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import type { RegistryState } from '@weft/contracts';
import type { ConfigObject } from '@weft/contracts/config';
import { buildProxyResources, type ProxyResources } from '../ads/proxy-resources.ts';
import { affectedBy } from '../push/affected.ts';
import { BOOKINFO, bookinfo, registryOf } from '../testing/registry.ts';
import { contextOf, objectsOf, snapshotOf } from '../testing/snapshots.ts';
import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import { createEncoder } from './encoder.ts';
import { createMemo } from './memo.ts';
import { PUSH_ORDER, type ResourceKind } from './resource.ts';

const yamlOf = (name: string): string =>
  readFileSync(new URL(`./testdata/${name}/config.yaml`, import.meta.url), 'utf8');
const OBJECTS = ['bookinfo', 'routing', 'policies'].flatMap((name) => objectsOf(yamlOf(name), `${name}.yaml`));
const PROXIES = ['productpage-v1', 'reviews-v1', 'weft-system/gateway'];
const EXTRA = objectsOf(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec:
  egress: [{ hosts: ['./reviews.default.svc.cluster.local', './ratings.default.svc.cluster.local'] }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ext, namespace: default }
spec:
  hosts: [api.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ratings, namespace: default }
spec:
  host: ratings
  trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }
---
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: default }
spec:
  selector: { app: reviews }
  ports: [{ port: 80, targetPort: 9080, name: http }]
`);

function resourcesOf(snapshot: MeshSnapshot, proxy: string): ProxyResources {
  return buildProxyResources({
    snapshot,
    proxy: contextOf(snapshot, proxy).proxy,
    memo: createMemo(),
    encoder: createEncoder(),
  });
}

/** Name and version of everything, by kind: equal exactly when the bytes are. */
const versions = (resources: ProxyResources, kinds: readonly ResourceKind[] = PUSH_ORDER): unknown =>
  Object.fromEntries(
    kinds.map((kind) => [kind, [...resources.of(kind)].map(([name, resource]) => `${name}@${resource.version}`)]),
  );

const shuffled = <T>(list: readonly T[]): fc.Arbitrary<T[]> =>
  fc.shuffledSubarray([...list], { minLength: list.length });

describe('what a proxy gets', () => {
  it('does not depend on the order in which objects and workloads were found', () => {
    const registry = bookinfo();
    const expected = PROXIES.map((proxy) => versions(resourcesOf(snapshotOf({ objects: OBJECTS, registry }), proxy)));
    fc.assert(
      fc.property(
        shuffled(OBJECTS),
        shuffled(registry.workloads),
        shuffled(registry.services),
        (objects, workloads, services) => {
          const snapshot = snapshotOf({ objects, registry: { ...registry, workloads, services } });
          expect(PROXIES.map((proxy) => versions(resourcesOf(snapshot, proxy)))).toEqual(expected);
        },
      ),
      { numRuns: 20 },
    );
  });

  // A kind that a generator does not read can not change its output.
  const UNREAD: readonly (readonly [kind: string, blind: readonly ResourceKind[]])[] = [
    ['AuthorizationPolicy', ['cluster', 'endpoint', 'route']],
    ['PeerAuthentication', ['cluster', 'route']],
    ['VirtualService', ['cluster', 'endpoint']],
    ['Gateway', ['cluster', 'endpoint']],
  ];
  it.each(UNREAD)('has the same %2$s with and without every %s', (kind, blind) => {
    const all = snapshotOf({ objects: OBJECTS });
    const without = snapshotOf({ objects: OBJECTS.filter((object) => object.kind !== kind) });
    for (const proxy of PROXIES)
      expect(versions(resourcesOf(without, proxy), blind)).toEqual(versions(resourcesOf(all, proxy), blind));
  });

  it('is the same whether made anew or from what it was before and what changed', () => {
    const anyObjects = fc.subarray([...OBJECTS, ...EXTRA]);
    const anyRegistry = fc.subarray([...BOOKINFO]).chain((specs) =>
      fc
        .array(fc.constantFrom('healthy' as const, 'unhealthy' as const, 'draining' as const), {
          minLength: specs.length,
          maxLength: specs.length,
        })
        .map((health) => {
          const all = registryOf(BOOKINFO);
          const names = new Map(
            specs.map((spec, index) => [`${spec.service}-${spec.version ?? 'v1'}`, health[index] ?? 'healthy']),
          );
          // Services stay known; workloads come, go and change their health. The proxies under test stay.
          return {
            ...all,
            workloads: all.workloads
              .filter((workload) => names.has(workload.name) || PROXIES.some((proxy) => proxy.endsWith(workload.name)))
              .map((workload) => ({ ...workload, health: names.get(workload.name) ?? workload.health })),
          } satisfies RegistryState;
        }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(anyObjects, anyRegistry), { minLength: 2, maxLength: 4 }), (steps) => {
        for (const proxy of PROXIES) {
          const encoder = createEncoder();
          let former: { readonly snapshot: MeshSnapshot; readonly resources: ProxyResources } | undefined;
          for (const [objects, registry] of steps as readonly (readonly [readonly ConfigObject[], RegistryState])[]) {
            const snapshot = snapshotOf({ objects, registry });
            const affected = affectedBy(former?.snapshot, snapshot);
            const view = contextOf(snapshot, proxy).proxy;
            const own = affected.workloads.has(`${view.namespace}/${view.name}`);
            const resources = buildProxyResources({
              snapshot,
              proxy: view,
              memo: createMemo(),
              encoder,
              ...(former && !own ? { former: { resources: former.resources, affected } } : {}),
            });
            expect(versions(resources)).toEqual(versions(resourcesOf(snapshot, proxy)));
            former = { snapshot, resources };
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  it('shares the bytes of equal resources between proxies and snapshots', () => {
    const encoder = createEncoder();
    const made = [snapshotOf({ objects: OBJECTS }), snapshotOf({ objects: OBJECTS })].flatMap((snapshot) =>
      ['productpage-v1', 'reviews-v1'].map((proxy) =>
        buildProxyResources({ snapshot, proxy: contextOf(snapshot, proxy).proxy, memo: createMemo(), encoder })
          .of('cluster')
          .get('outbound|9080|v1|reviews.default.svc.cluster.local'),
      ),
    );
    expect(new Set(made.map((resource) => resource?.bytes)).size).toBe(1);
  });
});
