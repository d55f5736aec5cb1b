import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  ConfigApplyResult,
  ConfigList,
  ErrorBody,
  GraphView,
  ServiceDetails,
  ServicePage,
  WorkloadDetails,
} from '@weft/contracts/console-views';
import { type LogFields, type Logger, silentLogger } from '@weft/kit';
import { FakeClock, tempDir } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { type ConsoleApi, type ConsoleApiDeps, createConsoleApi } from './console-api.ts';
import { bookinfoSources, type Scenario } from './testing.ts';

const TOKEN = 'k'.repeat(43);
const HOST = '127.0.0.1:20001';
const ORIGIN = `http://${HOST}`;
const AUTH = { authorization: `Bearer ${TOKEN}` };

async function setUp(scenario: Scenario = {}, more: Partial<ConsoleApiDeps> = {}) {
  const clock = new FakeClock(1_800_000_000_000);
  const sources = bookinfoSources(clock, scenario);
  const api = await createConsoleApi({ sources, clock, logger: silentLogger, token: TOKEN, ...more });
  type Headers = Readonly<Record<string, string>>;
  const get = (url: string, headers: Headers = {}) => api.inject({ url, headers: { host: HOST, ...headers } });
  const send = (method: 'POST' | 'DELETE', url: string, payload: object | undefined, headers: Headers = {}) =>
    api.inject({ method, url, headers: { host: HOST, ...headers }, ...(payload ? { payload } : {}) });
  return { clock, sources, api, get, send };
}

const code = (response: { json<T>(): T }): string => response.json<ErrorBody>().error.code;
const cookieOf = (response: { headers: Readonly<Record<string, unknown>> }): string =>
  String(response.headers['set-cookie']).split(';')[0] ?? '';

async function enter(api: ConsoleApi) {
  const link = await api.inject({
    method: 'POST',
    url: '/api/v1/session/link',
    headers: { host: HOST, ...AUTH },
    payload: {},
  });
  const { path } = link.json<{ path: string }>();
  const entered = await api.inject({
    method: 'POST',
    url: '/api/v1/session',
    headers: { host: HOST, origin: ORIGIN },
    payload: { code: path.split('#')[1] },
  });
  return { entered, code: path.split('#')[1] ?? '', cookie: cookieOf(entered) };
}

