/** What Istio's own control plane says of balancing, time-outs, retries and limits, done by Weft's proxy. */
import { freePort, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http, many, type Answer, type Call } from '../harness/http.ts';
import { findIstiod } from '../harness/istiod.ts';
import { withinBinomial } from '../harness/statistics.ts';
import type { App } from './istiod-apps.ts';
import { firstAnswer, startWorld, type WeftProxy, type World } from './istiod-world.ts';
import { object, service, serviceEntry, sidecar, virtualService } from './istiod-yaml.ts';

const found = findIstiod();
if (found.path === undefined) console.warn(`skipped: Weft's proxy under istiod, resilience (${found.reason})`);

let world: World;
let client: WeftProxy;
let apps: App[] = [];

const call = (host: string, path = '/', options: Call = {}): Promise<Answer> =>
  http(`http://${client.address}:8000${path}`, {
    ...options,
    headers: { host: `${host}.mesh.test`, ...options.headers },
  });
const appOf = (answer: Answer): string => answer.headers['x-app'] ?? `status ${answer.status}`;
const reasonOf = (answer: Answer): readonly unknown[] => [answer.status, answer.headers['x-weft-reason']];
const seenBy = (path: string): number => apps.flatMap(({ seen }) => seen).filter(({ url }) => url === path).length;
const to = (name: string): string => `route: [{ destination: { host: ${name}.mesh.test } }]`;
const PORT = '{ number: 8000, name: http, protocol: HTTP, targetPort: 8080 }';

const configOf = (block: string, namedPort: number): Record<string, string> => {
  const app = (n: number): string => `${block}.9.${n}`;
  const three = { a: app(1), b: app(2), c: app(3) };
  const hashed = (by: string): string => `{ loadBalancer: { consistentHash: { ${by} } } }`;
  return {
    sidecar: sidecar('client', [
      `{ port: { number: 8000, protocol: HTTP, name: http }, bind: ${block}.1.1, captureMode: NONE, hosts: ["./*"] }`,
    ]),
    fault: service('fault', { v1: app(1) }),
    'fault-vs': virtualService('fault', [
      `{ match: [{ uri: { prefix: /abort } }], fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }, ${to('fault')} }`,
      `{ match: [{ uri: { prefix: /half } }], fault: { abort: { httpStatus: 503, percentage: { value: 50 } } }, ${to('fault')} }`,
      `{ match: [{ uri: { prefix: /delay } }], fault: { delay: { fixedDelay: 300ms, percentage: { value: 100 } } }, ${to('fault')} }`,
      `{ match: [{ uri: { prefix: /grpc } }], fault: { abort: { grpcStatus: UNAVAILABLE, percentage: { value: 100 } } }, ${to('fault')} }`,
      `{ ${to('fault')} }`,
    ]),
    slow: service('slow', { v1: app(4) }),
    'slow-vs': virtualService('slow', [
      `{ match: [{ uri: { prefix: /tries } }], timeout: 10s, retries: { attempts: 2, perTryTimeout: 200ms, retryOn: "gateway-error" }, ${to('slow')} }`,
      `{ timeout: 300ms, retries: { attempts: 0 }, ${to('slow')} }`,
    ]),
    flaky: service('flaky', { v1: app(1), dead: app(250) }),
    errors: service('errors', { v1: app(5), v2: app(6) }),
    'errors-vs': virtualService('errors', [
      `{ match: [{ uri: { prefix: /retried } }], retries: { attempts: 3, retryOn: "5xx", backoff: 10ms }, ${to('errors')} }`,
      `{ ${to('errors')} }`,
    ]),
    header: service('header', three, '[]', hashed('httpHeaderName: x-user')),
    cookie: service('cookie', three, '[]', hashed('httpCookie: { name: pinned, ttl: 60s }')),
    query: service('query', three, '[]', hashed('httpQueryParameterName: user, maglev: { tableSize: 1009 }')),
    rounds: service('rounds', three, '[]', '{ loadBalancer: { simple: ROUND_ROBIN } }'),
    limits: service(
      'limits',
      { v1: app(4) },
      '[]',
      '{ connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } } }',
    ),
    outlier: service(
      'outlier',
      { good: app(1), bad: app(7) },
      '[]',
      '{ outlierDetection: { consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 60s, maxEjectionPercent: 50 } }',
    ),
    local:
      serviceEntry('local', PORT, [
        `{ address: ${app(1)}, locality: r1/z1/s1 }`,
        `{ address: ${app(2)}, locality: r1/z2/s1 }`,
        `{ address: ${app(8)}, locality: r2/z1/s1 }`,
      ]) +
      `---\n${object('networking.istio.io/v1', 'DestinationRule', 'local', `{ host: local.mesh.test, trafficPolicy: { outlierDetection: { consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 60s, maxEjectionPercent: 100 }, loadBalancer: { localityLbSetting: { enabled: true, failover: [{ from: r1, to: r2 }] } } } }`)}`,
    shares:
      serviceEntry('shares', PORT, [
        `{ address: ${app(1)}, locality: r1/z1/s1 }`,
        `{ address: ${app(2)}, locality: r1/z2/s1 }`,
      ]) +
      `---\n${object('networking.istio.io/v1', 'DestinationRule', 'shares', `{ host: shares.mesh.test, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN, localityLbSetting: { enabled: true, distribute: [{ from: "r1/z1/*", to: { "r1/z1/*": 70, "r1/z2/*": 30 } }] } } } }`)}`,
    named: object(
      'networking.istio.io/v1',
      'ServiceEntry',
      'named',
      `{ hosts: [named.mesh.test], location: MESH_EXTERNAL, resolution: DNS, ports: [{ number: 8000, name: http, protocol: HTTP, targetPort: 8080 }], endpoints: [{ address: localhost, ports: { http: ${namedPort} } }] }`,
    ),
    limited: service('limited', { v1: app(1) }),
    'limited-filter': object('networking.istio.io/v1alpha3', 'EnvoyFilter', 'limited', LOCAL_RATE_LIMIT),
  };
};

