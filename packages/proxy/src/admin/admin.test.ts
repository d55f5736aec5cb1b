import { create, toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { createLogger, silentLogger } from '@weft/kit';
import { createTestAuthority, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { decodeResource } from '../discovery/decode.ts';
import { changeBook, EMPTY_BOOK } from '../discovery/resource-book.ts';
import type { ClusterStatus, DataPath } from '../ports.ts';
import { createStats } from '../stats/stats.ts';
import { workloadOfMetadata } from '../stats/workload-labels.ts';
import { fetchPage } from '../test-support/proxy-program.ts';
import { startAdminServer } from './admin-server.ts';
import { certsJson } from './certs.ts';
import { clustersJson, clustersText } from './cluster-page.ts';
import { configDump } from './config-dump.ts';
import { createProfiler, threadProfilers } from './profiles.ts';
import { adminPages } from './pages.ts';
import { judge, type ReadinessInputs, readyPage } from './readiness.ts';

const CLUSTER: ClusterStatus = {
  name: 'outbound|9080||r',
  maxConnections: 1,
  maxPendingRequests: 2,
  maxRequests: 3,
  maxRetries: 4,
  hosts: [
    {
      name: '[::1]:80',
      hostname: 'h',
      healthy: false,
      healthFlags: ['failed_outlier_check', 'failed_eds_health'],
      edsHealth: 'UNHEALTHY',
      successRate: 52.5,
      localOriginSuccessRate: -1,
      weight: 7,
      priority: 1,
      locality: 'r/z/s',
      activeConnections: 1,
      totalConnections: 2,
      activeRequests: 2,
      totalRequests: 10,
      failedRequests: 3,
      connectFailures: 4,
      timedOutRequests: 1,
      pendingRequests: 0,
    },
  ],
};
const dataPath: DataPath = {
  update: () => [],
  refresh: () => {},
  listeners: () => [
    { name: 'a', address: '127.0.0.1:80', state: 'active', reason: '' },
    { name: 'b', address: '127.0.0.1:81', state: 'failed', reason: 'EADDRINUSE' },
  ],
  clusters: () => [CLUSTER],
  activeConnections: () => 0,
  activeRequests: () => 0,
  armedTimers: () => 0,
  relieve: () => 0,
  serve: () => undefined,
  sockets: () => [],
  drainListeners: () => undefined,
  drain: () => Promise.resolve(0),
  close: () => Promise.resolve(),
};

async function serve(token: string | undefined = 'secret') {
  const stats = createStats(workloadOfMetadata({}));
  stats.add(stats.counter('cluster.x.upstream_cx_total'), 2);
  stats.counter('http.y.never');
  const logger = createLogger({ name: 'test', level: 'silent' });
  const drains: unknown[] = [];
  const failedLogs: string[] = [];
  const server = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    token: () => token,
    logger: silentLogger,
    pages: adminPages({
      stats,
      readings: () => [{ name: 'server.uptime', kind: 'gauge', value: 5 }],
      dataPath,
      readiness: () => ({ waitingFor: [], notes: [], draining: false }),
      configDump: (query) =>
        Promise.resolve(configDump({ book: EMPTY_BOOK, nodeId: 'n', metadata: {}, secrets: [] }, query)),
      certs: () => ({ certificates: [] }),
      serverInfo: () => ({ state: 'LIVE' }),
      logger,
      failHealthCheck: (fails) => void drains.push(`fails ${fails}`),
      quit: () => void drains.push('quit'),
      reopenLogs: () => failedLogs,
      workerHeaps: () => [],
      profilers: threadProfilers(
        createProfiler((ms) => new Promise((resolve) => void setTimeout(resolve, ms))),
        0,
        () => Promise.reject(new Error('no workers')),
      ),
      drain: (ms) => void drains.push(ms),
      drainListeners: (plan) => void drains.push(plan),
    }),
  });
  return {
    get: (path: string) => fetchPage(server.address, path),
    ask: (path: string, options: object) => fetchPage(server.address, path, options),
    drains,
    failedLogs,
    stats,
    logger,
    [Symbol.asyncDispose]: () => server.close(),
  };
}
const as = (token: string) => ({ method: 'POST', headers: { authorization: `Bearer ${token}` } });

