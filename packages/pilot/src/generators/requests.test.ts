import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BOOKINFO, registryOf } from '../testing/registry.ts';
import { guardOf, routerOf, type TestRequest } from '../testing/requests.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';

const yamlOf = (name: string): string =>
  readFileSync(new URL(`./testdata/${name}/config.yaml`, import.meta.url), 'utf8');
const gatewayYaml = (
  name: string,
  created: string,
  servers = '[{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }]',
): string => `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: default, creationTimestamp: "${created}" }
spec: { selector: { istio: ingressgateway }, servers: ${servers} }
`;
const virtualService = (
  name: string,
  spec: string,
  namespace = 'default',
  created = '2026-01-01T00:00:00Z',
): string => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: "${created}" }
spec: ${spec}
`;
const authorization = (name: string, spec: string, namespace = 'default'): string => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;

describe('host forms', () => {
  const yaml = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec:
  egress: [{ hosts: ['*/*'], port: { number: 9080, protocol: HTTP, name: http }, bind: 127.0.0.99, captureMode: NONE }, { hosts: ['*/*'] }]
---
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: default }
spec: { clusterIP: 10.0.0.7, selector: { app: reviews }, ports: [{ port: 9080, name: http }] }
`;
  const registry = registryOf([...BOOKINFO, { service: 'reviews', index: 9, namespace: 'other', labels: {} }]);
  const route = routerOf(contextOf(snapshotOf({ yaml, registry }), 'productpage-v1'), '127.0.0.99:9080');
  it.each([
    'reviews',
    'reviews.default',
    'reviews.default.svc',
    'reviews.default.svc.cluster.local',
    'reviews.default.svc.cluster.local.',
    '10.0.0.7',
    'REVIEWS:9080',
  ])('%s is reviews', (host) =>
    expect(route({ host }).cluster).toBe('outbound|9080||reviews.default.svc.cluster.local'),
  );
  it('of another namespace need it in the name', () => {
    expect(route({ host: 'reviews.other' }).cluster).toBe('outbound|9080||reviews.other.svc.cluster.local');
  });
  it('that nobody has are refused', () => {
    expect(route({ host: 'unknown.example' }).match?.route.decision).toMatchObject({
      kind: 'direct-response',
      status: 502,
    });
  });
  it('mean the service whose address was dialled, whatever Host says', () => {
    const bound = routerOf(contextOf(snapshotOf(), 'productpage-v1'), '127.66.2.4:9080');
    expect([bound({ host: '127.66.2.4:9080' }).cluster, bound({ host: 'whatever' }).cluster]).toEqual(
      Array(2).fill('outbound|9080||reviews.default.svc.cluster.local'),
    );
  });
  it('carry the port on the HTTP proxy', () => {
    const proxy = routerOf(contextOf(snapshotOf(), 'productpage-v1'), 'http_proxy');
    expect(proxy({ host: 'reviews:9080' }).cluster).toBe('outbound|9080||reviews.default.svc.cluster.local');
    expect(proxy({ host: 'reviews' }).match?.route.decision).toMatchObject({ status: 502 });
  });
});

