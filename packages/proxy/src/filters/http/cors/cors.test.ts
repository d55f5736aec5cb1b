import type { MessageInitShape } from '@bufbuild/protobuf';
import { CorsPolicySchema, CorsSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/cors/v3/cors';
import { describe, expect, it } from 'vitest';
import { ask, startProxy, type Answer, type TestProxy } from '../../../test-support/harness.ts';
import {
  httpChain,
  listener,
  pack,
  resourceSet,
  routes,
  staticCluster,
  toCluster,
} from '../../../test-support/resources.ts';
import { httpUpstream, type TestServer } from '../../../test-support/upstream.ts';

type PolicyInit = Exclude<MessageInitShape<typeof CorsPolicySchema>, { $typeName: string }>;
type RouteInit = Parameters<typeof toCluster>[1];

const CORS = 'envoy.filters.http.cors';
const POLICY: PolicyInit = {
  allowOriginStringMatch: [
    { matchPattern: { case: 'exact', value: 'https://a.example' } },
    { matchPattern: { case: 'prefix', value: 'https://dev.' } },
    { matchPattern: { case: 'safeRegex', value: { regex: 'https://[a-z]+\\.b\\.example' } } },
  ],
  allowMethods: 'GET,PUT',
  allowHeaders: 'x-token',
  exposeHeaders: 'x-page',
  maxAge: '600',
  allowCredentials: true,
};

/** Counts its calls, and says something of its own about origins. */
async function application(): Promise<TestServer & { readonly calls: () => number }> {
  let calls = 0;
  const server = await httpUpstream((_, response) => {
    calls += 1;
    response.setHeader('access-control-allow-origin', 'https://of-the-application.example');
    response.end('made by the application');
  });
  return Object.assign(server, { calls: () => calls });
}

const proxyWith = (
  app: TestServer,
  perFilter: Record<string, ReturnType<typeof pack>>,
  action: RouteInit = {},
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [
          httpChain(routes(toCluster('app', action, { typedPerFilterConfig: perFilter })), {
            httpFilters: [{ name: CORS, configType: { case: 'typedConfig', value: pack(CorsSchema, {}) } }],
          }),
        ]),
      ],
      clusters: [staticCluster('app', [app.port])],
    }),
  );
const withPolicy = (app: TestServer, policy: PolicyInit = POLICY): Promise<TestProxy> =>
  proxyWith(app, { [CORS]: pack(CorsPolicySchema, policy) });

const preflight = (proxy: TestProxy, origin: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask({
    port: proxy.portOf('in'),
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'PUT', ...headers },
  });

describe('a preflight', () => {
  it.each(['https://a.example', 'https://dev.anything', 'https://www.b.example'])(
    'of %s is answered here',
    async (origin) => {
      await using app = await application();
      await using proxy = await withPolicy(app);
      const { status, headers, body } = await preflight(proxy, origin);
      expect([status, body, app.calls()]).toEqual([200, '', 0]);
      expect(headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': 'GET,PUT',
        'access-control-allow-headers': 'x-token',
        'access-control-max-age': '600',
      });
      expect(headers['access-control-expose-headers']).toBeUndefined();
      expect(headers['x-weft-reason']).toBeUndefined();
      expect(proxy.records[0]).toMatchObject({ code: 200, details: 'cors_response' });
      expect(proxy.stats.valueOf('http.test.cors.origin_valid')).toBe(1);
    },
  );

  it.each(['https://a.example.evil', 'http://a.example', 'https://A.example', 'null'])(
    'of %s goes on to the application',
    async (origin) => {
      await using app = await application();
      await using proxy = await withPolicy(app);
      const { headers, body } = await preflight(proxy, origin);
      expect([body, app.calls()]).toEqual(['made by the application', 1]);
      expect(headers['access-control-allow-origin']).toBe('https://of-the-application.example');
      expect(headers['access-control-allow-methods']).toBeUndefined();
      expect(proxy.stats.valueOf('http.test.cors.origin_invalid')).toBe(1);
    },
  );

  it('that is not to be forwarded gets no permission, and a reason', async () => {
    await using app = await application();
    await using proxy = await withPolicy(app, { ...POLICY, forwardNotMatchingPreflights: false });
    const { status, headers } = await preflight(proxy, 'https://evil.example');
    expect([status, headers['x-weft-reason'], app.calls()]).toEqual([200, 'cors-origin-refused', 0]);
    expect(headers['access-control-allow-origin']).toBeUndefined();
    // What is no preflight still passes: CORS is for the browser to enforce.
    const plain = await ask({ port: proxy.portOf('in'), headers: { origin: 'https://evil.example' } });
    expect([plain.status, app.calls()]).toEqual([200, 1]);
  });

  it('may ask for a private network only where that is allowed', async () => {
    await using app = await application();
    await using closed = await withPolicy(app);
    await using open = await withPolicy(app, { ...POLICY, allowPrivateNetworkAccess: true });
    const ask_ = { 'access-control-request-private-network': 'true' };
    const name = 'access-control-allow-private-network';
    expect((await preflight(closed, 'https://a.example', ask_)).headers[name]).toBeUndefined();
    expect((await preflight(open, 'https://a.example', ask_)).headers[name]).toBe('true');
  });
});

