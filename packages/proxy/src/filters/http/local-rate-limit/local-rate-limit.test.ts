import { type Agent, Agent as HttpAgent } from 'node:http';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FilterConfigSchema, RateLimitSchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { XRateLimitHeadersRFCVersion } from '@weft/contracts/lean/envoy/extensions/common/ratelimit/v3/ratelimit';
import { LocalRateLimitSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { StatusCode } from '@weft/contracts/lean/envoy/type/v3/http_status';
import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { ask, startProxy, type Answer, type TestProxy } from '../../../test-support/harness.ts';
import {
  httpChain,
  listener,
  namedRoutes,
  pack,
  resourceSet,
  routes,
  staticCluster,
  toCluster,
} from '../../../test-support/resources.ts';
import { echoUpstream, type TestServer } from '../../../test-support/upstream.ts';
import { PRIVATE_CELLS, reserveCells, SharedTable } from '../../../shared/shared-cells.ts';
import { TokenBuckets } from './token-bucket.ts';

type Init = Exclude<MessageInitShape<typeof LocalRateLimitSchema>, { $typeName: string }>;
type RateLimitInit = Exclude<MessageInitShape<typeof RateLimitSchema>, { $typeName: string }>;

const FILTER = 'envoy.filters.http.local_ratelimit';
const all = { defaultValue: { numerator: 100 } };
const bucket = (maxTokens: number, seconds = 3600n) => ({ maxTokens, fillInterval: { seconds } });
const LIMIT: Init = { statPrefix: 'lim', filterEnabled: all, filterEnforced: all, tokenBucket: bucket(2) };

const listed = (limit: MessageInitShape<typeof LocalRateLimitSchema>) =>
  ({ name: FILTER, configType: { case: 'typedConfig', value: pack(LocalRateLimitSchema, limit) } }) as const;
const perRoute = (limit: Init) => ({ typedPerFilterConfig: { [FILTER]: pack(LocalRateLimitSchema, limit) } });

const withListener = (
  app: TestServer,
  limit: MessageInitShape<typeof LocalRateLimitSchema>,
  rateLimits: readonly RateLimitInit[] = [],
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [
          httpChain(routes(toCluster('app', { rateLimits: [...rateLimits] })), { httpFilters: [listed(limit)] }),
        ]),
      ],
      clusters: [staticCluster('app', [app.port])],
    }),
  );
const statuses = async (proxy: TestProxy, count: number, headers: Record<string, string> = {}): Promise<number[]> => {
  const seen: number[] = [];
  for (let i = 0; i < count; i += 1) seen.push((await ask({ port: proxy.portOf('in'), headers })).status);
  return seen;
};
const headersOf = ({ headers }: Answer, ...names: string[]): unknown[] => names.map((name) => headers[name]);

describe('a token bucket', () => {
  const settings = { maxTokens: 3, tokensPerFill: 2, fillIntervalMs: 100 };
  it('lets a burst pass, then what each interval brings, and never holds more than it may', () => {
    const made = new TokenBuckets(PRIVATE_CELLS).of('k', settings, 1000);
    const take = (nowMs: number, count: number): boolean[] => Array.from({ length: count }, () => made.take(nowMs));
    expect(take(1000, 4)).toEqual([true, true, true, false]);
    expect(take(1099, 1)).toEqual([false]);
    expect(take(1100, 3)).toEqual([true, true, false]);
    expect(take(5000, 4)).toEqual([true, true, true, false]);
    expect([made.remaining, made.secondsToFill(5030)]).toEqual([0, 1]);
  });
  it('gives nothing for a clock that goes back', () => {
    const made = new TokenBuckets(PRIVATE_CELLS).of('k', settings, 1_000_000);
    for (let i = 0; i < 3; i += 1) made.take(1_000_500);
    expect([made.take(900_000), made.take(900_050)]).toEqual([false, false]);
    expect(made.take(900_150)).toBe(true);
  });
  it('is one for all who share its memory', () => {
    const memory = reserveCells(16);
    const [mine, theirs] = [memory, memory].map((one, i) =>
      new TokenBuckets(new SharedTable(one)).of('k', settings, 1_700_000_000_000 + i),
    );
    expect([mine, theirs, mine, theirs].map((one) => one?.take(1_700_000_000_099))).toEqual([true, true, true, false]);
    // The second one's time begins with the first.
    expect([theirs?.take(1_700_000_000_100), mine?.take(1_700_000_000_100)]).toEqual([true, true]);
    expect([mine?.remaining, theirs?.remaining]).toEqual([0, 0]);
  });
  it('stays as it is for the same place and settings', () => {
    const buckets = new TokenBuckets(PRIVATE_CELLS);
    const first = buckets.of('a', settings, 0);
    expect(buckets.of('a', settings, 50)).toBe(first);
    expect(buckets.of('b', settings, 0)).not.toBe(first);
    expect(buckets.of('a', { ...settings, maxTokens: 9 }, 0)).not.toBe(first);
  });
});