describe('an HTTP route', () => {
  const jason = { 'end-user': 'jason', 'x-trace': '1' };
  const route = routerOf(contextOf(snapshotOf({ yaml: yamlOf('routing') }), 'productpage-v1'), '127.66.2.4:9080');
  const cases: readonly (readonly [request: TestRequest, expected: string])[] = [
    [{ path: '/reviews/1?page=2', headers: jason }, 'jason.header'],
    [{ path: '/REVIEWS?page=2', headers: jason, method: 'POST' }, 'jason.header'],
    [{ path: '/reviews?page=2', headers: jason, method: 'PUT' }, 'split'],
    [{ path: '/reviews?page=x', headers: jason }, 'split'],
    [{ path: '/reviews', headers: jason }, 'split'],
    [{ path: '/reviews?page=2', headers: { 'end-user': 'jason' } }, 'split'],
    [{ path: '/reviews?page=2', headers: { ...jason, 'x-skip': 'yes' } }, 'split'],
    [{ path: '/reviews?page=2', headers: { ...jason, 'x-skip': 'no' } }, 'jason.header'],
    [{ path: '/reviews?page=2', headers: { ...jason, 'end-user': 'Jason' } }, 'split'],
    [{ path: '/old' }, 'old'],
    [{ path: '/old/' }, 'split'],
    [{ path: '/tea/green' }, 'teapot'],
    [{ path: '/xtea/green' }, 'split'],
    [{ path: '/v2/reviews/1' }, 'rewritten'],
  ];
  it.each(cases)('for %j is %s', (request, expected) => expect(route(request).route).toBe(expected));
  it('with other source labels is not there', () => {
    const other = routerOf(contextOf(snapshotOf({ yaml: yamlOf('routing') }), 'ratings-v1'), '127.66.7.4:9080');
    expect(other({ path: '/reviews/1?page=2', headers: jason }).route).toBe('split');
  });
  it('replaces the matched prefix, and a whole path where it matches by value or any', () => {
    expect(route({ path: '/v2/reviews/1' }).path).toBe('/reviews/1');
    const rewritten = (match: string): string =>
      routerOf(
        contextOf(
          snapshotOf({
            yaml: virtualService(
              'r',
              `{ hosts: [reviews], http: [{ ${match} rewrite: { uri: /new }, route: [{ destination: { host: reviews } }] }] }`,
            ),
          }),
          'productpage-v1',
        ),
        '127.66.2.4:9080',
      )({ path: '/a/b' }).path;
    expect([
      rewritten('match: [{ uri: { exact: /a/b } }],'),
      rewritten('match: [{ uri: { regex: "/a/.*" } }],'),
      rewritten(''),
      rewritten('match: [{ uri: { prefix: /a } }],'),
    ]).toEqual(['/new', '/new', '/new', '/new/b']);
  });
  it('splits by weight, and never sends to a weight of 0', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 10_000; i += 1) {
      const { cluster } = route({ path: '/x' });
      counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([
      'outbound|9080|v1|reviews.default.svc.cluster.local',
      'outbound|9080|v3|reviews.default.svc.cluster.local',
    ]);
    // Binomial n = 10 000, p = 1/2: 3.9 standard deviations of 50.
    for (const count of counts.values()) expect(Math.abs(count - 5000)).toBeLessThan(195);
  });
  it('goes to the subset that was named, though nobody defined it', () => {
    const yaml = virtualService(
      'r',
      '{ hosts: [reviews], http: [{ route: [{ destination: { host: reviews, subset: nope } }] }] }',
    );
    const context = contextOf(snapshotOf({ yaml }), 'productpage-v1');
    expect(routerOf(context, '127.66.2.4:9080')({}).cluster).toBe(
      'outbound|9080|nope|reviews.default.svc.cluster.local',
    );
  });
  it('of the more specific or the older virtual service wins in sidecars, without merging', () => {
    const context = contextOf(
      snapshotOf({
        yaml:
          virtualService(
            'wild',
            '{ hosts: ["*.default.svc.cluster.local"], http: [{ name: wild, route: [{ destination: { host: ratings } }] }] }',
            'default',
            '2025-01-01T00:00:00Z',
          ) +
          virtualService(
            'young',
            '{ hosts: [reviews], http: [{ name: young, route: [{ destination: { host: reviews } }] }] }',
            'default',
            '2026-02-01T00:00:00Z',
          ) +
          virtualService(
            'old',
            '{ hosts: [reviews], http: [{ name: old, match: [{ uri: { prefix: /a } }], route: [{ destination: { host: reviews } }] }] }',
            'default',
            '2026-01-01T00:00:00Z',
          ),
      }),
      'productpage-v1',
    );
    const reviews = routerOf(context, '127.66.2.4:9080');
    expect([reviews({ path: '/a' }).route, reviews({ path: '/b' }).route]).toEqual(['old', 'none']);
    expect(routerOf(context, '127.66.2.3:9080')({}).route).toBe('wild');
  });
});

describe('a virtual service for a host that is no service', () => {
  const yaml =
    virtualService(
      'v',
      '{ hosts: [shop.example], http: [{ name: shop, route: [{ destination: { host: reviews } }] }] }',
    ) + virtualService('t', '{ hosts: [tcp.example], tcp: [{ route: [{ destination: { host: reviews } }] }] }');
  const route = routerOf(contextOf(snapshotOf({ yaml }), 'productpage-v1'), 'http_proxy');
  it('is reached on port 80', () => {
    expect(route({ host: 'shop.example' }).route).toBe('shop');
    expect(route({ host: 'shop.example:81' }).route).toBe('block_all');
  });
  it('is not there when it has no HTTP routes', () => expect(route({ host: 'tcp.example' }).route).toBe('block_all'));
});

describe('a gateway', () => {
  const at = (yaml: string) => routerOf(contextOf(snapshotOf({ yaml }), 'weft-system/gateway'), 'http.8080');
  it('answers 404 where nothing is routed', () => {
    expect(at(gatewayYaml('g', '2026-01-01T00:00:00Z'))({ host: 'a', path: '/' }).route).toBe('none');
    const bookinfo = at(yamlOf('bookinfo'));
    expect(bookinfo({ path: '/productpage' }).cluster).toBe('outbound|9080||productpage.default.svc.cluster.local');
    expect(bookinfo({ path: '/nothing' }).route).toBe('none');
  });
  it('joins virtual services of one host oldest first, with routes that take everything last', () => {
    const route = at(
      gatewayYaml('g', '2026-01-01T00:00:00Z') +
        virtualService(
          'all',
          '{ hosts: [shop.example], gateways: [g], http: [{ name: all, route: [{ destination: { host: reviews } }] }] }',
          'default',
          '2026-01-01T00:00:00Z',
        ) +
        virtualService(
          'one',
          '{ hosts: [shop.example], gateways: [default/g], http: [{ name: one, match: [{ uri: { prefix: /one } }], route: [{ destination: { host: ratings } }] }] }',
          'default',
          '2026-01-02T00:00:00Z',
        ),
    );
    expect([
      route({ host: 'shop.example:8080', path: '/one' }).route,
      route({ host: 'shop.example', path: '/' }).route,
      route({ host: 'else.example' }).route,
    ]).toEqual(['one', 'all', 'none']);
  });
  it('lets in only what its servers’ hosts and namespaces let in', () => {
    const servers =
      '[{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["default/*.example", "other/b.test"] }]';
    const route = at(
      gatewayYaml('g', '2026-01-01T00:00:00Z', servers) +
        virtualService(
          'a',
          '{ hosts: [a.example, b.test], gateways: [g], http: [{ name: a, route: [{ destination: { host: reviews } }] }] }',
        ) +
        virtualService(
          'b',
          '{ hosts: ["*"], gateways: [default/g], http: [{ name: b, route: [{ destination: { host: reviews.default.svc.cluster.local } }] }] }',
          'other',
        ) +
        virtualService(
          'c',
          '{ hosts: [c.example], gateways: [mesh], http: [{ name: c, route: [{ destination: { host: reviews } }] }] }',
        ),
    );
    expect([
      route({ host: 'a.example' }).route,
      route({ host: 'b.test' }).route,
      route({ host: 'c.example' }).route,
    ]).toEqual(['a', 'b', 'none']);
  });
});

