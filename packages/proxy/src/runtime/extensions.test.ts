import type { JsonObject } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { TypedStructSchema as UdpaTypedStructSchema } from '@weft/contracts/lean/udpa/type/v1/typed_struct';
import { TypedStructSchema } from '@weft/contracts/lean/xds/type/v3/typed_struct';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, startProxy, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { echoUpstream, type TestServer } from '../test-support/upstream.ts';

// Extensions as istiod and EnvoyFilters send them: some as a TypedStruct, some of Istio's own build of Envoy.

const TYPE = 'type.googleapis.com/';
const RATE_LIMIT = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const NAME = 'envoy.filters.http.local_ratelimit';
const ALL: JsonObject = { runtime_key: 'limiter.on', default_value: { numerator: 100, denominator: 'HUNDRED' } };
const LIMIT: JsonObject = {
  stat_prefix: 'limiter',
  token_bucket: { max_tokens: 2, tokens_per_fill: 2, fill_interval: '3600s' },
  filter_enabled: ALL,
  filter_enforced: ALL,
};

const struct = (typeName: string, value: JsonObject): Any =>
  pack(UdpaTypedStructSchema, { typeUrl: TYPE + typeName, value });
const newerStruct = (typeName: string, value: JsonObject): Any =>
  pack(TypedStructSchema, { typeUrl: TYPE + typeName, value });
const listed = (name: string, value: Any) => ({ name, configType: { case: 'typedConfig' as const, value } });

let app: TestServer;
beforeAll(async () => {
  app = await echoUpstream('app');
});
afterAll(() => app[Symbol.asyncDispose]());

const withFilters = (
  httpFilters: readonly ReturnType<typeof listed>[],
  typedPerFilterConfig: Record<string, Any> = {},
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [
          httpChain(routes(toCluster('app', {}, { typedPerFilterConfig })), { httpFilters: [...httpFilters] }),
        ]),
      ],
      clusters: [staticCluster('app', [app.port])],
    }),
  );
const statuses = async (proxy: TestProxy): Promise<number[]> => {
  const port = proxy.portOf('in');
  return [await ask({ port }), await ask({ port }), await ask({ port })].map(({ status }) => status);
};

describe('extensions in a TypedStruct', () => {
  it.each([
    ['udpa.type.v1', struct],
    ['xds.type.v3', newerStruct],
  ])('%s: the filter is that of the type inside', async (_, wrap) => {
    await using proxy = await withFilters([listed(NAME, wrap(RATE_LIMIT, LIMIT))]);
    expect(await statuses(proxy)).toEqual([200, 200, 429]);
  });

  it('a route says its own in one too', async () => {
    await using proxy = await withFilters([listed(NAME, struct(RATE_LIMIT, { stat_prefix: 'limiter' }))], {
      [NAME]: struct(RATE_LIMIT, LIMIT),
    });
    expect(await statuses(proxy)).toEqual([200, 200, 429]);
  });

  it.each<[string, Any, string]>([
    ['a field that the filter does not have', struct(RATE_LIMIT, { ...LIMIT, burst: 3 }), 'can not be decoded'],
    ['a filter that is not known', struct('acme.Guard', {}), 'acme.Guard is not supported'],
    [
      'bytes that are no struct',
      { ...struct(RATE_LIMIT, LIMIT), value: Uint8Array.of(0x0a, 0x7f) },
      'udpa.type.v1.TypedStruct can not be decoded',
    ],
  ])('refuses %s', async (_, config, reason) => {
    await using proxy = await withFilters([]);
    const rejected = proxy.path.update(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('app')), { httpFilters: [listed('guard', config)] })])],
        clusters: [staticCluster('app', [app.port])],
      }),
    );
    expect(rejected.map((one) => one.reason)).toEqual([expect.stringContaining(reason)]);
  });
});

describe("filters of Istio's own build of Envoy", () => {
  it('are taken: what they do is done elsewhere in this proxy', async () => {
    const alpn: Any = {
      $typeName: 'google.protobuf.Any',
      typeUrl: `${TYPE}istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`,
      // One override of HTTP/1.1.
      value: Uint8Array.of(0x0a, 0x04, 0x12, 0x02, 0x68, 0x32),
    };
    await using proxy = await withFilters([
      listed(
        'istio.metadata_exchange',
        struct('io.istio.http.peer_metadata.Config', { upstream_discovery: [{ istio_headers: {} }] }),
      ),
      listed('istio.alpn', alpn),
      listed('istio.stats', struct('stats.PluginConfig', { disable_host_header_fallback: true })),
    ]);
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
  });
});