const LOCAL_RATE_LIMIT = `
  workloadSelector: { labels: { app: client } }
  configPatches:
  - applyTo: HTTP_FILTER
    match: { context: SIDECAR_OUTBOUND, listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager, subFilter: { name: envoy.filters.http.router } } } } }
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.local_ratelimit
        typed_config:
          "@type": type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          value: { stat_prefix: limiter }
  - applyTo: HTTP_ROUTE
    match: { context: SIDECAR_OUTBOUND, routeConfiguration: { vhost: { name: "limited.mesh.test:8000" } } }
    patch:
      operation: MERGE
      value:
        typed_per_filter_config:
          envoy.filters.http.local_ratelimit:
            "@type": type.googleapis.com/udpa.type.v1.TypedStruct
            type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
            value:
              stat_prefix: limiter
              token_bucket: { max_tokens: 4, tokens_per_fill: 4, fill_interval: 600s }
              filter_enabled: { runtime_key: limiter.on, default_value: { numerator: 100, denominator: HUNDRED } }
              filter_enforced: { runtime_key: limiter.enforced, default_value: { numerator: 100, denominator: HUNDRED } }
              response_headers_to_add:
              - append_action: OVERWRITE_IF_EXISTS_OR_ADD
                header: { key: x-limited, value: "yes" }`;

