import { WireType } from '@bufbuild/protobuf/wire';
import { seededRandom } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import { createRegexEngine } from './regex.ts';
import { ConfigRejectedError } from './rejected.ts';
import { compileRoutes } from './routes.ts';
import { factsOf, routeConfig } from './test-support/builders.ts';

const regex = createRegexEngine();
const random = seededRandom(1);
type Json = Parameters<typeof routeConfig>[0];

const table = (json: Json) => compileRoutes(routeConfig(json), { regex });
const route = (match: Json, cluster: string): Json => ({ match, route: { cluster } });
/** One host `*` with these routes, then `rest` for everything. */
const withMatch = (match: Json) =>
  table({
    name: 'r',
    virtualHosts: [{ name: 'h', domains: ['*'], routes: [route(match, 'hit'), route({ prefix: '' }, 'rest')] }],
  });

describe('hosts', () => {
  const hosts = table({
    name: 'hosts',
    ignorePortInHostMatching: true,
    virtualHosts: [
      'reviews',
      'Reviews.Default',
      '*.example.com',
      '*.a.example.com',
      '*-x.org',
      'api.*',
      'api.v1.*',
      '*',
      '[::1]',
    ].map((domain) => ({ name: domain, domains: [domain], routes: [route({ prefix: '/' }, domain)] })),
  });
  it.each([
    ['reviews', 'reviews'],
    ['REVIEWS:9080', 'reviews'],
    ['reviews.default:1', 'Reviews.Default'],
    ['b.example.com', '*.example.com'],
    ['b.a.example.com', '*.a.example.com'],
    ['.example.com', '*'],
    ['one-x.org', '*-x.org'],
    ['api.anything', 'api.*'],
    ['api.v1.anything', 'api.v1.*'],
    ['api.b.example.com', '*.example.com'],
    ['api.', '*'],
    ['elsewhere', '*'],
    ['[::1]:8080', '[::1]'],
    ['[::1]', '[::1]'],
  ])('%s → %s', (authority, cluster) => {
    for (const _ of [1, 2]) expect(hosts.route(factsOf({ authority }), random)?.cluster).toBe(cluster);
  });
  it('keeps the port where it counts', () => {
    const strict = table({
      name: 's',
      virtualHosts: [{ name: 'h', domains: ['a:80'], routes: [route({ prefix: '/' }, 'c')] }],
    });
    expect(strict.route(factsOf({ authority: 'a:80' }), random)?.cluster).toBe('c');
    expect(strict.route(factsOf({ authority: 'a' }), random)).toBeUndefined();
  });
});