describe('admin server', () => {
  it('shows statistics as text, JSON and for Prometheus', async () => {
    await using admin = await serve();
    expect((await admin.get('/stats')).body).toBe(
      'cluster.x.upstream_cx_total: 2\nhttp.y.never: 0\nserver.uptime: 5\n',
    );
    expect((await admin.get('/stats?usedonly&filter=^cluster')).body).toBe('cluster.x.upstream_cx_total: 2\n');
    expect(JSON.parse((await admin.get('/stats?format=json&filter=uptime')).body)).toEqual({
      stats: [{ name: 'server.uptime', value: 5 }],
    });
    expect((await admin.get('/stats/prometheus')).body).toContain(
      'envoy_cluster_upstream_cx_total{envoy_cluster_name="x"} 2\n',
    );
    expect((await admin.get('/stats?format=prometheus')).body).toContain('# TYPE envoy_server_uptime gauge\n');
    expect((await admin.get('/stats?filter=(')).status).toBe(400);
    expect((await admin.get('/stats?format=xml')).status).toBe(400);
  });
  it('lists listeners and pages', async () => {
    await using admin = await serve();
    expect((await admin.get('/listeners')).body).toBe('a::127.0.0.1:80\nb::127.0.0.1:81::failed: EADDRINUSE\n');
    expect(JSON.parse((await admin.get('/listeners?format=json')).body)).toMatchObject({
      listener_statuses: [
        { name: 'a', local_address: { socket_address: { address: '127.0.0.1', port_value: 80 } } },
        { name: 'b', reason: 'EADDRINUSE' },
      ],
    });
    expect((await admin.get('/listeners?format=json')).body).not.toContain('active');
    expect((await admin.get('/contention')).status).toBe(200);
    expect((await admin.ask('/runtime_modify?a=b', as('secret'))).status).toBe(503);
    expect((await admin.get('/clusters?filter=(')).status).toBe(400);
    expect((await admin.get('/')).body).toContain('POST /drain_listeners: ');
    expect((await admin.get('/config_dump/')).status).toBe(200);
    expect((await admin.get('/config_dump?name_regex=(')).status).toBe(400);
    expect(await admin.get('/config_dump?resource=nonsense')).toEqual({
      status: 404,
      body: 'nonsense not found in config dump\n',
    });
    expect(JSON.parse((await admin.get('/memory')).body)).toMatchObject({
      allocated: expect.stringMatching(/^\d+$/),
      heap_size: expect.stringMatching(/^\d+$/),
    });
    expect((await admin.get('/init_dump')).body).toBe('{}\n');
    expect((await admin.get('/hot_restart_version')).body).toBe('disabled\n');
  });
  it.each([
    ['localhost', 200],
    ['127.0.0.1:15000', 200],
    ['rebound.example', 421],
    ['127.0.0.1.example', 421],
  ])('for the Host %s answers %d', async (host, status) => {
    await using admin = await serve();
    expect((await admin.ask('/ready', { headers: { host } })).status).toBe(status);
  });
  it.each<[string, Record<string, string>, number]>([
    ['another site', { origin: 'http://evil.example' }, 403],
    ['a file or a frame without a name', { origin: 'null' }, 403],
    ['another port of this host', { origin: 'http://127.0.0.1:20001', 'sec-fetch-site': 'same-site' }, 403],
    ['an image of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
    ['a link that was followed', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 200],
    ['an address that was typed', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, 200],
  ])('a browser that asks for %s gets %j: %d', async (_, headers, status) => {
    await using admin = await serve();
    expect((await admin.ask('/stats', { headers: { host: '127.0.0.1', ...headers } })).status).toBe(status);
    if (status === 403) {
      const posted = { method: 'POST', headers: { host: '127.0.0.1', authorization: 'Bearer secret', ...headers } };
      expect((await admin.ask('/drain', posted)).status).toBe(403);
      expect(admin.drains).toEqual([]);
    }
  });
  it.each(['//evil.example/stats', '//', '//['])('the address %s is none', async (path) => {
    await using admin = await serve();
    expect(await admin.ask(path, { headers: { host: '127.0.0.1' } })).toEqual({
      status: 400,
      body: 'the address must be a path\n',
    });
  });
  it('changes nothing without the token, nor by GET', async () => {
    await using admin = await serve();
    expect((await admin.ask('/drain', as('wrong'))).status).toBe(401);
    expect((await admin.ask('/drain', { method: 'POST' })).status).toBe(401);
    expect((await admin.ask('/drain', { method: 'PUT' })).status).toBe(405);
    expect((await admin.get('/drain')).status).toBe(405);
    expect((await admin.ask('/ready', as('secret'))).status).toBe(405);
    expect(admin.drains).toEqual([]);
    await using without = await serve('');
    expect((await without.ask('/drain', as(''))).status).toBe(401);
  });
  it('drains and sets the log level for who has it', async () => {
    await using admin = await serve();
    expect((await admin.ask('/drain?seconds=2', as('secret'))).status).toBe(200);
    expect((await admin.ask('/drain?seconds=x', as('secret'))).status).toBe(400);
    expect(admin.drains).toEqual([2_000]);
    expect((await admin.ask('/logging?level=error', as('secret'))).status).toBe(200);
    expect(admin.logger.level()).toBe('error');
    expect((await admin.get('/logging')).body).toContain('proxy: error');
    // As istioctl asks, and in Envoy's words.
    expect((await admin.ask('/logging', as('secret'))).body).toBe('active loggers:\n  proxy: error\n');
    expect((await admin.ask('/logging?level=warning', as('secret'))).body).toContain('proxy: warn');
    expect((await admin.ask('/logging?http=debug', as('secret'))).status).toBe(400);
  });
  it('drains listeners as Envoy does, and refuses what it does not know', async () => {
    await using admin = await serve();
    const drain = async (query: string): Promise<number> =>
      (await admin.ask(`/drain_listeners${query}`, as('secret'))).status;
    expect(await drain('')).toBe(200);
    expect(await drain('?inboundonly&graceful&skip_exit')).toBe(200);
    expect(await drain('?graceful')).toBe(200);
    expect(admin.drains).toEqual([
      { inboundOnly: false, graceful: false, stops: true },
      { inboundOnly: true, graceful: true, stops: false },
      { inboundOnly: false, graceful: true, stops: true },
    ]);
    expect([await drain('?skip_exit'), await drain('?seconds=2')]).toEqual([200, 400]);
    expect(admin.drains.slice(3)).toEqual([{ inboundOnly: false, graceful: true, stops: false }]);
  });
  it('fails and mends its health, and quits, for who has the token', async () => {
    await using admin = await serve();
    const paths = ['/healthcheck/fail', '/healthcheck/ok', '/quitquitquit'];
    for (const path of paths) {
      expect((await admin.get(path)).status).toBe(405);
      expect((await admin.ask(path, { method: 'POST' })).status).toBe(401);
    }
    expect(admin.drains).toEqual([]);
    for (const path of paths) expect((await admin.ask(path, as('secret'))).status).toBe(200);
    expect(admin.drains).toEqual(['fails true', 'fails false', 'quit']);
  });
  it('resets counters, not gauges', async () => {
    await using admin = await serve();
    const { stats } = admin;
    stats.set(stats.gauge('g'), 7);
    expect((await admin.ask('/reset_counters', as('secret'))).status).toBe(200);
    expect([stats.valueOf('cluster.x.upstream_cx_total'), stats.valueOf('g')]).toEqual([0, 7]);
    const lines = async (query: string): Promise<string[]> =>
      (await admin.get(`/stats?${query}`)).body.trim().split('\n');
    expect(await lines('type=Gauges')).toEqual(['g: 7', 'server.uptime: 5']);
    expect((await lines('type=Counters')).every((line) => line.endsWith(': 0'))).toBe(true);
    expect((await admin.get('/stats?type=Nothing')).status).toBe(400);
  });
  it('says which logs can not be opened again', async () => {
    await using admin = await serve();
    expect((await admin.ask('/reopen_logs', as('secret'))).status).toBe(200);
    admin.failedLogs.push('/gone/log');
    expect(await admin.ask('/reopen_logs', as('secret'))).toMatchObject({
      status: 500,
      body: '/gone/log can not be opened\n',
    });
  });
  it('profiles processor and memory, one at a time', async () => {
    await using admin = await serve();
    const cpu = admin.ask('/cpuprofiler?seconds=0.2', as('secret'));
    await waitFor(async () => (await admin.ask('/heapprofiler?seconds=0.05', as('secret'))).status === 409, {
      what: 'busy',
      everyMs: 5,
    });
    expect(JSON.parse((await cpu).body)).toMatchObject({ nodes: expect.any(Array), samples: expect.any(Array) });
    const heap = await admin.ask('/heapprofiler?seconds=0.05', as('secret'));
    expect(JSON.parse(heap.body)).toHaveProperty('head');
    expect((await admin.ask('/cpuprofiler?seconds=3600', as('secret'))).status).toBe(400);
    expect((await admin.ask('/cpuprofiler?seconds=1', { method: 'POST' })).status).toBe(401);
  });
  it('takes a level by the name of its logger', async () => {
    await using admin = await serve();
    expect((await admin.ask('/logging?paths=proxy:warn', as('secret'))).status).toBe(200);
    expect(admin.logger.level()).toBe('warn');
    expect((await admin.ask('/logging?paths=other:warn', as('secret'))).status).toBe(400);
  });
  it('says which address is taken', async () => {
    await using admin = await serve();
    const taken = /:(\d+)$/.exec((await admin.get('/listeners?format=json')).body) ?? [];
    expect(taken).toEqual([]);
    await expect(
      startAdminServer({ host: '203.0.113.1', port: 1, pages: [], token: () => undefined, logger: silentLogger }),
    ).rejects.toThrow('admin page: can not listen on 203.0.113.1:1');
  });
});

describe('/clusters', () => {
  it('has one fact a line', () => {
    const text = clustersText([CLUSTER]);
    expect(text).toContain('outbound|9080||r::default_priority::max_retries::4\n');
    expect(text).toContain('outbound|9080||r::[::1]:80::health_flags::/failed_outlier_check/failed_eds_health\n');
    expect(text).toContain('outbound|9080||r::[::1]:80::rq_success::7\n');
    expect(text).toContain('::zone::z\n');
  });
  it('has the same in JSON', () => {
    expect(JSON.parse(clustersJson([CLUSTER]))).toMatchObject({
      cluster_statuses: [
        {
          name: CLUSTER.name,
          host_statuses: [
            {
              address: { socket_address: { address: '::1', port_value: 80 } },
              weight: 7,
              locality: { sub_zone: 's' },
              health_status: { failed_outlier_check: true, eds_health_status: 'UNHEALTHY' },
              success_rate: { value: 52.5 },
            },
          ],
        },
      ],
    });
  });
});

describe('/config_dump', () => {
  const bytes = toBinary(ListenerSchema, create(ListenerSchema, { name: 'l', statPrefix: 'p' }));
  const book = changeBook(EMPTY_BOOK, {
    type: 'listener',
    taken: [{ name: 'l', version: '3', bytes, message: decodeResource('listener', bytes), updatedAt: 0 }],
    removed: [],
    refused: [{ name: 'never', version: '9', bytes, reason: 'no filter', at: 0 }],
  });
  const odd = create(ListenerSchema, {
    name: 'odd',
    filterChains: [
      {
        filters: [
          {
            name: 'f',
            configType: {
              case: 'typedConfig',
              value: { typeUrl: 'type.googleapis.com/acme.Filter', value: Uint8Array.of(8, 1) },
            },
          },
        ],
      },
    ],
  });
  const dump = (query: string, given = book) =>
    JSON.parse(
      configDump(
        { book: given, nodeId: 'n', metadata: { A: 1 }, secrets: [{ name: 'default', certificateChain: 'PEM' }] },
        new URLSearchParams(query),
      ),
    ) as { configs: unknown[] };
  it('shows what is in force and what was refused', () => {
    const type = 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump.DynamicListener';
    expect(dump('resource=dynamic_listeners').configs).toEqual([
      {
        '@type': type,
        name: 'l',
        active_state: {
          version_info: '3',
          last_updated: '1970-01-01T00:00:00.000Z',
          listener: { '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', name: 'l', stat_prefix: 'p' },
        },
      },
      {
        '@type': type,
        name: 'never',
        error_state: { version_info: '9', details: 'no filter', last_update_attempt: '1970-01-01T00:00:00.000Z' },
      },
    ]);
    expect(dump('resource=dynamic_listeners&name_regex=^l').configs).toHaveLength(1);
  });
  it('shows of each resource what a mask names', () => {
    const configs = dump('resource=dynamic_listeners&mask=name,active_state.listener.stat_prefix').configs;
    expect(configs[0]).toEqual({
      '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump.DynamicListener',
      name: 'l',
      active_state: {
        listener: { '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', stat_prefix: 'p' },
      },
    });
    expect(() => dump('resource=dynamic_listeners&mask=a..b')).toThrow('"a..b" is not a field');
    expect(() => dump('resource=dynamic_nonsense')).toThrow('dynamic_nonsense');
    expect(dump('resource=static_clusters').configs).toEqual([]);
    expect(dump('resource=bootstrap').configs).toEqual([
      {
        '@type': 'type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap',
        node: { id: 'n', metadata: { A: 1 } },
      },
    ]);
  });
  it('never shows a key', () => {
    const [secret] = dump('resource=dynamic_active_secrets').configs;
    expect(secret).toMatchObject({
      name: 'default',
      secret: { tls_certificate: { private_key: { inline_bytes: Buffer.from('[redacted]').toString('base64') } } },
    });
  });
  it('names an extension that it does not know, and shows everything around it', () => {
    const raw = toBinary(ListenerSchema, odd);
    const more = changeBook(book, {
      type: 'listener',
      taken: [{ name: 'odd', version: '1', bytes: raw, message: decodeResource('listener', raw), updatedAt: 0 }],
      removed: [],
      refused: [],
    });
    const text = JSON.stringify(dump('', more));
    expect(text).toContain('"name":"odd","filter_chains":[{"filters":[{"name":"f","typed_config":{');
    expect(text).toContain('"@type":"type.googleapis.com/acme.Filter"');
    expect(text).toContain('"stat_prefix":"p"');
  });
  it('shows a resource that can not be read encoded, and the rest readable', () => {
    const raw = Uint8Array.of(0x0a, 0x7f, 1);
    const message = decodeResource('listener', bytes);
    const more = changeBook(book, {
      type: 'listener',
      taken: [{ name: 'broken', version: '1', bytes: raw, message, updatedAt: 0 }],
      removed: [],
      refused: [],
    });
    const text = JSON.stringify(dump('', more));
    expect(text).toContain(Buffer.from(raw).toString('base64'));
    expect(text).toContain('"stat_prefix":"p"');
  });
});

describe('/ready', () => {
  const ALL: ReadinessInputs = {
    draining: false,
    hasIdentity: true,
    identityExpiresAt: 2_000,
    now: 1_000,
    configuration: [],
    source: 'control-plane',
    savedAt: undefined,
    connected: true,
    lastError: undefined,
    listeners: [{ name: 'a', state: 'active', reason: '' }],
  };
  it.each<[string, Partial<ReadinessInputs>, number, string]>([
    ['all there', {}, 200, 'LIVE\n'],
    ['no identity', { hasIdentity: false }, 503, 'INITIALIZING\nwaiting for certificate and key from the agent\n'],
    [
      'expired',
      { identityExpiresAt: 1_000 },
      503,
      'INITIALIZING\nwaiting for a new certificate: the present one expired at 1970-01-01T00:00:01.000Z\n',
    ],
    ['no configuration', { configuration: ['clusters'] }, 503, 'INITIALIZING\nwaiting for clusters\n'],
    [
      'warming',
      { listeners: [{ name: 'a', state: 'warming', reason: 'route r' }] },
      503,
      'INITIALIZING\nwaiting for listener a: route r\n',
    ],
    [
      'a taken address',
      { listeners: [{ name: 'a', state: 'failed', reason: 'EADDRINUSE' }] },
      200,
      'LIVE\nnote: listener a does not listen: EADDRINUSE\n',
    ],
    [
      'saved',
      { source: 'saved', savedAt: 0, connected: false, lastError: 'gone' },
      200,
      'LIVE\nnote: serving the saved configuration of 1970-01-01T00:00:00.000Z\nnote: no connection to the control plane: gone\n',
    ],
    ['draining', { draining: true }, 503, 'DRAINING\n'],
  ])('%s', (_, given, status, body) => {
    expect(readyPage(judge({ ...ALL, ...given }))).toEqual({ status, body });
  });
});

describe('/certs', () => {
  it('describes chain and roots', () => {
    const secret = createTestAuthority().issue('spiffe://cluster.local/ns/default/sa/a');
    const json = JSON.stringify(
      certsJson(
        [
          { name: 'default', certificateChain: secret.certChainPem },
          { name: 'ROOTCA', trustedCa: secret.rootsPem },
          { name: 'file-root:system', trustedCa: secret.rootsPem },
          { name: 'nowhere', fault: 'it is not there' },
        ],
        Date.now(),
      ),
    );
    expect(json).toContain('"uri":"spiffe://cluster.local/ns/default/sa/a"');
    expect(json).toContain('"days_until_expiration":"0"');
    expect(json).not.toContain('PRIVATE');
    expect(json.match(/"ca_cert":\[\{/g)).toHaveLength(2);
    expect(certsJson([], 0)).toEqual({ certificates: [] });
    expect(
      JSON.stringify(
        certsJson(
          [
            {
              name: 'default',
              certificateChain: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
            },
          ],
          0,
        ),
      ),
    ).toContain('"error"');
  });
});