describe('reads', () => {
  it('answers the graph', async () => {
    const { get } = await setUp();
    const graph = (await get('/api/v1/graph')).json<GraphView>();
    expect(graph.nodes).toHaveLength(8);
    expect(graph.edges).toHaveLength(8);
    expect(graph.windowMs).toBe(60_000);
  });
  it('pages, searches and sorts services', async () => {
    const { get } = await setUp({ trouble: true });
    const all = (await get('/api/v1/services?sort=health')).json<ServicePage>();
    expect(all.items.map(({ name }) => name)).toEqual(['ratings', 'details', 'productpage', 'reviews']);
    expect(all.items[0]?.trend).toHaveLength(30);
    const page = (await get('/api/v1/services?offset=1&limit=2')).json<ServicePage>();
    expect(page).toMatchObject({ total: 4, offset: 1, limit: 2 });
    expect(page.items.map(({ name }) => name)).toEqual(['productpage', 'ratings']);
    expect((await get('/api/v1/services?text=REV')).json<ServicePage>().items.map(({ name }) => name)).toEqual([
      'reviews',
    ]);
    expect((await get('/api/v1/services?health=failure')).json<ServicePage>().total).toBe(1);
    expect((await get('/api/v1/services?namespace=other')).json<ServicePage>().total).toBe(0);
  });
  it('answers one service and one workload', async () => {
    const { get } = await setUp();
    const service = (await get('/api/v1/services/default/reviews')).json<ServiceDetails>();
    expect(service).toMatchObject({ versions: ['v1', 'v2', 'v3'], endpoints: { ready: 3, total: 3 } });
    expect(service.callers.map(({ name }) => name)).toEqual(['productpage-v1']);
    expect(service.config.map(({ kind }) => kind)).toEqual(['VirtualService', 'DestinationRule']);
    const workload = (await get('/api/v1/workloads/default/reviews-v2')).json<WorkloadDetails>();
    expect(workload).toMatchObject({
      proxy: 'synced',
      certificate: { subject: 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews', state: 'valid' },
      callees: [{ name: 'ratings-v1', mtls: 'mutual' }],
    });
  });
  it.each([
    '/api/v1/mesh',
    '/api/v1/workloads',
    '/api/v1/proxies',
    '/api/v1/proxies/sidecar~127.66.5.1~reviews-v2.default~default.svc.cluster.local',
    '/api/v1/certificates',
    '/api/v1/metrics?service=reviews&namespace=default&windowMs=300000',
    '/api/v1/traces?service=reviews&limit=5',
    '/api/v1/logs?status=2xx&workload=reviews-v1&namespace=default',
    '/api/v1/config',
    '/api/v1/config/networking.istio.io/VirtualService/default/reviews',
    '/api/v1/session',
  ])('answers %s', async (url) => {
    const { get } = await setUp({ trouble: true });
    const response = await get(url);
    expect(response.statusCode, response.body).toBe(200);
    expect(response.headers['cache-control']).toBe('no-store');
  });
  it('answers a trace, parents before children', async () => {
    const { get } = await setUp();
    const { items } = (await get('/api/v1/traces')).json<{ items: { traceId: string }[] }>();
    const trace = (await get(`/api/v1/traces/${items[0]?.traceId}`)).json<{
      spans: { spanId: string; parentId?: string }[];
    }>();
    const seen = new Set<string>();
    for (const { spanId, parentId } of trace.spans) {
      if (parentId !== undefined) expect(seen.has(parentId)).toBe(true);
      seen.add(spanId);
    }
    expect(trace.spans).toHaveLength(6);
  });
  it.each([
    '/api/v1/services/default/nothing',
    '/api/v1/workloads/default/nothing',
    '/api/v1/proxies/nobody',
    '/api/v1/traces/00000000000000000000000000000000',
    '/api/v1/config/networking.istio.io/VirtualService/default/nothing',
    '/api/v1/nothing',
    '/nothing',
  ])('has its own 404 for %s', async (url) => {
    const { get } = await setUp();
    const response = await get(url);
    expect(response.statusCode).toBe(404);
    expect(code(response)).toBe('not-found');
  });
  it.each([
    ['/api/v1/graph?windowMs=1', 'querystring.windowMs'],
    ['/api/v1/graph?windowMs=99999999999', 'querystring.windowMs'],
    ['/api/v1/graph?window=60s', 'querystring.window'],
    ['/api/v1/graph?namespace=A..B', 'querystring.namespace'],
    ['/api/v1/services?limit=100000', 'querystring.limit'],
    ['/api/v1/services?sort=colour', 'querystring.sort'],
    ['/api/v1/services/default/UPPER', 'params.name'],
    ['/api/v1/traces/not-a-trace', 'params.id'],
    ['/api/v1/logs?status=abc', 'querystring.status'],
    ['/api/v1/metrics?service=reviews', 'namespace'],
  ])('refuses %s and names %s', async (url, field) => {
    const { get } = await setUp();
    const response = await get(url);
    expect(response.statusCode).toBe(400);
    expect(response.json<ErrorBody>().error).toMatchObject({ code: 'bad-request', field });
  });
  it('publishes the document of all its routes', async () => {
    const { get } = await setUp();
    const document = (await get('/api/openapi.json')).json<{ openapi: string; paths: Record<string, object> }>();
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).sort()).toEqual(
      [
        'certificates',
        'config',
        'config/apply',
        'config/validate',
        'config/{group}/{kind}/{ns}/{name}',
        'events',
        'graph',
        'logs',
        'mesh',
        'metrics',
        'proxies',
        'proxies/{id}',
        'receipt',
        'services',
        'services/{ns}/{name}',
        'session',
        'session/link',
        'traces',
        'traces/{id}',
        'workloads',
        'workloads/{ns}/{name}',
      ].map((path) => `/api/v1/${path}`),
    );
    for (const path of Object.keys(document.paths))
      for (const operation of Object.values(document.paths[path] ?? {})) expect(operation).toHaveProperty('responses');
  });
});