describe('a limit', () => {
  it('answers 429 beyond the burst, with a reason, and fills again', async () => {
    await using app = await echoUpstream('app');
    const clock = new FakeClock();
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [
            httpChain(routes(toCluster('app')), {
              httpFilters: [
                listed({
                  ...LIMIT,
                  tokenBucket: bucket(2, 10n),
                  enableXRatelimitHeaders: XRateLimitHeadersRFCVersion.DRAFT_VERSION_03,
                  responseHeadersToAdd: [{ header: { key: 'x-limited-by', value: '%PROTOCOL%' } }],
                }),
              ],
            }),
          ]),
        ],
        clusters: [staticCluster('app', [app.port])],
      }),
      { clock },
    );
    const port = proxy.portOf('in');
    const first = await ask({ port });
    expect(headersOf(first, 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset')).toEqual([
      '2',
      '1',
      '10',
    ]);
    expect((await ask({ port })).status).toBe(200);
    const over = await ask({ port });
    expect([over.status, over.body]).toEqual([429, 'local_rate_limited']);
    expect(headersOf(over, 'x-weft-reason', 'x-envoy-ratelimited', 'x-ratelimit-remaining', 'x-limited-by')).toEqual([
      'rate-limited',
      'true',
      '0',
      'HTTP/1.1',
    ]);
    clock.advance(10_000);
    expect(await statuses(proxy, 2)).toEqual([200, 429]);
    const counted = ['enabled', 'ok', 'rate_limited', 'enforced'].map((name) =>
      proxy.stats.valueOf(`lim.http_local_rate_limit.${name}`),
    );
    expect(counted).toEqual([5, 3, 2, 2]);
  });

  it('has the status that it names, and gRPC callers their own word', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withListener(app, {
      ...LIMIT,
      tokenBucket: bucket(1),
      status: { code: StatusCode.ServiceUnavailable },
      rateLimitedAsResourceExhausted: true,
    });
    expect(await statuses(proxy, 2)).toEqual([200, 503]);
    const grpc = await ask({ port: proxy.portOf('in'), headers: { 'content-type': 'application/grpc' } });
    expect([grpc.status, grpc.headers['grpc-status']]).toEqual([200, '8']);
  });

  it('that is not enforced only marks the request; one that is not enabled does nothing', async () => {
    await using app = await echoUpstream('app');
    await using marks = await withListener(app, {
      ...LIMIT,
      filterEnforced: { defaultValue: { numerator: 0 } },
      tokenBucket: bucket(1),
      requestHeadersToAddWhenNotEnforced: [{ header: { key: 'x-over', value: 'yes' } }],
    });
    const port = marks.portOf('in');
    const seen = [await ask({ port }), await ask({ port })].map(
      ({ body }) => (JSON.parse(body) as { headers: Record<string, string> }).headers['x-over'],
    );
    expect(seen).toEqual([undefined, 'yes']);
    await using off = await withListener(app, { statPrefix: 's', tokenBucket: bucket(1) });
    expect(await statuses(off, 3)).toEqual([200, 200, 200]);
  });

  it('of a route stands for it alone, and outlives changes beside it', async () => {
    await using app = await echoUpstream('app');
    const at = (prefix: string) => ({ match: { pathSpecifier: { case: 'prefix', value: prefix } } }) as const;
    const set = (extra: string) =>
      resourceSet({
        listeners: [listener('in', [httpChain('r', { httpFilters: [listed({ statPrefix: 'none' })] })])],
        routes: [
          namedRoutes(
            'r',
            toCluster('app', {}, { ...at('/a'), ...perRoute(LIMIT) }),
            toCluster('app', {}, { ...at('/b'), ...perRoute(LIMIT) }),
            toCluster('app', {}, { ...at(extra) }),
            toCluster(
              'app',
              {},
              {
                ...at('/off'),
                typedPerFilterConfig: { [FILTER]: pack(FilterConfigSchema, { disabled: true }) },
              },
            ),
            toCluster(
              'app',
              {},
              {
                ...at('/wrapped'),
                typedPerFilterConfig: {
                  [FILTER]: pack(FilterConfigSchema, {
                    config: pack(LocalRateLimitSchema, { ...LIMIT, tokenBucket: bucket(1) }),
                  }),
                },
              },
            ),
          ),
        ],
        clusters: [staticCluster('app', [app.port])],
      });
    await using proxy = await startProxy(set('/c'));
    const get = async (path: string): Promise<number> => (await ask({ port: proxy.portOf('in'), path })).status;
    expect([await get('/a'), await get('/a'), await get('/a'), await get('/b'), await get('/c')]).toEqual([
      200, 200, 429, 200, 200,
    ]);
    proxy.path.update(set('/d'));
    expect([await get('/a'), await get('/b'), await get('/b'), await get('/d')]).toEqual([429, 200, 429, 200]);
    expect([await get('/wrapped'), await get('/wrapped'), await get('/off')]).toEqual([200, 429, 200]);
  });

  it('may be each connection’s own', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withListener(app, { ...LIMIT, localRateLimitPerDownstreamConnection: true });
    const agents: Agent[] = [
      new HttpAgent({ keepAlive: true, maxSockets: 1 }),
      new HttpAgent({ keepAlive: true, maxSockets: 1 }),
    ];
    const port = proxy.portOf('in');
    const seen: number[][] = [];
    for (const agent of agents) {
      const mine: number[] = [];
      for (let i = 0; i < 3; i += 1) mine.push((await ask({ port, agent })).status);
      seen.push(mine);
    }
    for (const agent of agents) agent.destroy();
    expect(seen).toEqual([
      [200, 200, 429],
      [200, 200, 429],
    ]);
  });
});

