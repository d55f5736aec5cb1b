/** What Istio's own control plane says of routes, taken by Weft's proxy: configuration in, requests out. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http, many, type Answer, type Call } from '../harness/http.ts';
import { findIstiod } from '../harness/istiod.ts';
import { withinBinomial } from '../harness/statistics.ts';
import type { App } from './istiod-apps.ts';
import { firstAnswer, startWorld, type WeftProxy, type World } from './istiod-world.ts';
import { service, sidecar, virtualService } from './istiod-yaml.ts';

const found = findIstiod();
if (found.path === undefined) console.warn(`skipped: Weft's proxy under istiod, routes (${found.reason})`);

let world: World;
let client: WeftProxy;
let [v1, v2]: [App | undefined, App | undefined] = [undefined, undefined];

const call = (host: string, path = '/', options: Call = {}): Promise<Answer> =>
  http(`http://${client.address}:8000${path}`, { ...options, headers: { host, ...options.headers } });
const appOf = (answer: Answer): string => answer.headers['x-app'] ?? `status ${answer.status}`;
interface Echo {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}
const echo = (answer: Answer): Echo => JSON.parse(answer.body) as Echo;

const HOSTS = ['plain', 'split', 'match', 'change', 'cross', 'mirror', 'broken', 'empty'];
const SUBSETS = '{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }';

const config = (block: string): Record<string, string> => ({
  sidecar: sidecar('client', [
    `{ port: { number: 8000, protocol: HTTP, name: http }, bind: ${block}.1.1, captureMode: NONE, hosts: ["./*"] }`,
  ]),
  ...Object.fromEntries(
    HOSTS.map((name) => [
      `service-${name}`,
      service(
        name,
        { v1: `${block}.9.1`, v2: `${block}.9.2` },
        `[${SUBSETS}, { name: none, labels: { version: v9 } }]`,
      ),
    ]),
  ),
  split: virtualService('split', [
    '{ route: [{ destination: { host: split.mesh.test, subset: v1 }, weight: 80 }, { destination: { host: split.mesh.test, subset: v2 }, weight: 20 }] }',
  ]),
  match: virtualService('match', [
    '{ match: [{ headers: { end-user: { exact: jason } }, uri: { prefix: /api } }], route: [{ destination: { host: match.mesh.test, subset: v2 } }] }',
    '{ match: [{ uri: { regex: "/v[0-9]+/.*" }, method: { exact: POST } }, { queryParams: { to: { exact: two } } }], route: [{ destination: { host: match.mesh.test, subset: v2 } }] }',
    '{ match: [{ withoutHeaders: { x-known: {} }, uri: { prefix: /without } }], route: [{ destination: { host: match.mesh.test, subset: v2 } }] }',
    '{ match: [{ uri: { exact: /SHOUT }, ignoreUriCase: true, sourceLabels: { app: client } }], route: [{ destination: { host: match.mesh.test, subset: v2 } }] }',
    '{ match: [{ sourceLabels: { app: other } }], route: [{ destination: { host: match.mesh.test, subset: none } }] }',
    '{ route: [{ destination: { host: match.mesh.test, subset: v1 } }] }',
  ]),
  change: virtualService('change', [
    '{ match: [{ uri: { prefix: /old/ } }], rewrite: { uri: /new/, authority: other.mesh.test }, headers: { request: { set: { x-set: "1" }, add: { x-added: "2" }, remove: [x-gone] }, response: { set: { x-answer: "yes" } } }, route: [{ destination: { host: change.mesh.test, subset: v1 }, headers: { response: { add: { x-dest: there } } } }] }',
    '{ match: [{ uri: { prefix: /regex/ } }], rewrite: { uriRegexRewrite: { match: "/regex/([^/]+)/(.*)", rewrite: "/\\\\2/\\\\1" } }, route: [{ destination: { host: change.mesh.test, subset: v1 } }] }',
    '{ match: [{ uri: { prefix: /moved } }], redirect: { uri: /here, authority: elsewhere.test, redirectCode: 308, scheme: https, port: 8443 } }',
    '{ match: [{ uri: { prefix: /direct } }], directResponse: { status: 418, body: { string: "a teapot" } }, headers: { response: { set: { x-pot: tea } } } }',
    '{ route: [{ destination: { host: change.mesh.test, subset: v1 } }] }',
  ]),
  cross: virtualService('cross', [
    '{ corsPolicy: { allowOrigins: [{ exact: "https://a.test" }, { regex: "https://.*[.]b[.]test" }], allowMethods: [GET, PUT], allowHeaders: [x-mine], exposeHeaders: [x-app], maxAge: 10m, allowCredentials: true }, route: [{ destination: { host: cross.mesh.test, subset: v1 } }] }',
  ]),
  mirror: virtualService('mirror', [
    '{ mirrors: [{ destination: { host: mirror.mesh.test, subset: v2 }, percentage: { value: 100 } }], route: [{ destination: { host: mirror.mesh.test, subset: v1 } }] }',
  ]),
  broken: virtualService('broken', [
    '{ route: [{ destination: { host: broken.mesh.test, subset: nobody-defined } }] }',
  ]),
  empty: virtualService('empty', ['{ route: [{ destination: { host: empty.mesh.test, subset: none } }] }']),
  'access-log': `apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: client, namespace: default }
spec:
  selector: { matchLabels: { app: client } }
  accessLogging: [{ providers: [{ name: lines }], filter: { expression: "response.code >= 400" } }, { providers: [{ name: objects }] }]
`,
});

const logProviders = (path: string, format: object) => ({ envoyFileAccessLog: { path, logFormat: format } });

describe.skipIf(found.path === undefined)("Weft's proxy under istiod: routes", () => {
  beforeAll(async () => {
    world = await startWorld(found.path ?? '', {
      config,
      mesh: (directory) => ({
        extensionProviders: [
          {
            name: 'lines',
            ...logProviders(join(directory, 'lines.log'), {
              text: '%RESPONSE_CODE% %RESPONSE_FLAGS% %REQ(:AUTHORITY)% %ROUTE_NAME%\n',
            }),
          },
          {
            name: 'objects',
            ...logProviders(join(directory, 'objects.log'), {
              labels: { code: '%RESPONSE_CODE%', path: '%REQ(:PATH)%', cluster: '%UPSTREAM_CLUSTER_RAW%' },
            }),
          },
        ],
        defaultProviders: { metrics: ['prometheus'] },
      }),
    });
    [v1, v2] = [await world.app(1, 'v1'), await world.app(2, 'v2')];
    client = await world.start({ name: 'client', index: 1 });
    await firstAnswer(client, () => call('plain.mesh.test'));
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  it('OP-02 under istiod: all of its default configuration is taken, and istiod hears of no refusal', async () => {
    expect(await client.refused()).toEqual([]);
    expect(world.istiod.log()).not.toMatch(/ACK ERROR|NACK/);
    const dump = await client.admin('/config_dump');
    // What Istio's own build of Envoy has and others have not.
    for (const name of ['istio.stats', 'istio.alpn', 'istio.metadata_exchange']) expect(dump).toContain(name);
  });

  it('OP-02 under istiod: a resource that can not be taken is refused with its reason, and the rest stands', async () => {
    await world.istiod.apply('poison', POISON);
    const refused = await waitFor(async () => (await client.refused())[0]);
    expect(refused).toMatch(/_8000.*envoy\.extensions\.filters\.http\.lua\.v3\.Lua is not supported/);
    await waitFor(() => /ACK ERROR.*Lua is not supported/.test(world.istiod.log()));
    expect((await call('plain.mesh.test')).status).toBe(200);
    await world.istiod.remove('poison');
    await waitFor(async () => (await client.refused()).length === 0);
  });

  it('TR-01 under istiod: hosts with and without port lead to their service, others to none', async () => {
    for (const host of ['plain.mesh.test', 'plain.mesh.test:8000']) expect((await call(host)).status).toBe(200);
    const answer = await call('nobody.mesh.test');
    // ALLOW_ANY has a way out by original destination, which a proxy without redirection does not know.
    expect([404, 502, 503]).toContain(answer.status);
  });

  it('TR-02 under istiod: a subset without hosts is 503 UH, one that nobody defined 503 NC', async () => {
    const [empty, broken] = [await call('empty.mesh.test'), await call('broken.mesh.test')];
    expect([empty.status, empty.headers['x-weft-reason']]).toEqual([503, 'no-healthy-upstream']);
    expect([broken.status, broken.headers['x-weft-reason']]).toEqual([503, 'cluster-not-found']);
  });

  it.each<[string, string, Call, string]>([
    ['a header and a prefix', '/api/x', { headers: { 'end-user': 'jason' } }, 'v2'],
    ['the header alone', '/', { headers: { 'end-user': 'jason' } }, 'v1'],
    ['another value', '/api/x', { headers: { 'end-user': 'jasons' } }, 'v1'],
    ['a regular expression and a method', '/v2/x', { method: 'POST' }, 'v2'],
    ['another method', '/v2/x', {}, 'v1'],
    ['a query parameter', '/?to=two', {}, 'v2'],
    ['the absence of a header', '/without', {}, 'v2'],
    ['its presence', '/without', { headers: { 'x-known': 'y' } }, 'v1'],
    ['a path in any case, of this source', '/shout', {}, 'v2'],
  ])('TR-03 under istiod: %s', async (_, path, options, app) => {
    expect(appOf(await call('match.mesh.test', path, options))).toBe(app);
  });

  it('TR-04 under istiod: four to one', async () => {
    const answers = await many(600, () => call('split.mesh.test'), 8);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(withinBinomial(answers.filter((answer) => appOf(answer) === 'v2').length, 600, 0.2)).toBe(true);
  });

  it('TR-05 TR-06 under istiod: rewritten path, host and headers', async () => {
    const answer = await call('change.mesh.test', '/old/a?b=c', { headers: { 'x-gone': 'x', 'x-added': '1' } });
    const { url, headers } = echo(answer);
    expect(url).toBe('/new/a?b=c');
    expect(headers).toMatchObject({ host: 'other.mesh.test', 'x-set': '1', 'x-added': '1, 2' });
    expect(headers).not.toHaveProperty('x-gone');
    expect(answer.headers).toMatchObject({ 'x-answer': 'yes', 'x-dest': 'there' });
    expect(echo(await call('change.mesh.test', '/regex/a/b/c')).url).toBe('/b/c/a');
  });

  it('TR-06 under istiod: redirect and direct response', async () => {
    const moved = await call('change.mesh.test', '/moved/x?q');
    expect([moved.status, moved.headers['location']]).toEqual([308, 'https://elsewhere.test:8443/here?q']);
    const direct = await call('change.mesh.test', '/direct');
    expect([direct.status, direct.body, direct.headers['x-pot']]).toEqual([418, 'a teapot', 'tea']);
  });

  it('TR-08 under istiod: preflight is answered, other origins get no word', async () => {
    const before = v1?.seen.length;
    const preflight = (origin: string): Promise<Answer> =>
      call('cross.mesh.test', '/', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT' } });
    const answer = await preflight('https://a.test');
    expect([answer.status, v1?.seen.length]).toEqual([200, before]);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': 'https://a.test',
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'x-mine',
      'access-control-allow-credentials': 'true',
      'access-control-max-age': '600',
    });
    expect((await preflight('https://x.b.test')).headers['access-control-allow-origin']).toBe('https://x.b.test');
    expect((await preflight('https://evil.test')).headers).not.toHaveProperty('access-control-allow-origin');
    const actual = await call('cross.mesh.test', '/', { headers: { origin: 'https://a.test' } });
    expect(actual.headers['access-control-expose-headers']).toBe('x-app');
  });

  it('TR-09 under istiod: each request is copied to the mirror, whose answer nobody sees', async () => {
    const answer = await call('mirror.mesh.test', '/copied');
    expect(appOf(answer)).toBe('v1');
    // istiod wants no "-shadow" behind it by default.
    const copy = await waitFor(() => v2?.seen.find(({ url }) => url === '/copied'));
    expect(copy.headers.host).toBe('mirror.mesh.test');
  });

  it('OB-04 under istiod: access logs by Telemetry, as text with a CEL filter and as JSON', async () => {
    await call('empty.mesh.test', '/logged');
    await call('plain.mesh.test', '/logged-too');
    const lines = (name: string): Promise<string> => readFile(join(world.directory, name), 'utf8');
    await waitFor(async () => /^503 UH empty\.mesh\.test /m.test(await lines('lines.log')));
    expect(await lines('lines.log')).not.toMatch(/^200/m);
    const logged = await waitFor(async () =>
      (await lines('objects.log')).split('\n').find((line) => line.includes('/logged-too')),
    );
    expect(JSON.parse(logged)).toEqual({
      code: 200,
      path: '/logged-too',
      cluster: expect.stringMatching(/^outbound\|8000\|.*\|plain\.mesh\.test/) as string,
    });
  });

  it("OB-01 under istiod: Istio's standard metrics, with the labels of who calls and what is called", async () => {
    const page = await client.admin('/stats/prometheus');
    expect(page).toMatch(
      /^istio_requests_total\{(?=.*reporter="source")(?=.*source_workload="client")(?=.*destination_service="plain\.mesh\.test")(?=.*response_code="200").*\} \d+/m,
    );
  });

  it('OP-01 under istiod: while it is away traffic goes on, and once it is back so do changes', async () => {
    await world.istiod.stop();
    const away = await many(20, () => call('plain.mesh.test'), 2);
    expect(new Set(away.map(({ status }) => status))).toEqual(new Set([200]));
    await world.istiod.apply(
      'change',
      virtualService('change', ['{ directResponse: { status: 203, body: { string: changed } } }']),
    );
    await world.istiod.startAgain();
    await waitFor(async () => (await call('change.mesh.test')).status === 203, { timeoutMs: 60_000 });
    expect((await call('plain.mesh.test')).status).toBe(200);
    expect(await client.refused()).toEqual([]);
    await waitFor(async () => {
      const [sync] = JSON.parse(await world.istiod.debug('/debug/syncz')) as readonly Record<string, string>[];
      return ['cluster', 'listener', 'route', 'endpoint'].every(
        (type) => sync?.[`${type}_sent`] && sync[`${type}_acked`] === sync[`${type}_sent`],
      );
    });
  });

  it('TR-16 under istiod: a change arrives without a failed request', async () => {
    const statuses = new Set<number>();
    let running = true;
    const traffic = (async () => {
      while (running) statuses.add((await call('split.mesh.test')).status);
    })();
    await world.istiod.apply(
      'split',
      virtualService('split', ['{ route: [{ destination: { host: split.mesh.test, subset: v2 } }] }']),
    );
    await waitFor(async () => {
      const answers = await many(10, () => call('split.mesh.test'), 2);
      return answers.every((answer) => appOf(answer) === 'v2');
    });
    running = false;
    await traffic;
    expect([...statuses]).toEqual([200]);
  });
});

const POISON = `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: poison, namespace: default }
spec:
  workloadSelector: { labels: { app: client } }
  configPatches:
  - applyTo: HTTP_FILTER
    match: { context: SIDECAR_OUTBOUND, listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager } } } }
    patch:
      operation: INSERT_BEFORE
      value:
        name: poison
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          default_source_code: { inline_string: "function envoy_on_request(h) end" }
`;