describe.skipIf(found.path === undefined)("Weft's proxy under istiod: balancing and resilience", () => {
  beforeAll(async () => {
    const namedPort = await freePort();
    world = await startWorld(found.path ?? '', { config: (block) => configOf(block, namedPort) });
    await world.app(9, 'named', namedPort);
    apps = [];
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8]) apps.push(await world.app(n, `app${n}`));
    client = await world.start({
      name: 'client',
      index: 1,
      labels: {
        app: 'client',
        'topology.kubernetes.io/region': 'r1',
        'topology.kubernetes.io/zone': 'z1',
        'topology.istio.io/subzone': 's1',
      },
    });
    await firstAnswer(client, () => call('rounds'));
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  it('OP-02 under istiod: all of it is taken', async () => {
    expect(await client.refused()).toEqual([]);
    expect(world.istiod.log()).not.toMatch(/ACK ERROR|NACK/);
  });

  it('RE-04 under istiod: faults', async () => {
    expect(reasonOf(await call('fault', '/abort'))).toEqual([418, 'fault-abort']);
    const delayed = await call('fault', '/delay');
    expect([delayed.status, delayed.ms >= 300]).toEqual([200, true]);
    const answers = await many(400, () => call('fault', '/half'), 8);
    expect(withinBinomial(answers.filter(({ status }) => status === 503).length, 400, 0.5)).toBe(true);
    const grpc = await call('fault', '/grpc', { method: 'POST', headers: { 'content-type': 'application/grpc' } });
    expect([grpc.status, grpc.headers['grpc-status']]).toEqual([200, '14']);
    expect((await call('fault', '/none')).status).toBe(200);
  });

  it('RE-01 under istiod: a route that may take 300 ms is ended', async () => {
    apps[3]?.behave({ delayMs: 5_000 });
    expect(reasonOf(await call('slow', '/one'))).toEqual([504, 'route-timeout']);
    const tries = await call('slow', '/tries');
    expect([tries.status, seenBy('/tries')]).toEqual([504, 3]);
    apps[3]?.behave({});
    expect((await call('slow', '/two')).status).toBe(200);
  });

  it("RE-02 under istiod: istiod's default retries pass a host that nobody listens at", async () => {
    const answers = await many(40, () => call('flaky'), 4);
    expect(new Set(answers.map(appOf))).toEqual(new Set(['app1']));
  });

  it("RE-02 RE-03 under istiod: an application's 503 is tried again where the route says so, and not by default", async () => {
    for (const n of [4, 5]) apps[n]?.behave({ status: 500 });
    expect((await call('errors', '/retried')).status).toBe(500);
    expect(seenBy('/retried')).toBe(4);
    expect((await call('errors', '/once', { method: 'POST', body: 'x' })).status).toBe(500);
    expect(seenBy('/once')).toBe(1);
  });

  it('LB-01 under istiod: round robin', async () => {
    const answers: Answer[] = [];
    for (let i = 0; i < 30; i += 1) answers.push(await call('rounds'));
    for (const name of ['app1', 'app2', 'app3'])
      expect(answers.filter((answer) => appOf(answer) === name)).toHaveLength(10);
  });

  it.each<[string, string, (user: number) => [string, Call]]>([
    ['a header, ring hash', 'header', (user) => ['/', { headers: { 'x-user': `u${user}` } }]],
    ['a query parameter, maglev', 'query', (user) => [`/?user=u${user}`, {}]],
  ])('LB-02 under istiod: %s', async (_, host, key) => {
    const hosts = new Set<string>();
    for (let user = 0; user < 24; user += 1) {
      const answers = await many(3, () => call(host, ...key(user)), 3);
      expect(new Set(answers.map(appOf)).size).toBe(1);
      hosts.add(appOf(answers[0] as Answer));
    }
    expect(hosts.size).toBe(3);
  });

  it('LB-02 under istiod: a cookie that the proxy makes', async () => {
    const first = await call('cookie');
    const cookie = first.headers['set-cookie'] ?? '';
    expect(cookie).toMatch(/^pinned="?[^;]+"?; Max-Age=60; /i);
    const answers = await many(9, () => call('cookie', '/', { headers: { cookie: cookie.split(';')[0] ?? '' } }), 3);
    expect(new Set(answers.map(appOf))).toEqual(new Set([appOf(first)]));
  });

  it('LB-03 under istiod: the nearest zone, then the region, then where failover leads', async () => {
    const nearest = async (): Promise<string> => appOf(await call('local', '/near'));
    expect(new Set(await Promise.all([nearest(), nearest(), nearest(), nearest()]))).toEqual(new Set(['app1']));
    apps[0]?.behave({ status: 500 });
    await waitFor(async () => (await nearest()) === 'app2');
    apps[1]?.behave({ status: 500 });
    await waitFor(async () => (await nearest()) === 'app8');
    for (const n of [0, 1]) apps[n]?.behave({});
  });

  it('LB-03 under istiod: shares of zones', async () => {
    const answers = await many(500, () => call('shares'), 8);
    expect(withinBinomial(answers.filter((answer) => appOf(answer) === 'app1').length, 500, 0.7)).toBe(true);
  });

  it('RE-05 under istiod: what a circuit breaker does not let in is 503 UO at once', async () => {
    apps[3]?.behave({ delayMs: 500 });
    const answers = await many(12, () => call('limits'), 12);
    apps[3]?.behave({});
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 503]));
    const refused = answers.filter(({ status }) => status === 503);
    expect(new Set(refused.map((answer) => answer.headers['x-weft-reason']))).toEqual(new Set(['upstream-overflow']));
    expect((await call('limits')).status).toBe(200);
  });

  it('RE-06 under istiod: a host that fails three times is left out', async () => {
    apps[6]?.behave({ status: 500 });
    await waitFor(async () => {
      const answers = await many(10, () => call('outlier'), 2);
      return answers.every((answer) => appOf(answer) === 'app1');
    });
    expect(await client.admin('/clusters')).toMatch(
      /outlier\.mesh\.test::.*9\.7:8080::health_flags::\/failed_outlier_check/,
    );
  });

  it('RE-11 under istiod: a local rate limit that an EnvoyFilter puts on one host', async () => {
    const answers: Answer[] = [];
    for (let i = 0; i < 7; i += 1) answers.push(await call('limited'));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 429, 429, 429]);
    expect(answers[5]?.headers['x-limited']).toBe('yes');
    expect((await call('rounds')).status).toBe(200);
  });

  it('TR-01 under istiod: a service behind a name of DNS', async () => {
    expect(appOf(await call('named'))).toBe('named');
  });
});
