import { describe, expect, it } from 'vitest';
import { messageJson, SCHEMAS } from '../testing/json.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { buildListeners } from './listeners.ts';
import { buildRoutes, routeNames } from './routes.ts';

const policy = (name: string, spec: string, namespace = 'default'): string => `---
apiVersion: weft.dev/v1
kind: LocalRateLimit
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
const BUCKET = 'tokenBucket: { maxTokens: 5, fillInterval: 10s }';
const EDGE = `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { selector: { istio: ingressgateway }, servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop, namespace: default }
spec:
  hosts: [reviews]
  gateways: [edge, mesh]
  http:
    - { name: slow, match: [{ uri: { prefix: /slow } }], route: [{ destination: { host: reviews } }] }
    - { name: rest, route: [{ destination: { host: reviews } }] }
`;

interface Json {
  readonly [key: string]: unknown;
}
/** Every object inside that has this key. */
function findAll(value: unknown, key: string): Json[] {
  if (Array.isArray(value)) return value.flatMap((one) => findAll(one, key));
  if (typeof value !== 'object' || value === null) return [];
  const own = key in value ? [value as Json] : [];
  return [...own, ...Object.values(value).flatMap((one) => findAll(one, key))];
}
const made = (yaml: string, proxy: string) => {
  const context = contextOf(snapshotOf({ yaml: `${EDGE}${yaml}` }), proxy);
  const listeners = buildListeners(context);
  const routes = buildRoutes(context, routeNames(context));
  const limits = (json: unknown): Json[] =>
    findAll(json, 'statPrefix').filter((one) => String(one['@type']).endsWith('LocalRateLimit'));
  const listenerJson = listeners.map(({ message }) => messageJson(SCHEMAS.listener, message as never));
  const routeJson = routes.map(({ message }) => messageJson(SCHEMAS.route, message as never));
  return {
    inListeners: limits(listenerJson),
    inRoutes: findAll(routeJson, 'typedPerFilterConfig')
      .filter(({ typedPerFilterConfig }) => limits(typedPerFilterConfig).length > 0)
      .map(({ name, typedPerFilterConfig }) => [name, Object.keys(typedPerFilterConfig as Json)]),
    rateLimits: findAll([listenerJson, routeJson], 'rateLimits').map(({ rateLimits }) => rateLimits),
  };
};

describe('a LocalRateLimit', () => {
  it('stands in front of the selected workload, on its port', () => {
    const yaml = policy(
      'few',
      `{ selector: { matchLabels: { app: reviews } }, limits: [{ port: 9080, ${BUCKET}, status: 503, enforced: { value: 50 },
        responseHeaders: { x-limited: 'yes' }, rateLimitHeaders: true }, { port: 1, ${BUCKET} }] }`,
    );
    expect(made(yaml, 'reviews-v1').inListeners.at(0)).toMatchObject({
      statPrefix: 'default.few.0',
      status: { code: 'ServiceUnavailable' },
      tokenBucket: { maxTokens: 5, tokensPerFill: 1, fillInterval: '10s' },
      filterEnabled: { defaultValue: { numerator: 1_000_000, denominator: 'MILLION' } },
      filterEnforced: { defaultValue: { numerator: 500_000 } },
      responseHeadersToAdd: [{ header: { key: 'x-limited', value: 'yes' } }],
      enableXRatelimitHeaders: 'DRAFT_VERSION_03',
    });
    expect(new Set(made(yaml, 'reviews-v1').inListeners.map(({ statPrefix }) => statPrefix))).toEqual(
      new Set(['default.few.0']),
    );
    expect(made(yaml, 'productpage-v1').inListeners).toEqual([]);
  });

  it('of the root namespace stands everywhere, one of another namespace nowhere', () => {
    const yaml =
      policy('all', `{ limits: [{ ${BUCKET} }] }`, 'istio-system') +
      policy('other', `{ limits: [{ ${BUCKET} }] }`, 'other');
    for (const proxy of ['reviews-v1', 'productpage-v1', 'weft-system/gateway'])
      expect(new Set(made(yaml, proxy).inListeners.map(({ statPrefix }) => statPrefix))).toEqual(
        new Set(['istio-system.all.0']),
      );
  });

  it('with routes stands on these alone: at gateways and at callers', () => {
    const yaml = policy('slow', `{ limits: [{ routes: [slow], ${BUCKET} }] }`, 'istio-system');
    for (const proxy of ['productpage-v1', 'weft-system/gateway']) {
      const { inListeners, inRoutes } = made(yaml, proxy);
      expect(inListeners.every(({ filterEnabled }) => filterEnabled === undefined)).toBe(true);
      expect(inListeners.length).toBeGreaterThan(0);
      expect(new Set(inRoutes.map((one) => JSON.stringify(one)))).toEqual(
        new Set([JSON.stringify(['slow', ['envoy.filters.http.local_ratelimit.istio-system.slow.0']])]),
      );
    }
  });

  it('counts by descriptors', () => {
    const yaml = policy(
      'users',
      `{ selector: { matchLabels: { app: reviews } }, limits: [{ ${BUCKET},
        rateLimits: [{ actions: [{ requestHeader: { name: x-user, key: user } }, { remoteAddress: {} },
          { headerMatch: { value: free, headers: { x-tier: {}, x-plan: { prefix: f } } } }, { genericKey: { value: api } }] }],
        descriptors: [{ entries: [{ key: user, value: jason }], tokenBucket: { maxTokens: 1, fillInterval: 1s } }] }] }`,
    );
    const { inListeners, rateLimits } = made(yaml, 'reviews-v1');
    expect(inListeners[0]?.['descriptors']).toMatchObject([{ entries: [{ key: 'user', value: 'jason' }] }]);
    expect(rateLimits[0]).toEqual([
      {
        actions: [
          { requestHeaders: { headerName: 'x-user', descriptorKey: 'user' } },
          { remoteAddress: {} },
          {
            headerValueMatch: {
              descriptorValue: 'free',
              expectMatch: true,
              headers: [
                { name: 'x-tier', presentMatch: true },
                { name: 'x-plan', stringMatch: { prefix: 'f' } },
              ],
            },
          },
          { genericKey: { descriptorValue: 'api' } },
        ],
      },
    ]);
  });
});