describe('authorization', () => {
  const productpage = 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage';
  const guard = (yaml: string, traffic: 'http' | 'tcp' = 'http') => {
    const registry = registryOf(BOOKINFO.map((spec) => (traffic === 'tcp' ? { ...spec, portName: 'tcp' } : spec)));
    return guardOf(contextOf(snapshotOf({ yaml, registry }), 'reviews-v1'), '127.66.4.1_9080');
  };
  it('lets everything through without a policy', () => expect(guard('')({})).toBe('allowed'));
  it('denies everything under a policy without rules, and nothing under one with an empty rule', () => {
    expect(guard(authorization('none', '{}'))({})).toBe('denied');
    expect(guard(authorization('all', '{ rules: [{}] }'))({})).toBe('allowed');
    expect(guard(authorization('deny', '{ action: DENY, rules: [{}] }'))({})).toBe('denied');
  });
  it('of one workload or namespace does not reach another', () => {
    expect(guard(authorization('a', '{ selector: { matchLabels: { app: ratings } } }'))({})).toBe('allowed');
    expect(guard(authorization('a', '{}', 'other'))({})).toBe('allowed');
    expect(guard(authorization('a', '{}', 'istio-system'))({})).toBe('denied');
  });
  it.each([
    [{ method: 'GET', path: '/reviews/1', principal: productpage }, 'allowed'],
    [{ method: 'GET', path: '/a/health', principal: productpage }, 'allowed'],
    [{ method: 'GET', path: '/reviews', principal: productpage }, 'denied'],
    [{ method: 'POST', path: '/reviews/1', principal: productpage }, 'denied'],
    [{ method: 'GET', path: '/reviews/1', principal: productpage, host: 'other' }, 'denied'],
    [
      { method: 'GET', path: '/reviews/1', principal: 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage2' },
      'denied',
    ],
    [{ method: 'GET', path: '/reviews/1' }, 'denied'],
    [
      { method: 'GET', path: '/reviews/1', principal: 'spiffe://cluster.local/ns/weft-system/sa/weft-gateway' },
      'allowed',
    ],
    [
      {
        method: 'GET',
        path: '/reviews/1',
        principal: 'spiffe://cluster.local/ns/weft-system/sa/weft-gateway',
        peerAddress: '10.1.1.1',
      },
      'denied',
    ],
  ] as const)('of the test case says of %j: %s', (request, verdict) => {
    expect(guard(yamlOf('policies'))({ host: 'reviews.default.svc.cluster.local', ...request })).toBe(verdict);
  });
  it('knows negated, prefix, suffix and presence values', () => {
    const deny = guard(
      authorization(
        'd',
        '{ action: DENY, rules: [{ from: [{ source: { notPrincipals: ["*/sa/bookinfo-productpage"] } }] }] }',
      ),
    );
    expect([
      deny({ principal: productpage }),
      deny({ principal: 'spiffe://cluster.local/ns/default/sa/x' }),
      deny({}),
    ]).toEqual(['allowed', 'denied', 'denied']);
    const known = guard(authorization('k', '{ rules: [{ from: [{ source: { principals: ["*"] } }] }] }'));
    expect([known({ principal: productpage }), known({})]).toEqual(['allowed', 'denied']);
  });
  it('on TCP drops what can not be seen: an ALLOW rule allows nothing, a DENY rule denies all the more', () => {
    const allow = authorization('a', '{ rules: [{ to: [{ operation: { methods: [GET] } }] }] }');
    expect(guard(allow, 'tcp')({})).toBe('denied');
    const deny = authorization('d', '{ action: DENY, rules: [{ to: [{ operation: { methods: [GET] } }] }] }');
    expect(guard(deny, 'tcp')({})).toBe('denied');
    const other = authorization(
      'd',
      '{ action: DENY, rules: [{ to: [{ operation: { methods: [GET], ports: ["1"] } }] }] }',
    );
    expect(guard(other, 'tcp')({})).toBe('allowed');
  });
});