describe('a request', () => {
  it('of an allowed origin has its answer marked, over what the application says', async () => {
    await using app = await application();
    await using proxy = await withPolicy(app);
    const { headers, body } = await ask({ port: proxy.portOf('in'), headers: { origin: 'https://a.example' } });
    expect(body).toBe('made by the application');
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://a.example',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'x-page',
    });
    expect(headers['access-control-allow-methods']).toBeUndefined();
  });

  it('with OPTIONS and no method to ask for is no preflight', async () => {
    await using app = await application();
    await using proxy = await withPolicy(app);
    const answer = await ask({
      port: proxy.portOf('in'),
      method: 'OPTIONS',
      headers: { origin: 'https://a.example' },
    });
    expect(answer.body).toBe('made by the application');
  });

  it('is marked too when the proxy itself answers', async () => {
    await using app = await application();
    await using proxy = await proxyWith(
      app,
      { [CORS]: pack(CorsPolicySchema, POLICY) },
      { clusterSpecifier: { case: 'cluster', value: 'missing' } },
    );
    const { status, headers } = await ask({ port: proxy.portOf('in'), headers: { origin: 'https://a.example' } });
    expect([status, headers['access-control-allow-origin']]).toEqual([503, 'https://a.example']);
  });

  it('is left alone where no policy holds', async () => {
    await using app = await application();
    const percent = (numerator: number) => ({ defaultValue: { numerator } });
    await using none = await proxyWith(app, {});
    await using shadow = await withPolicy(app, {
      ...POLICY,
      filterEnabled: percent(0),
      shadowEnabled: percent(100),
    });
    for (const proxy of [none, shadow]) {
      const { headers } = await preflight(proxy, 'https://a.example');
      expect(headers['access-control-allow-origin']).toBe('https://of-the-application.example');
    }
    expect(shadow.stats.valueOf('http.test.cors.origin_valid')).toBe(1);
  });
});

describe('a policy', () => {
  it('in the older place of a route counts as well', async () => {
    await using app = await application();
    await using proxy = await proxyWith(
      app,
      {},
      { cors: { allowOriginStringMatch: POLICY.allowOriginStringMatch ?? [], allowMethods: 'DELETE' } },
    );
    const { headers } = await preflight(proxy, 'https://a.example');
    expect(headers['access-control-allow-methods']).toBe('DELETE');
  });

  it('that would break the head is refused', async () => {
    await using app = await application();
    await using proxy = await startProxy(resourceSet({ clusters: [staticCluster('app', [app.port])] }));
    const refused = proxy.path.update(
      resourceSet({
        listeners: [
          listener('in', [
            httpChain(
              routes(
                toCluster(
                  'app',
                  {},
                  { typedPerFilterConfig: { [CORS]: pack(CorsPolicySchema, { maxAge: '1\r\nx: y' }) } },
                ),
              ),
            ),
          ]),
        ],
      }),
    );
    expect(refused[0]?.reason).toContain('access-control-max-age');
  });
});
