import { STANDARD_ATTRIBUTES } from '@weft/contracts';
import { bagAccess, checkExpression, compileExpression, createBag, parseExpression, type Value } from '@weft/expr';
import { describe, expect, it } from 'vitest';
import { affectedBy } from '../push/affected.ts';
import { BOOKINFO, registryOf } from '../testing/registry.ts';
import { guardOf, type TestRequest } from '../testing/requests.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';

const rule = (match: string, { namespace = 'default', status = '{ code: 7, message: Not allowed }' } = {}): string => `
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: { name: deny, namespace: ${namespace} }
spec: { compiledAdapter: denier, params: { status: ${status} } }
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: { name: ask, namespace: ${namespace} }
spec: { compiledTemplate: checknothing }
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: { name: denies, namespace: ${namespace} }
spec: { match: ${JSON.stringify(match)}, actions: [{ handler: deny, instances: [ask] }] }
`;

interface Caller {
  readonly account?: string;
  readonly namespace?: string;
  readonly workload?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const STRANGER: Caller = {};
const CALLERS: Readonly<Record<string, Caller>> = {
  'reviews-v2': caller('reviews', 'v2'),
  'reviews-v3': caller('reviews', 'v3'),
  'productpage-v1': caller('productpage', 'v1'),
  stranger: STRANGER,
};

function caller(app: string, version: string): Caller {
  return { account: `bookinfo-${app}`, namespace: 'default', workload: `${app}-${version}`, labels: { app, version } };
}

const spiffe = ({ namespace, account }: Caller): string => `cluster.local/ns/${namespace}/sa/${account}`;

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const REQUESTS: readonly Asked[] = [
  {},
  { method: 'POST', path: '/ratings/1?x=y', host: 'ratings:9080' },
  { path: '/ratings/0', headers: { 'end-user': 'jason', 'x-env': 'test-7' } },
  { path: '/ratings', headers: { 'user-agent': 'curl/8', 'x-env': 'prod' } },
];

const request = (from: Caller, { method, path, host, headers }: Asked): TestRequest => ({
  ...(method === undefined ? {} : { method }),
  ...(path === undefined ? {} : { path }),
  ...(host === undefined ? {} : { host }),
  ...(headers === undefined ? {} : { headers }),
  ...(from.account === undefined
    ? {}
    : { principal: `spiffe://${spiffe(from)}`, peer: `${from.workload};${from.namespace};;;` }),
});

/** What Mixer itself would say: the whole expression over all attributes. */
function oracle(
  match: string,
  from: Caller,
  { method = 'GET', path = '/', host = 'test', headers = {} }: Asked,
): boolean {
  const known: (readonly [string, Value | undefined])[] = [
    ['source.namespace', from.namespace],
    ['source.workload.name', from.workload],
    ['source.principal', from.account === undefined ? undefined : spiffe(from)],
    ['source.labels', from.labels && new Map(Object.entries(from.labels))],
    ['destination.namespace', 'default'],
    ['destination.workload.name', 'ratings-v1'],
    [
      'destination.labels',
      new Map([
        ['app', 'ratings'],
        ['version', 'v1'],
      ]),
    ],
    ['destination.service.host', 'ratings.default.svc.cluster.local'],
    ['destination.service.name', 'ratings'],
    ['destination.port', 9080],
    ['request.method', method],
    ['request.path', path],
    ['request.url_path', path.split('?')[0] ?? ''],
    ['request.host', host],
    ['request.headers', new Map(Object.entries(headers))],
    ['request.useragent', headers['user-agent']],
    ['connection.mtls', from.account !== undefined],
  ];
  const bag = createBag(new Map(known.filter((entry): entry is readonly [string, Value] => entry[1] !== undefined)));
  return (
    compileExpression(checkExpression(parseExpression(match), STANDARD_ATTRIBUTES), bagAccess).evaluate(bag) === true
  );
}

const guard = (yaml: string) => guardOf(contextOf(snapshotOf({ yaml }), 'ratings-v1'), '127.66.7.1_9080');

describe('rules of Mixer that deny, decided by sidecars', () => {
  it.each([
    'destination.labels["app"] == "ratings" && source.labels["app"] == "reviews" && source.labels["version"] == "v3"',
    'source.labels["version"] != "v2"',
    'source.labels["version"] != "v2" || request.method == "POST"',
    'request.method == "POST" || source.labels["version"] != "v2"',
    'source.namespace == "default"',
    '(source.labels["app"] | "unknown") == "unknown"',
    'source.workload.name.startsWith("reviews-") && request.headers["end-user"] == "jason"',
    'request.headers["end-user"] != "jason"',
    '(request.headers["end-user"] | "nobody") != "jason"',
    '(request.headers["x-env"] | source.labels["version"] | "none") == "v3"',
    'match(request.path, "/ratings/*") && request.method != "POST"',
    'match(request.headers["x-env"], "test-*")',
    'request.url_path.endsWith("/1")',
    '"^/ratings/[0-9]+$".matches(request.url_path)',
    '"v[12]".matches(source.labels["version"])',
    'request.host == "ratings:9080" && destination.service.host == "ratings.default.svc.cluster.local"',
    'request.useragent.startsWith("curl") == false',
    'connection.mtls == false',
    'connection.mtls && !("x" == "y")'.replace('!("x" == "y")', '"x" != "y"'),
    'destination.port == 9080 && source.principal == "cluster.local/ns/default/sa/bookinfo-productpage"',
    'destination.service.name == "reviews"',
    'true',
  ])('%s', (match) => {
    const judge = guard(rule(match));
    for (const [name, from] of Object.entries(CALLERS)) {
      for (const asked of REQUESTS) {
        const wanted = match === 'true' || oracle(match, from, asked) ? 'denied' : 'allowed';
        expect([name, asked, judge(request(from, asked))]).toEqual([name, asked, wanted]);
      }
    }
  });

  it('a caller that does not say which workload it is, or names one of others, is denied what its account may be denied', () => {
    const judge = guard(rule('source.labels["version"] == "v3"'));
    const principal = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';
    expect(judge({ principal })).toBe('denied');
    expect(judge({ principal, peer: 'productpage-v1;default;;;' })).toBe('denied');
    expect(judge({ principal, peer: 'reviews-v2;default;;;' })).toBe('allowed');
  });

  it('on TCP a request has nothing to say, and an account is denied what any of its workloads is', () => {
    const specs = [
      ...BOOKINFO.filter(({ service }) => service !== 'ratings'),
      { service: 'ratings', index: 7, portName: 'tcp' },
    ];
    const judge = (match: string) =>
      guardOf(
        contextOf(snapshotOf({ yaml: rule(match), registry: registryOf(specs) }), 'ratings-v1'),
        '127.66.7.1_9080',
      );
    const of = (account: string) => ({ principal: `spiffe://cluster.local/ns/default/sa/bookinfo-${account}` });
    const v3 = judge('source.labels["version"] == "v3" && destination.labels["app"] == "ratings"');
    expect([v3(of('reviews')), v3(of('productpage')), v3({})]).toEqual(['denied', 'allowed', 'allowed']);
    expect(judge('request.method == "POST"')(of('reviews'))).toBe('allowed');
    expect(judge('(request.headers["user"] | "none") == "none"')(of('reviews'))).toBe('denied');
  });

  it('a rule holds in its namespace, and in all from a root namespace', () => {
    expect(guard(rule('true', { namespace: 'other' }))({})).toBe('allowed');
    expect(guard(rule('true', { namespace: 'istio-system' }))({})).toBe('denied');
  });

  it('says of a rule what prevents it, and what it answers', () => {
    const said = (yaml: string): readonly string[] => snapshotOf({ yaml }).diagnostics.map(({ message }) => message);
    expect(said(rule('request.method == "POST"'))).toEqual([]);
    expect(said(rule('request.size > 1000'))).toEqual([expect.stringContaining('the operator >')]);
    expect(said(rule('request.auth.principal == "x"'))).toEqual([
      expect.stringContaining('its match reads request.auth.principal, which a sidecar does not know'),
    ]);
    expect(guard(rule('request.auth.principal == "x"'))({})).toBe('allowed');
    expect(said(rule('true', { status: '{ code: 16 }' }))).toEqual([expect.stringContaining('403')]);
  });

  it('a caller that joins or changes its labels changes the listeners of those that it may call, and nothing without such rules', () => {
    const [former, next] = [BOOKINFO, [...BOOKINFO, { service: 'reviews', version: 'v4', index: 9 }]].map(registryOf);
    const kinds = (yaml: string) =>
      affectedBy(snapshotOf({ yaml, registry: former! }), snapshotOf({ yaml, registry: next! })).kinds;
    expect(kinds(rule('source.labels["version"] == "v4"')).has('listener')).toBe(true);
    expect(kinds(rule('request.method == "POST"')).has('listener')).toBe(false);
  });
});