describe('configuration', () => {
  const YAML =
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: details\nspec:\n  hosts: [details]\n';
  const list = async (get: (url: string) => Promise<{ json<T>(): T }>) =>
    (await get('/api/v1/config?kind=virtualservice')).json<ConfigList>().items.map(({ name }) => name);

  it('applies, and changes nothing in a dry run', async () => {
    const { get, send } = await setUp();
    const tried = await send('POST', '/api/v1/config/apply', { yaml: YAML, dryRun: true }, AUTH);
    expect(tried.json<ConfigApplyResult>()).toMatchObject({ dryRun: true, changes: [{ action: 'created' }] });
    expect(await list(get)).toEqual(['ratings', 'reviews']);
    await send('POST', '/api/v1/config/apply', { yaml: YAML }, AUTH);
    expect(await list(get)).toEqual(['details', 'ratings', 'reviews']);
    const again = await send('POST', '/api/v1/config/apply', { yaml: YAML }, AUTH);
    expect(again.json<ConfigApplyResult>().changes[0]?.action).toBe('unchanged');
  });
  it('says what the proxies made of a change, and takes only waits that end', async () => {
    const { get } = await setUp();
    const receipt = await get('/api/v1/receipt?since=3&waitMs=100');
    expect(receipt.json()).toEqual({ complete: true, version: 7, acknowledged: 7, waiting: [], refused: [] });
    for (const query of ['', '?since=x', '?since=1&waitMs=-1', '?since=1&waitMs=86400000'])
      expect((await get(`/api/v1/receipt${query}`)).statusCode).toBe(400);
  });
  it('deletes, and changes nothing in a dry run', async () => {
    const { get, send } = await setUp();
    const url = '/api/v1/config/networking.istio.io/VirtualService/default/ratings';
    await send('DELETE', `${url}?dryRun=true`, undefined, AUTH);
    expect(await list(get)).toEqual(['ratings', 'reviews']);
    expect((await send('DELETE', url, undefined, AUTH)).json<ConfigApplyResult>().changes[0]?.action).toBe('deleted');
    expect(await list(get)).toEqual(['reviews']);
    expect((await send('DELETE', url, undefined, AUTH)).statusCode).toBe(404);
  });
  it('answers a refusal with its place and all findings', async () => {
    const { send } = await setUp();
    const yaml = `${YAML}  http:\n    - rout: []\n`;
    const response = await send('POST', '/api/v1/config/apply', { yaml }, AUTH);
    expect(response.statusCode).toBe(422);
    expect(response.json<ErrorBody>().error).toMatchObject({
      code: 'config-refused',
      message: 'There is no field "rout".',
      hint: 'Did you mean "route"?',
      field: 'spec.http[0].rout',
      line: 1,
      diagnostics: [{ severity: 'error' }],
    });
    const judged = await send('POST', '/api/v1/config/validate', { yaml });
    expect(judged.json<{ valid: boolean }>().valid).toBe(false);
  });
});