describe('match kinds', () => {
  it.each<[string, Json, Parameters<typeof factsOf>[0], boolean]>([
    ['prefix', { prefix: '/api' }, { path: '/apis' }, true],
    ['prefix of another', { prefix: '/api' }, { path: '/ap' }, false],
    ['prefix is case-sensitive', { prefix: '/api' }, { path: '/API' }, false],
    ['prefix, any case', { prefix: '/Api', caseSensitive: false }, { path: '/aPi/x' }, true],
    ['exact', { path: '/api' }, { path: '/api' }, true],
    ['exact is not a prefix', { path: '/api' }, { path: '/api/' }, false],
    ['exact, any case', { path: '/Api', caseSensitive: false }, { path: '/API' }, true],
    ['separated prefix, equal', { pathSeparatedPrefix: '/api' }, { path: '/api' }, true],
    ['separated prefix, below', { pathSeparatedPrefix: '/api' }, { path: '/api/v1' }, true],
    ['separated prefix, beside', { pathSeparatedPrefix: '/api' }, { path: '/apiv1' }, false],
    ['expression, whole', { safeRegex: { regex: '/api/v[0-9]+' } }, { path: '/api/v12' }, true],
    ['expression, not a part', { safeRegex: { regex: '/api/v[0-9]+' } }, { path: '/api/v12/x' }, false],
    ['connect', { connectMatcher: {} }, { method: 'CONNECT', path: '' }, true],
    ['connect needs CONNECT', { connectMatcher: {} }, {}, false],
    [
      'method',
      { prefix: '/', headers: [{ name: ':method', stringMatch: { exact: 'POST' } }] },
      { method: 'POST' },
      true,
    ],
    [
      'path with query',
      { prefix: '/', headers: [{ name: ':path', stringMatch: { exact: '/?a=1' } }] },
      { query: 'a=1' },
      true,
    ],
    ['authority', { prefix: '/', headers: [{ name: ':authority', stringMatch: { prefix: 'reviews' } }] }, {}, true],
    ['scheme', { prefix: '/', headers: [{ name: ':scheme', stringMatch: { exact: 'https' } }] }, {}, false],
    [
      'header exact',
      { prefix: '/', headers: [{ name: 'End-User', stringMatch: { exact: 'jason' } }] },
      { headers: { 'end-user': 'jason' } },
      true,
    ],
    [
      'header exact, other case',
      { prefix: '/', headers: [{ name: 'end-user', stringMatch: { exact: 'jason' } }] },
      { headers: { 'end-user': 'Jason' } },
      false,
    ],
    [
      'header ignoring case',
      { prefix: '/', headers: [{ name: 'end-user', stringMatch: { exact: 'JASON', ignoreCase: true } }] },
      { headers: { 'end-user': 'Jason' } },
      true,
    ],
    [
      'header suffix',
      { prefix: '/', headers: [{ name: 'a', stringMatch: { suffix: 'z' } }] },
      { headers: { a: 'xyz' } },
      true,
    ],
    [
      'header contains',
      { prefix: '/', headers: [{ name: 'a', stringMatch: { contains: 'y' } }] },
      { headers: { a: 'xyz' } },
      true,
    ],
    [
      'header expression',
      { prefix: '/', headers: [{ name: 'a', stringMatch: { safeRegex: { regex: 'x.z' } } }] },
      { headers: { a: 'xyz' } },
      true,
    ],
    [
      'header expression is whole',
      { prefix: '/', headers: [{ name: 'a', stringMatch: { safeRegex: { regex: 'x.' } } }] },
      { headers: { a: 'xyz' } },
      false,
    ],
    ['older exact', { prefix: '/', headers: [{ name: 'a', exactMatch: '1' }] }, { headers: { a: '1' } }, true],
    [
      'older expression',
      { prefix: '/', headers: [{ name: 'a', safeRegexMatch: { regex: '[0-9]' } }] },
      { headers: { a: '1' } },
      true,
    ],
    [
      'absent value, inverted',
      { prefix: '/', headers: [{ name: 'a', stringMatch: { exact: '1' }, invertMatch: true }] },
      {},
      false,
    ],
    [
      'absent value as empty, inverted',
      {
        prefix: '/',
        headers: [{ name: 'a', stringMatch: { exact: '1' }, invertMatch: true, treatMissingHeaderAsEmpty: true }],
      },
      {},
      true,
    ],
    ['present', { prefix: '/', headers: [{ name: 'a', presentMatch: true }] }, { headers: { a: '' } }, true],
    ['absent wanted', { prefix: '/', headers: [{ name: 'a', presentMatch: false }] }, {}, true],
    ['present, inverted', { prefix: '/', headers: [{ name: 'a', presentMatch: true, invertMatch: true }] }, {}, true],
    [
      'range',
      { prefix: '/', headers: [{ name: 'a', rangeMatch: { start: '-5', end: '10' } }] },
      { headers: { a: '-5' } },
      true,
    ],
    [
      'range, end is open',
      { prefix: '/', headers: [{ name: 'a', rangeMatch: { start: '1', end: '10' } }] },
      { headers: { a: '10' } },
      false,
    ],
    [
      'range, not a number',
      { prefix: '/', headers: [{ name: 'a', rangeMatch: { start: '1', end: '10' } }] },
      { headers: { a: '5x' } },
      false,
    ],
    [
      'query exact',
      { prefix: '/', queryParameters: [{ name: 'v', stringMatch: { exact: '2' } }] },
      { query: 'u=1&v=2' },
      true,
    ],
    [
      'query, the first counts',
      { prefix: '/', queryParameters: [{ name: 'v', stringMatch: { exact: '2' } }] },
      { query: 'v=1&v=2' },
      false,
    ],
    [
      'query of a longer name',
      { prefix: '/', queryParameters: [{ name: 'v', stringMatch: { exact: '2' } }] },
      { query: 'vv=2' },
      false,
    ],
    ['query present', { prefix: '/', queryParameters: [{ name: 'v', presentMatch: true }] }, { query: 'a&v' }, true],
    ['query absent', { prefix: '/', queryParameters: [{ name: 'v', presentMatch: true }] }, {}, false],
    ['grpc', { prefix: '/', grpc: {} }, { headers: { 'content-type': 'application/grpc+proto' } }, true],
    ['not grpc', { prefix: '/', grpc: {} }, { headers: { 'content-type': 'application/grpcx' } }, false],
    ['certificate shown', { prefix: '/', tlsContext: { presented: true } }, { clientCertificate: 'validated' }, true],
    ['certificate wanted', { prefix: '/', tlsContext: { validated: true } }, {}, false],
    [
      'no fraction',
      { prefix: '/', runtimeFraction: { defaultValue: { numerator: 0, denominator: 'HUNDRED' } } },
      {},
      false,
    ],
    [
      'all of several',
      {
        path: '/',
        headers: [
          { name: 'a', presentMatch: true },
          { name: 'b', presentMatch: true },
          { name: 'c', presentMatch: true },
        ],
      },
      { headers: { a: '', b: '', c: '' } },
      true,
    ],
    [
      'one of several missing',
      {
        path: '/',
        headers: [
          { name: 'a', presentMatch: true },
          { name: 'b', presentMatch: true },
          { name: 'c', presentMatch: true },
        ],
      },
      { headers: { a: '', c: '' } },
      false,
    ],
  ])('%s', (_, match, facts, hit) => {
    expect(withMatch(match).route(factsOf(facts), random)?.cluster).toBe(hit ? 'hit' : 'rest');
  });
  it('answers nothing when no route matches', () => {
    const none = table({
      name: 'n',
      virtualHosts: [{ name: 'h', domains: ['*'], routes: [route({ path: '/x' }, 'c')] }],
    });
    expect(none.route(factsOf(), random)).toBeUndefined();
  });
});