describe('descriptors', () => {
  const byUser: RateLimitInit = {
    actions: [{ actionSpecifier: { case: 'requestHeaders', value: { headerName: 'X-User', descriptorKey: 'user' } } }],
  };
  const byTier: RateLimitInit = {
    actions: [
      { actionSpecifier: { case: 'genericKey', value: { descriptorValue: 'api' } } },
      {
        actionSpecifier: {
          case: 'headerValueMatch',
          value: {
            descriptorValue: 'free',
            headers: [
              { name: 'x-tier', headerMatchSpecifier: { case: 'presentMatch', value: true }, invertMatch: true },
            ],
          },
        },
      },
    ],
  };
  const limits = (alwaysConsumeDefaultTokenBucket: boolean): Init => ({
    ...LIMIT,
    tokenBucket: bucket(3),
    alwaysConsumeDefaultTokenBucket,
    descriptors: [
      { entries: [{ key: 'user', value: 'jason' }], tokenBucket: bucket(1) },
      {
        entries: [
          { key: 'generic_key', value: 'api' },
          { key: 'header_match', value: 'free' },
        ],
        tokenBucket: bucket(2),
      },
    ],
  });

  it('have buckets of their own; the others share the default one', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withListener(app, limits(false), [byUser, byTier]);
    const paid = { 'x-tier': 'paid' };
    expect(await statuses(proxy, 2, { ...paid, 'x-user': 'jason' })).toEqual([200, 429]);
    expect(await statuses(proxy, 4, { ...paid, 'x-user': 'anna' })).toEqual([200, 200, 200, 429]);
    expect(await statuses(proxy, 3)).toEqual([200, 200, 429]);
  });

  it('take from the default bucket too unless told otherwise', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withListener(app, limits(true), [byUser, byTier]);
    expect(await statuses(proxy, 2)).toEqual([200, 200]);
    expect(await statuses(proxy, 2, { 'x-tier': 'paid' })).toEqual([200, 429]);
  });

  it('may stand in the filter itself, in place of those of routes', async () => {
    await using app = await echoUpstream('app');
    const own = create(LocalRateLimitSchema, limits(false));
    const field = (no: number, data: Uint8Array) => ({ no, wireType: WireType.LengthDelimited, data });
    const inner = toBinary(RateLimitSchema, create(RateLimitSchema, byUser));
    own.$unknown = [field(17, new BinaryWriter().bytes(inner).finish())];
    await using proxy = await withListener(app, own, [byTier]);
    expect(await statuses(proxy, 2, { 'x-user': 'jason' })).toEqual([200, 429]);
    // Not counted as `byTier` says: of the default bucket.
    expect(await statuses(proxy, 4)).toEqual([200, 200, 200, 429]);
    const shared = create(LocalRateLimitSchema, LIMIT);
    shared.$unknown = [field(16, new BinaryWriter().bytes(new Uint8Array()).finish())];
    const refused = proxy.path.update(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('app')), { httpFilters: [listed(shared)] })])],
      }),
    );
    expect(refused[0]?.reason).toContain('local_cluster_rate_limit');
  });

  it.each<[string, Init, readonly RateLimitInit[], string]>([
    [
      'an interval too short',
      { ...LIMIT, tokenBucket: { maxTokens: 1, fillInterval: { nanos: 1_000_000 } } },
      [],
      'fill_interval',
    ],
    ['no tokens', { ...LIMIT, tokenBucket: { maxTokens: 0, fillInterval: { seconds: 1n } } }, [], 'max_tokens'],
    ['no name', { ...LIMIT, statPrefix: '' }, [], 'stat_prefix'],
    [
      'an entry without value',
      { ...LIMIT, descriptors: [{ entries: [{ key: 'a', value: '' }], tokenBucket: bucket(1) }] },
      [],
      'descriptors[0]',
    ],
    ['an action that is none', LIMIT, [{ actions: [{}] }], 'rate_limits[0].actions[0]'],
  ])('with %s are refused', async (_, limit, rateLimits, reason) => {
    await using app = await echoUpstream('app');
    await using proxy = await startProxy(resourceSet({ clusters: [staticCluster('app', [app.port])] }));
    const refused = proxy.path.update(
      resourceSet({
        listeners: [
          listener('in', [
            httpChain(routes(toCluster('app', { rateLimits: [...rateLimits] })), { httpFilters: [listed(limit)] }),
          ]),
        ],
      }),
    );
    expect(refused[0]?.reason).toContain(reason);
  });
});