describe('g1: Host and Origin', () => {
  it.each([
    ['GET', '/api/v1/mesh'],
    ['GET', '/'],
    ['GET', '/api/openapi.json'],
    ['GET', '/api/v1/events'],
    ['GET', '/nothing'],
    ['POST', '/api/v1/config/apply'],
  ] as const)('%s %s under a foreign Host is 421, before anything else', async (method, url) => {
    const { api } = await setUp();
    const response = await api.inject({
      method,
      url,
      headers: { host: 'rebound.example:20001', ...AUTH },
      payload: {},
    });
    expect(response.statusCode).toBe(421);
    expect(code(response)).toBe('host-not-allowed');
  });
  it('accepts a configured name', async () => {
    const { api } = await setUp({}, { allowedHosts: ['Mesh.Example'] });
    expect((await api.inject({ url: '/api/v1/mesh', headers: { host: 'mesh.example' } })).statusCode).toBe(200);
  });
  it('refuses a foreign Origin, for reads, streams and writes with the token', async () => {
    const { get, send } = await setUp();
    const origin = 'http://127.0.0.1:3000';
    expect((await get('/api/v1/mesh', { origin })).statusCode).toBe(403);
    expect((await get('/api/v1/events', { origin })).statusCode).toBe(403);
    expect((await send('POST', '/api/v1/session/link', {}, { ...AUTH, origin })).statusCode).toBe(403);
  });
  it('grants nobody else the right to read', async () => {
    const { get, api } = await setUp();
    const response = await get('/api/v1/mesh', { origin: ORIGIN });
    expect(Object.keys(response.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    const preflight = await api.inject({
      method: 'OPTIONS',
      url: '/api/v1/config/apply',
      headers: { host: HOST, origin: 'http://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.statusCode).toBe(403);
  });
});

describe('g2: who may write', () => {
  const WRITES = [
    ['POST', '/api/v1/config/apply', { yaml: 'kind: A' }],
    ['POST', '/api/v1/session/link', {}],
    ['DELETE', '/api/v1/config/networking.istio.io/VirtualService/default/reviews', undefined],
  ] as const;
  it.each(WRITES)('%s %s needs the token', async (method, url, payload) => {
    const { send, get } = await setUp();
    const anonymous = await send(method, url, payload);
    expect(anonymous.statusCode).toBe(401);
    expect(code(anonymous)).toBe('not-allowed-to-write');
    expect(anonymous.headers['www-authenticate']).toBe('Bearer realm="weft"');
    expect((await send(method, url, payload, { authorization: `Bearer ${TOKEN.slice(1)}x` })).statusCode).toBe(401);
    expect((await send(method, url, payload, { authorization: `Basic ${TOKEN}` })).statusCode).toBe(401);
    expect((await get('/api/v1/config/networking.istio.io/VirtualService/default/reviews')).statusCode).toBe(200);
  });
  it('does not take the token from the query or a cookie', async () => {
    const { send } = await setUp();
    expect((await send('POST', `/api/v1/session/link?token=${TOKEN}`, {})).statusCode).toBe(401);
    expect(
      (await send('POST', '/api/v1/session/link', {}, { cookie: `token=${TOKEN}`, origin: ORIGIN })).statusCode,
    ).toBe(401);
  });
  it('refuses a wrong token on a read too, rather than overlooking it', async () => {
    const { get } = await setUp();
    expect((await get('/api/v1/mesh', { authorization: 'Bearer wrong' })).statusCode).toBe(401);
  });
  it('turns a guesser away, but not the owner', async () => {
    const { get } = await setUp();
    for (let i = 0; i < 10; i += 1) await get('/api/v1/mesh', { authorization: 'Bearer wrong' });
    const next = await get('/api/v1/mesh', { authorization: 'Bearer wrong' });
    expect(next.statusCode).toBe(429);
    expect(next.headers['retry-after']).toBe('60');
    expect((await get('/api/v1/mesh', AUTH)).statusCode).toBe(200);
  });
  it('does not start with a token that can be guessed', async () => {
    await expect(setUp({}, { token: 'admin' })).rejects.toThrow(/at least 32/);
  });
  it('lets other machines read only with the token', async () => {
    const { api } = await setUp({}, { allowedHosts: ['mesh.example'] });
    const from = { remoteAddress: '10.1.2.3', url: '/api/v1/mesh' };
    expect((await api.inject({ ...from, headers: { host: 'mesh.example' } })).statusCode).toBe(401);
    expect((await api.inject({ ...from, headers: { host: 'mesh.example', ...AUTH } })).statusCode).toBe(200);
  });
});

describe('g3, g4: browser sessions', () => {
  it('a link works once and buys a cookie that scripts and other sites can not use', async () => {
    const { api, send } = await setUp();
    const { entered, code: link } = await enter(api);
    expect(entered.statusCode).toBe(200);
    expect(entered.headers['set-cookie']).toMatch(/^weft_session=[\w-]{43}; Path=\/api; HttpOnly; SameSite=Strict$/);
    expect(entered.body).not.toContain(cookieOf(entered).split('=')[1]);
    const again = await send('POST', '/api/v1/session', { code: link }, { origin: ORIGIN });
    expect(again.statusCode).toBe(401);
    expect(code(again)).toBe('link-spent');
  });
  it('a link may open a page, and no other place', async () => {
    const { send } = await setUp();
    const link = await send('POST', '/api/v1/session/link', { path: '/traces/abc' }, AUTH);
    expect(link.json<{ path: string }>().path).toMatch(/^\/open\?to=%2Ftraces%2Fabc#[\w-]{43}$/);
    for (const path of ['//evil.example', 'https://evil.example', '/\\evil.example', '/a?b', 'traffic'])
      expect((await send('POST', '/api/v1/session/link', { path }, AUTH)).statusCode).toBe(400);
  });
  it('uses __Host- and Secure behind TLS', async () => {
    const { api } = await setUp({}, { scheme: 'https' });
    const link = await api.inject({
      method: 'POST',
      url: '/api/v1/session/link',
      headers: { host: HOST, ...AUTH },
      payload: {},
    });
    const entered = await api.inject({
      method: 'POST',
      url: '/api/v1/session',
      headers: { host: HOST, origin: `https://${HOST}` },
      payload: { code: link.json<{ path: string }>().path.split('#')[1] },
    });
    expect(entered.headers['set-cookie']).toMatch(
      /^__Host-weft_session=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
  });
  it('may write with the cookie and the page’s own Origin, and not with the cookie alone', async () => {
    const { api, send, get } = await setUp();
    const { cookie } = await enter(api);
    const url = '/api/v1/config/networking.istio.io/VirtualService/default/ratings';
    expect((await send('DELETE', url, undefined, { cookie })).statusCode).toBe(401);
    expect((await send('DELETE', url, undefined, { cookie, origin: 'http://127.0.0.1:3000' })).statusCode).toBe(403);
    expect((await get('/api/v1/session', { cookie })).json()).toMatchObject({ writable: true });
    expect((await send('DELETE', url, undefined, { cookie, origin: ORIGIN })).statusCode).toBe(200);
  });
  it('ends by logout on the server, by idleness, and at the latest after its full time', async () => {
    const { api, send, get, clock } = await setUp();
    const { cookie } = await enter(api);
    const out = await send('DELETE', '/api/v1/session', undefined, { cookie, origin: ORIGIN });
    expect(out.headers['set-cookie']).toContain('Max-Age=0');
    expect((await get('/api/v1/session', { cookie })).json()).toMatchObject({ writable: false });
    const next = await enter(api);
    clock.advance(60 * 60_000);
    expect((await get('/api/v1/session', { cookie: next.cookie })).json()).toMatchObject({ writable: false });
  });
  it('a new login ends the former session', async () => {
    const { api, send, get } = await setUp();
    const first = await enter(api);
    const link = await send('POST', '/api/v1/session/link', {}, AUTH);
    const path = link.json<{ path: string }>().path;
    const second = await send(
      'POST',
      '/api/v1/session',
      { code: path.split('#')[1] },
      { cookie: first.cookie, origin: ORIGIN },
    );
    expect(cookieOf(second)).not.toBe(first.cookie);
    expect((await get('/api/v1/session', { cookie: first.cookie })).json()).toMatchObject({ writable: false });
  });
  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/yaml'])(
    'takes no %s',
    async (type) => {
      const { api } = await setUp();
      const response = await api.inject({
        method: 'POST',
        url: '/api/v1/config/apply',
        headers: { host: HOST, ...AUTH, 'content-type': type },
        payload: '{"yaml":"kind: A"}',
      });
      expect(response.statusCode).toBe(415);
      expect(code(response)).toBe('json-required');
    },
  );
  it('changes nothing by GET', async () => {
    const { get, api } = await setUp();
    const { code: link } = await enter(api);
    for (const url of ['/api/v1/config/apply', '/api/v1/session/link', `/api/v1/session?code=${link}`])
      expect([400, 404]).toContain((await get(url, AUTH)).statusCode);
  });
});

describe('g7: headers', () => {
  it.each(['/api/v1/mesh', '/api/v1/nothing', '/api/openapi.json', '/%zz'])('are on %s', async (url) => {
    const { get } = await setUp();
    const { headers } = await get(url);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  });
});

describe('g9: the console’s files', () => {
  const withConsole = async () => {
    const dir = await tempDir();
    await mkdir(join(dir.path, 'dist', 'assets'), { recursive: true });
    await writeFile(join(dir.path, 'token'), TOKEN);
    await writeFile(join(dir.path, 'dist', 'index.html'), '<!doctype html><title>Weft</title>');
    await writeFile(join(dir.path, 'dist', 'assets', 'app-1.js'), 'export {};\n'.repeat(500));
    return { dir, ...(await setUp({}, { staticDir: join(dir.path, 'dist') })) };
  };
  it('serves the page for its addresses, and files with long life', async () => {
    const { dir, get } = await withConsole();
    await using _ = dir;
    const page = await get('/services/default/reviews?windowMs=60000');
    expect(page.headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' });
    const script = await get('/assets/app-1.js', { 'accept-encoding': 'gzip, br' });
    expect(script.headers).toMatchObject({
      'content-encoding': 'gzip',
      'cache-control': 'public, max-age=31536000, immutable',
    });
    expect((await get('/assets/app-1.js', { 'if-none-match': String(script.headers['etag']) })).statusCode).toBe(304);
  });
  it('shows a person the page that says so, and a program JSON', async () => {
    const { dir, get } = await withConsole();
    await using _ = dir;
    const person = await get('/no-such-page', { accept: 'text/html,*/*' });
    expect(person.statusCode).toBe(404);
    expect(person.headers['content-type']).toBe('text/html; charset=utf-8');
    expect((await get('/no-such-page', { accept: '*/*' })).json<ErrorBody>().error.code).toBe('not-found');
    expect((await get('/api/v1/nothing', { accept: 'text/html' })).json<ErrorBody>().error.code).toBe('not-found');
  });
  it.each([
    '/../token',
    '/..%2ftoken',
    '/%2e%2e/token',
    '/assets/..%5c..%5c..%5ctoken',
    '/assets/%00',
    '/token',
    '/assets/../../token',
  ])('knows nothing of %s', async (url) => {
    const { dir, get } = await withConsole();
    await using _ = dir;
    const response = await get(url);
    expect([400, 404]).toContain(response.statusCode);
    expect(response.body).not.toContain(TOKEN);
  });
});

describe('g10: limits', () => {
  it('takes a mebibyte of text, whatever is in it, and refuses a body that is larger', async () => {
    const { send } = await setUp();
    const quotes = await send('POST', '/api/v1/config/validate', { yaml: '"'.repeat(1024 * 1024) }, AUTH);
    expect(quotes.statusCode).toBe(200);
    const response = await send('POST', '/api/v1/config/apply', { yaml: 'x'.repeat(2.1 * 1024 * 1024) }, AUTH);
    expect(response.statusCode).toBe(413);
    expect(code(response)).toBe('body-too-large');
  });
  it('lets one peer ask only so often', async () => {
    const { get, clock } = await setUp({}, { options: { requestsPerSecond: 1, requestBurst: 3 } });
    const statuses = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await get('/api/v1/session')).statusCode);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    clock.advance(1_000);
    expect((await get('/api/v1/session')).statusCode).toBe(200);
  });
  it('what pages of other sites ask does not count for the user of their browser', async () => {
    const { get } = await setUp({}, { options: { requestsPerSecond: 1, requestBurst: 3 } });
    for (let i = 0; i < 10; i += 1)
      expect((await get('/api/v1/session', { origin: 'http://evil.example' })).statusCode).toBe(403);
    expect((await get('/api/v1/session')).statusCode).toBe(200);
  });
});

describe('g11, g14: nothing leaks', () => {
  it('answers an unexpected failure with an id only, and logs the rest under it', async () => {
    const lines: LogFields[] = [];
    const logger: Logger = { ...silentLogger, error: (fields) => lines.push(fields) };
    const clock = new FakeClock(1_800_000_000_000);
    const sources = bookinfoSources(clock);
    const broken = {
      ...sources,
      registry: {
        ...sources.registry,
        services: () => {
          throw new Error('ENOENT /home/user/.weft/token');
        },
      },
    };
    const api = await createConsoleApi({ sources: broken, clock, logger, token: TOKEN });
    const response = await api.inject({ url: '/api/v1/services', headers: { host: HOST } });
    expect(response.statusCode).toBe(500);
    const { error } = response.json<ErrorBody>();
    expect(error).toMatchObject({ code: 'internal', requestId: response.headers['x-request-id'] });
    expect(response.body).not.toMatch(/ENOENT|home|\.ts/);
    expect(lines[0]?.['requestId']).toBe(error.requestId);
  });
  it('writes only what the schemas name, whatever a source hands over', async () => {
    const clock = new FakeClock(1_800_000_000_000);
    const sources = bookinfoSources(clock);
    const leaky = {
      ...sources,
      mesh: { info: () => ({ ...sources.mesh.info(), token: TOKEN }) },
      proxies: {
        ...sources.proxies,
        list: () => sources.proxies.list().map((proxy) => ({ ...proxy, privateKeyPem: 'KEY' })),
      },
      certificates: {
        ...sources.certificates,
        roots: () => sources.certificates.roots().map((root) => ({ ...root, privateKeyPem: 'KEY' })),
      },
    };
    const api = await createConsoleApi({ sources: leaky, clock, logger: silentLogger, token: TOKEN });
    for (const path of ['mesh', 'certificates', 'proxies', 'workloads', 'workloads/default/reviews-v1']) {
      const { body, statusCode } = await api.inject({ url: `/api/v1/${path}`, headers: { host: HOST } });
      expect(statusCode).toBe(200);
      expect(body).not.toMatch(/KEY|privateKey|kkkk/);
    }
  });
  it('keeps peers’ words as data', async () => {
    const clock = new FakeClock(1_800_000_000_000);
    const sources = bookinfoSources(clock);
    const evil = '</script><script>alert(1)</script>\r\nX: y';
    const telemetry = {
      ...sources.telemetry,
      logs: () => ({
        entries: sources.telemetry.logs().entries.map((entry) => ({ ...entry, path: evil })),
        more: false,
      }),
    };
    const api = await createConsoleApi({
      sources: { ...sources, telemetry },
      clock,
      logger: silentLogger,
      token: TOKEN,
    });
    const response = await api.inject({ url: '/api/v1/logs?limit=1', headers: { host: HOST } });
    expect(response.headers['content-type']).toContain('application/json');
    expect(response.json<{ items: { path: string }[] }>().items[0]?.path).toBe(evil);
    expect(response.body).not.toContain('\r\n');
  });
});