describe('decisions', () => {
  it('spreads weighted clusters by their weights, and keeps the same outcomes', () => {
    const weighted = table({
      name: 'w',
      virtualHosts: [
        {
          name: 'h',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              route: {
                weightedClusters: {
                  clusters: [
                    { name: 'a', weight: 80 },
                    { name: 'z', weight: 0 },
                    { name: 'b', weight: 20 },
                  ],
                },
              },
            },
          ],
        },
      ],
    });
    const drawn = seededRandom(7);
    const seen = new Map<string, number>();
    for (let i = 0; i < 10_000; i += 1) {
      const cluster = weighted.route(factsOf(), drawn)?.cluster ?? '';
      seen.set(cluster, (seen.get(cluster) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual(['a', 'b']);
    expect(Math.abs((seen.get('a') ?? 0) - 8000)).toBeLessThan(200);
    expect(weighted.matches.map(({ index, cluster }) => [index, cluster])).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
  });
  it('takes a fraction of requests', () => {
    const half = withMatch({
      prefix: '/',
      runtimeFraction: { defaultValue: { numerator: 500_000, denominator: 'MILLION' } },
    });
    const drawn = seededRandom(3);
    const hits = Array.from({ length: 2000 }, () => half.route(factsOf(), drawn)?.cluster).filter(
      (c) => c === 'hit',
    ).length;
    expect(Math.abs(hits - 1000)).toBeLessThan(120);
  });
  it('sends plain requests of an HTTPS-only host to https', () => {
    const only = table({
      name: 't',
      virtualHosts: [{ name: 'h', domains: ['*'], requireTls: 'ALL', routes: [route({ prefix: '/' }, 'c')] }],
    });
    expect(only.route(factsOf(), random)?.route.decision).toMatchObject({
      kind: 'redirect',
      scheme: 'https',
      status: 301,
    });
    expect(only.route(factsOf({ scheme: 'https' }), random)?.cluster).toBe('c');
  });
  it('carries timeouts, retries, hash policies and direct responses', () => {
    const compiled = table({
      name: 'd',
      virtualHosts: [
        {
          name: 'h',
          domains: ['*'],
          retryPolicy: { retryOn: 'reset', numRetries: 5 },
          routes: [
            {
              name: 'slow',
              match: { path: '/a' },
              decorator: { operation: 'a:80/*' },
              route: {
                cluster: 'c',
                timeout: '0.5s',
                retryPolicy: {
                  retryOn: 'connect-failure, 5xx',
                  numRetries: 2,
                  perTryTimeout: '1s',
                  retriableStatusCodes: [503],
                  retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
                  hostSelectionRetryMaxAttempts: '5',
                },
                hashPolicy: [
                  { header: { headerName: 'X-User' }, terminal: true },
                  { connectionProperties: { sourceIp: true } },
                ],
              },
            },
            { match: { path: '/b' }, directResponse: { status: 418, body: { inlineString: 'tea' } } },
            route({ prefix: '/' }, 'c'),
          ],
        },
      ],
    });
    const decision = (path: string) => compiled.route(factsOf({ path }), random)?.route.decision;
    expect(decision('/a')).toMatchObject({
      kind: 'forward',
      timeoutMs: 500,
      retry: {
        numRetries: 2,
        perTryTimeoutMs: 1000,
        avoidPreviousHosts: true,
        hostSelectionAttempts: 5,
        baseIntervalMs: 25,
        maxIntervalMs: 250,
      },
      hashPolicies: [
        { kind: 'header', name: 'x-user', terminal: true },
        { kind: 'source-ip', terminal: false },
      ],
    });
    const slow = decision('/a');
    expect(slow?.kind === 'forward' ? [...(slow.retry?.retryOn ?? [])] : []).toEqual(['connect-failure', '5xx']);
    expect(decision('/b')).toMatchObject({ kind: 'direct-response', status: 418 });
    expect(decision('/')).toMatchObject({ timeoutMs: 15_000, retry: { numRetries: 5 } });
  });
  it('orders header edits from the nearest outward, removals first at each level', () => {
    const levels = (mostSpecificHeaderMutationsWins: boolean) =>
      table({
        name: 'm',
        mostSpecificHeaderMutationsWins,
        requestHeadersToAdd: [{ header: { key: 'A', value: 'root' }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
        virtualHosts: [
          {
            name: 'h',
            domains: ['*'],
            requestHeadersToAdd: [{ header: { key: 'a', value: '100%%' }, append: false }],
            routes: [
              {
                match: { prefix: '/' },
                requestHeadersToAdd: [
                  { header: { key: 'a', value: '%REQ(b)%' } },
                  { header: { key: 'dropped', value: '' } },
                ],
                requestHeadersToRemove: ['Old'],
                route: { cluster: 'c' },
              },
            ],
          },
        ],
      }).matches[0]?.requestMutations.map(({ op, name, value, literal }) => [op, name, value, literal]);
    const route = [
      ['remove', 'old', '', undefined],
      ['append', 'a', '%REQ(b)%', undefined],
    ];
    expect(levels(false)).toEqual([...route, ['set', 'a', '100%%', '100%'], ['set', 'a', 'root', 'root']]);
    expect(levels(true)).toEqual([['set', 'a', 'root', 'root'], ['set', 'a', '100%%', '100%'], ...route]);
  });
  it('decodes filter configuration once per place; the nearest wins', () => {
    const any = (text: string) => ({ '@type': 'type.googleapis.com/google.protobuf.StringValue', value: text });
    const config = routeConfig({
      name: 'f',
      virtualHosts: [{ name: 'h', domains: ['*'], routes: [route({ path: '/' }, 'c'), route({ prefix: '/' }, 'd')] }],
    });
    const [host] = config.virtualHosts;
    const packed = (text: string) => ({
      $typeName: 'google.protobuf.Any' as const,
      typeUrl: any(text)['@type'],
      value: Buffer.from(text),
    });
    if (host?.routes[0] === undefined) throw new Error('no host');
    host.typedPerFilterConfig = { fault: packed('host'), cors: packed('host') };
    host.routes[0].typedPerFilterConfig = { fault: packed('route') };
    const decoded: string[] = [];
    const compiled = compileRoutes(config, {
      regex,
      decodeFilterConfig: (filter, { value }) => {
        decoded.push(`${filter}=${Buffer.from(value).toString()}`);
        return Buffer.from(value).toString();
      },
    });
    expect([...(compiled.route(factsOf(), random)?.filterConfigs ?? [])]).toEqual([
      ['fault', 'route'],
      ['cors', 'host'],
    ]);
    expect(compiled.route(factsOf({ path: '/x' }), random)?.filterConfigs.get('fault')).toBe('host');
    expect(decoded).toEqual(['fault=host', 'cors=host', 'fault=route']);
    expect(() =>
      compileRoutes(config, {
        regex,
        decodeFilterConfig: () => {
          throw new Error('bad bytes');
        },
      }),
    ).toThrow('RouteConfiguration "f": virtual_hosts[0].typed_per_filter_config["fault"]: can not be read: bad bytes');
  });
});

describe('refusals name the resource and the field', () => {
  const one = (routes: Json, more: object = {}): Json => ({
    name: '9080',
    virtualHosts: [{ name: 'h', domains: ['*'], routes, ...more }],
  });
  it.each<[string, Json]>([
    [
      'virtual_hosts[1]: domain "A.b" is in two virtual hosts, or twice in one',
      {
        name: '9080',
        virtualHosts: [
          { name: 'x', domains: ['a.B'] },
          { name: 'y', domains: ['A.b'] },
        ],
      },
    ],
    ['domain "*.b" is in two virtual hosts', { name: '9080', virtualHosts: [{ name: 'x', domains: ['*.b', '*.b'] }] }],
    [
      'domain "*" is in two virtual hosts',
      {
        name: '9080',
        virtualHosts: [
          { name: 'x', domains: ['*'] },
          { name: 'y', domains: ['*'] },
        ],
      },
    ],
    [
      'virtual_hosts[0].routes[0].match.safe_regex: "(a" is not a valid RE2 expression',
      one([{ match: { safeRegex: { regex: '(a' } }, route: { cluster: 'c' } }]),
    ],
    [
      '"(?=a)" is not a valid RE2 expression',
      one([{ match: { safeRegex: { regex: '(?=a)' } }, route: { cluster: 'c' } }]),
    ],
    ['match: no path specifier is set', one([{ match: {}, route: { cluster: 'c' } }])],
    ['match is not set', one([{ route: { cluster: 'c' } }])],
    ['no action is set', one([{ match: { prefix: '/' } }])],
    ['no cluster is set', one([{ match: { prefix: '/' }, route: {} }])],
    [
      'the weights sum to 0',
      one([{ match: { prefix: '/' }, route: { weightedClusters: { clusters: [{ name: 'a', weight: 0 }] } } }]),
    ],
    [
      '100 is not the sum of the weights, 90',
      one([
        {
          match: { prefix: '/' },
          route: { weightedClusters: { totalWeight: 100, clusters: [{ name: 'a', weight: 90 }] } },
        },
      ]),
    ],
    [
      'request_headers_to_add[0].header.key: ":path" can not be changed here',
      one([], { requestHeadersToAdd: [{ header: { key: ':path', value: '/' } }] }),
    ],
    [
      'line breaks and NUL can not stand in a header',
      one([], { responseHeadersToAdd: [{ header: { key: 'a', value: 'b\r\nc' } }] }),
    ],
    [
      '5000 bytes are more than the 4096 allowed',
      one([{ match: { prefix: '/' }, directResponse: { status: 200, body: { inlineString: 'x'.repeat(5000) } } }]),
    ],
  ])('%s', (message, json) => {
    expect(() => table(json)).toThrow(ConfigRejectedError);
    expect(() => table(json)).toThrow('RouteConfiguration "9080"');
    expect(() => table(json)).toThrow(message);
  });
  it('refuses a match condition that it does not know', () => {
    const config = routeConfig(one([{ match: { prefix: '/' }, route: { cluster: 'c' } }]));
    const match = config.virtualHosts[0]?.routes[0]?.match;
    if (match === undefined) throw new Error('no match');
    match.$unknown = [{ no: 13, wireType: WireType.LengthDelimited, data: new Uint8Array() }];
    expect(() => compileRoutes(config, { regex })).toThrow(
      'virtual_hosts[0].routes[0].match: field number 13 is not supported here',
    );
  });
});
