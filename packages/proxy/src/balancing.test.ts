// Balancing and the health of hosts by Envoy's messages alone, as any control plane may send them.
import { createServer as createHttp2, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ClusterSchema, Cluster_LbPolicy } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import { HealthStatus, type HealthCheckSchema } from '@weft/contracts/lean/envoy/config/core/v3/health_check';
import { FilterChainSchema } from '@weft/contracts/lean/envoy/config/listener/v3/listener_components';
import { TcpProxySchema } from '@weft/contracts/lean/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { LeastRequestSchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/least_request/v3/least_request';
import { MaglevSchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/maglev/v3/maglev';
import { RingHashSchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash';
import { WrrLocalitySchema } from '@weft/contracts/lean/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality';
import { StatefulSessionSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/stateful_session/v3/stateful_session';
import { CookieBasedSessionStateSchema } from '@weft/contracts/lean/envoy/extensions/http/stateful_session/cookie/v3/cookie';
import { HttpProtocolOptionsSchema } from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { PreviousPrioritiesConfigSchema } from '@weft/contracts/lean/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config';
import { waitFor } from '@weft/testkit';
import { ask, exchange, startProxy, type TestProxy } from './test-support/harness.ts';
import {
  hostAt,
  httpChain,
  listener,
  pack,
  resourceSet,
  routes,
  staticCluster,
  tcpChain,
  toCluster,
} from './test-support/resources.ts';
import { echoUpstream, httpUpstream, tcpUpstream, type TestServer } from './test-support/upstream.ts';

type ClusterInit = Exclude<MessageInitShape<typeof ClusterSchema>, { $typeName: string }>;
type CheckInit = Exclude<MessageInitShape<typeof HealthCheckSchema>, { $typeName: string }>;

const NAMES = ['one', 'two', 'three'];
const millis = (ms: number): { seconds: bigint; nanos: number } => ({
  seconds: BigInt(Math.floor(ms / 1000)),
  nanos: (ms % 1000) * 1_000_000,
});

/** Groups of endpoints, each of a priority of its own. */
const byPriority = (ports: readonly (readonly number[])[]): NonNullable<ClusterInit['loadAssignment']> => ({
  clusterName: 'a',
  endpoints: ports.map((group, priority) => ({
    priority,
    lbEndpoints: group.map((port) => hostAt(port)),
  })),
});

const proxyTo = (
  ports: readonly number[],
  cluster: ClusterInit = {},
  action: Parameters<typeof toCluster>[1] = {},
  hcm: Parameters<typeof httpChain>[1] = {},
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(toCluster('a', action)), hcm)])],
      clusters: [staticCluster('a', ports, cluster)],
    }),
  );

const nameOf = (body: string): string => (JSON.parse(body) as { name: string }).name;
const callers = async (proxy: TestProxy, count: number, headers: Record<string, string> = {}): Promise<string[]> => {
  const found = new Set<string>();
  for (let i = 0; i < count; i += 1) found.add(nameOf((await ask({ port: proxy.portOf('in'), headers })).body));
  return [...found].sort();
};

async function withEchos(run: (ports: readonly number[]) => Promise<void>): Promise<void> {
  const servers: TestServer[] = await Promise.all(NAMES.map((name) => echoUpstream(name)));
  try {
    await run(servers.map(({ port }) => port));
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]();
  }
}

describe('consistent hash', () => {
  it.each([
    ['ring hash', Cluster_LbPolicy.RING_HASH],
    ['maglev', Cluster_LbPolicy.MAGLEV],
  ])('%s keeps a key with its host, by the first policy that finds one', (_, lbPolicy) =>
    withEchos(async (ports) => {
      const hashPolicy = [
        { policySpecifier: { case: 'header' as const, value: { headerName: 'X-User' } }, terminal: true },
        { policySpecifier: { case: 'header' as const, value: { headerName: 'x-other' } } },
      ];
      await using proxy = await proxyTo(ports, { lbPolicy }, { hashPolicy });
      for (const user of ['a', 'b', 'c']) {
        const found = await callers(proxy, 8, { 'x-user': user });
        expect(found).toHaveLength(1);
        // The second policy does not count once the terminal one found something.
        expect(await callers(proxy, 4, { 'x-user': user, 'x-other': `${user}!` })).toEqual(found);
      }
      expect((await callers(proxy, 40)).length).toBeGreaterThan(1);
    }),
  );

  it.each([
    ['ring hash', Cluster_LbPolicy.RING_HASH],
    ['maglev', Cluster_LbPolicy.MAGLEV],
  ])('%s gives away what is too much for the host of a key', async (_, lbPolicy) => {
    const waiting: (() => void)[] = [];
    const servers = await Promise.all(
      NAMES.map((name) =>
        httpUpstream((_request, response) => void waiting.push(() => response.end(JSON.stringify({ name })))),
      ),
    );
    const hashPolicy = [{ policySpecifier: { case: 'header' as const, value: { headerName: 'x-user' } } }];
    const commonLbConfig = { consistentHashingLbConfig: { hashBalanceFactor: 110 } };
    await using proxy = await proxyTo(
      servers.map(({ port }) => port),
      { lbPolicy, commonLbConfig },
      { hashPolicy },
    );
    const asked = Array.from({ length: 12 }, () => ask({ port: proxy.portOf('in'), headers: { 'x-user': 'one' } }));
    await waitFor(() => waiting.length === 12, { what: 'all requests at their hosts' });
    for (const answer of waiting.splice(0)) answer();
    const names = (await Promise.all(asked)).map(({ body }) => nameOf(body));
    const most = Math.max(...NAMES.map((name) => names.filter((one) => one === name).length));
    expect(most).toBeLessThanOrEqual(Math.ceil((12 * 1.1 + 1) / NAMES.length) + 1);
    // With nothing else in progress the key has its host.
    const alone = ask({ port: proxy.portOf('in'), headers: { 'x-user': 'one' } });
    await waitFor(() => waiting.length === 1);
    waiting[0]?.();
    expect(nameOf((await alone).body)).toBe(names[0]);
    for (const server of servers) await server[Symbol.asyncDispose]();
    expect(
      proxy.path.update(
        resourceSet({
          clusters: [
            staticCluster('a', [1], {
              lbPolicy,
              commonLbConfig: { consistentHashingLbConfig: { hashBalanceFactor: 99 } },
            }),
          ],
        }),
      )[0]?.reason,
    ).toMatch(/hash_balance_factor: 99 is below 100/);
  });

  it('gives a cookie with the answer', () =>
    withEchos(async (ports) => {
      const hashPolicy = [
        { policySpecifier: { case: 'cookie' as const, value: { name: 'u', ttl: millis(60_000), path: '/p' } } },
      ];
      await using proxy = await proxyTo(ports, { lbPolicy: Cluster_LbPolicy.RING_HASH }, { hashPolicy });
      const first = await ask({ port: proxy.portOf('in') });
      const [cookie = ''] = first.headers['set-cookie'] ?? [];
      expect(cookie).toMatch(/^u="[0-9a-f]{16}"; Max-Age=60; Path=\/p; HttpOnly$/);
      const sent = cookie.split(';')[0] ?? '';
      expect(await callers(proxy, 8, { cookie: sent })).toEqual([nameOf(first.body)]);
    }));

  it('is by the client’s address for TCP', async () => {
    const servers = await Promise.all(NAMES.map((name) => tcpUpstream((socket) => socket.end(name))));
    const chain = (hashes: boolean) =>
      create(FilterChainSchema, {
        filters: [
          {
            name: 'tcp',
            configType: {
              case: 'typedConfig',
              value: pack(TcpProxySchema, {
                statPrefix: 'test',
                clusterSpecifier: { case: 'cluster', value: 'a' },
                hashPolicy: hashes ? [{ policySpecifier: { case: 'sourceIp', value: {} } }] : [],
              }),
            },
          },
        ],
      });
    const clusters = [
      staticCluster(
        'a',
        servers.map(({ port }) => port),
        { lbPolicy: Cluster_LbPolicy.RING_HASH },
      ),
    ];
    const listeners = [listener('bound', [chain(true)]), listener('free', [chain(false)])];
    await using proxy = await startProxy(resourceSet({ listeners, clusters }));
    const heard = async (name: string): Promise<number> => {
      const found = new Set<string>();
      for (let i = 0; i < 24; i += 1) found.add(await exchange(proxy.portOf(name), ''));
      return found.size;
    };
    expect(await heard('bound')).toBe(1);
    expect(await heard('free')).toBeGreaterThan(1);
    for (const server of servers) await server[Symbol.asyncDispose]();
  });

  it('and other balancers can be chosen by extensions, of which the first that is known counts', () =>
    withEchos(async (ports) => {
      const policy = (name: string, typedConfig: ReturnType<typeof pack>) => ({
        typedExtensionConfig: { name, typedConfig },
      });
      const unknown = policy('x', pack(StatefulSessionSchema, {}));
      const ring = policy('ring', pack(RingHashSchema, { minimumRingSize: 100n }));
      const hashPolicy = [{ policySpecifier: { case: 'header' as const, value: { headerName: 'x-user' } } }];
      const with1 = (...policies: ReturnType<typeof policy>[]): ClusterInit => ({
        lbPolicy: Cluster_LbPolicy.LOAD_BALANCING_POLICY_CONFIG,
        loadBalancingPolicy: { policies },
      });
      await using proxy = await proxyTo(ports, with1(unknown, ring), { hashPolicy });
      expect(await callers(proxy, 12, { 'x-user': 'a' })).toHaveLength(1);
      const refusal = (cluster: ClusterInit): string | undefined =>
        proxy.path.update(resourceSet({ clusters: [staticCluster('a', ports, cluster)] }))[0]?.reason;
      const inside = policy('w', pack(WrrLocalitySchema, { endpointPickingPolicy: { policies: [ring] } }));
      expect(refusal(with1(inside))).toBeUndefined();
      expect(refusal(with1(policy('m', pack(MaglevSchema, { tableSize: 7n }))))).toBeUndefined();
      expect(refusal(with1(policy('l', pack(LeastRequestSchema, { choiceCount: 3 }))))).toBeUndefined();
      expect(refusal(with1(unknown))).toMatch(/none of .*StatefulSession is supported/);
      expect(refusal(with1())).toMatch(/names no policy/);
      expect(refusal(with1(policy('w', pack(WrrLocalitySchema, {}))))).toMatch(/endpoint_picking_policy/);
    }));

  it('refuses a table of a wrong size', async () => {
    await using proxy = await proxyTo([1]);
    const reasonFor = (cluster: ClusterInit): string | undefined =>
      proxy.path.update(resourceSet({ clusters: [staticCluster('a', [1], cluster)] }))[0]?.reason;
    const maglevLbConfig = { case: 'maglevLbConfig' as const, value: { tableSize: 100n } };
    expect(reasonFor({ lbPolicy: Cluster_LbPolicy.MAGLEV, lbConfig: maglevLbConfig })).toMatch(/prime/);
    const ringHashLbConfig = { case: 'ringHashLbConfig' as const, value: { minimumRingSize: 9_000_000n } };
    expect(reasonFor({ lbPolicy: Cluster_LbPolicy.RING_HASH, lbConfig: ringHashLbConfig })).toMatch(/ring of/);
  });
});

describe('a stateful session', () => {
  it('binds by a cookie', () =>
    withEchos(async (ports) => {
      const sessionState = {
        name: 'cookie',
        typedConfig: pack(CookieBasedSessionStateSchema, { cookie: { name: 's', path: '/', ttl: millis(5_000) } }),
      };
      await using proxy = await proxyTo(
        ports,
        {},
        {},
        {
          httpFilters: [
            {
              name: 'session',
              configType: { case: 'typedConfig', value: pack(StatefulSessionSchema, { sessionState }) },
            },
          ],
        },
      );
      const first = await ask({ port: proxy.portOf('in') });
      const [cookie = ''] = first.headers['set-cookie'] ?? [];
      expect(cookie).toMatch(/^s="[^"]+"; Max-Age=5; Path=\/; HttpOnly$/);
      expect(await callers(proxy, 10, { cookie: cookie.split(';')[0] ?? '' })).toEqual([nameOf(first.body)]);
      expect((await callers(proxy, 40)).length).toBeGreaterThan(1);
    }));
});

describe('outlier detection', () => {
  it('takes the failing host out and shows it', async () => {
    await using good = await echoUpstream('good');
    await using bad = await httpUpstream((_, response) => void response.writeHead(500).end());
    await using proxy = await proxyTo([bad.port, good.port], {
      commonLbConfig: { healthyPanicThreshold: { value: 0 } },
      outlierDetection: { consecutive5xx: 3, maxEjectionPercent: 100 },
    });
    const statuses: number[] = [];
    for (let i = 0; i < 60; i += 1) statuses.push((await ask({ port: proxy.portOf('in') })).status);
    expect(statuses.filter((status) => status === 500)).toHaveLength(3);
    const out = proxy.path.clusters()[0]?.hosts.find(({ name }) => name.endsWith(`:${bad.port}`));
    expect(out).toMatchObject({ healthy: false, healthFlags: ['failed_outlier_check'] });
    expect(proxy.stats.valueOf('cluster.a.outlier_detection.ejections_active')).toBe(1);
  });

  it('counts hosts that can not be reached, also for TCP', async () => {
    await using good = await tcpUpstream((socket) => socket.end('x'));
    const clusters = [
      staticCluster('a', [1, good.port], {
        lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
        outlierDetection: { consecutive5xx: 2, maxEjectionPercent: 100 },
      }),
    ];
    await using proxy = await startProxy(resourceSet({ listeners: [listener('in', [tcpChain('a')])], clusters }));
    await waitFor(async () => {
      await ask({ port: proxy.portOf('in') }).catch(() => undefined);
      return proxy.stats.valueOf('cluster.a.outlier_detection.ejections_active') === 1;
    });
    expect(proxy.path.clusters()[0]?.hosts.find(({ name }) => name.endsWith(':1'))?.healthy).toBe(false);
  });
});

describe('priorities', () => {
  it('send a retry to another priority where that is asked for', () =>
    withEchos(async ([port = 0]) => {
      await using bad = await httpUpstream((_, response) => void response.writeHead(503).end());
      const retryPolicy = (updateFrequency: number) => ({
        retryOn: '5xx',
        numRetries: 1,
        retryPriority: {
          name: 'envoy.retry_priorities.previous_priorities',
          configType: {
            case: 'typedConfig' as const,
            value: pack(PreviousPrioritiesConfigSchema, { updateFrequency }),
          },
        },
      });
      const loadAssignment = byPriority([[bad.port], [port]]);
      await using once = await proxyTo([], { loadAssignment }, { retryPolicy: retryPolicy(1) });
      expect((await ask({ port: once.portOf('in') })).status).toBe(200);
      await using twice = await proxyTo([], { loadAssignment }, { retryPolicy: retryPolicy(2) });
      expect((await ask({ port: twice.portOf('in') })).status).toBe(503);
    }));

  it('leave out what discovery calls unhealthy', () =>
    withEchos(async ([one = 0, two = 0]) => {
      const loadAssignment = byPriority([[one], [two]]);
      const { endpoints = [] } = loadAssignment as { endpoints?: { lbEndpoints: { healthStatus?: HealthStatus }[] }[] };
      for (const endpoint of endpoints[0]?.lbEndpoints ?? []) endpoint.healthStatus = HealthStatus.UNHEALTHY;
      await using proxy = await proxyTo([], { loadAssignment });
      expect(await callers(proxy, 10)).toEqual(['two']);
    }));
});

describe('active health checks', () => {
  const check = (healthChecker: CheckInit['healthChecker'], more: CheckInit = {}): CheckInit => ({
    timeout: millis(500),
    interval: millis(40),
    noTrafficInterval: millis(40),
    unhealthyThreshold: 2,
    healthyThreshold: 2,
    ...(healthChecker === undefined ? {} : { healthChecker }),
    ...more,
  });
  const noPanic = { commonLbConfig: { healthyPanicThreshold: { value: 0 } } };
  const flagsOf = (proxy: TestProxy, port: number): readonly string[] | undefined =>
    proxy.path.clusters()[0]?.hosts.find(({ name }) => name.endsWith(`:${port}`))?.healthFlags;

  it('by HTTP: a host that does not answer as expected is out until it does again', async () => {
    let status = 200;
    const asked: string[] = [];
    await using sick = await httpUpstream((request, response) => {
      if (request.url === '/well') asked.push(`${request.headers.host} ${String(request.headers['x-who'])}`);
      response.writeHead(request.url === '/well' ? status : 200).end('{"name":"sick"}');
    });
    await using good = await echoUpstream('good');
    const healthChecks = [
      check({
        case: 'httpHealthCheck',
        value: {
          path: '/well',
          host: 'h',
          requestHeadersToAdd: [{ header: { key: 'X-Who', value: 'me' } }],
          expectedStatuses: [{ start: 200n, end: 300n }],
        },
      }),
    ];
    await using proxy = await proxyTo([sick.port, good.port], { ...noPanic, healthChecks });
    // Until the first answers nobody is taken to be ill.
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
    await waitFor(() => asked.length > 2);
    expect(asked[0]).toBe('h me');
    // Connections are kept between questions.
    expect(sick.accepted()).toBeLessThan(asked.length + 1);
    expect(flagsOf(proxy, sick.port)).toEqual([]);
    status = 503;
    await waitFor(() => flagsOf(proxy, sick.port)?.length === 1);
    expect(flagsOf(proxy, sick.port)).toEqual(['failed_active_hc']);
    expect(await callers(proxy, 10)).toEqual(['good']);
    status = 200;
    await waitFor(() => flagsOf(proxy, sick.port)?.length === 0);
    expect(await callers(proxy, 20)).toEqual(['good', 'sick']);
    expect(proxy.stats.valueOf('cluster.a.health_check.healthy')).toBe(2);
    // A host that joins has to answer first; one that leaves is asked no more; checks that are taken away bring all back.
    const withJoiner = (checks: CheckInit[]) =>
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [1, good.port], { ...noPanic, healthChecks: checks })],
      });
    proxy.path.update(withJoiner(healthChecks));
    expect(flagsOf(proxy, 1)).toEqual(['pending_active_hc']);
    await waitFor(() => flagsOf(proxy, 1)?.[0] === 'failed_active_hc');
    const before = asked.length;
    await waitFor(() => proxy.stats.valueOf('cluster.a.health_check.network_failure') > 2);
    expect(asked).toHaveLength(before);
    proxy.path.update(withJoiner([]));
    expect(flagsOf(proxy, 1)).toEqual([]);
  });

  it('by HTTP: failures that may be chance count to the threshold', async () => {
    const statuses = [200, 500, 200, 500, 200, 500, 500];
    let asked = 0;
    await using sick = await httpUpstream((_, response) => {
      response.writeHead(statuses[asked] ?? 200).end();
      asked += 1;
    });
    const retriableStatuses = [{ start: 500n, end: 600n }];
    const healthChecks = [check({ case: 'httpHealthCheck', value: { path: '/', retriableStatuses } })];
    await using proxy = await proxyTo([sick.port], { ...noPanic, healthChecks });
    const seen = new Set<number>();
    await waitFor(
      () => {
        if (flagsOf(proxy, sick.port)?.length === 1) seen.add(asked);
        return asked > 8;
      },
      { everyMs: 2 },
    );
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(7);
    expect(seen.size).toBeGreaterThan(0);
  });

  it('by TCP: a connection, or what is said over it', async () => {
    let answer = 'pong';
    await using server = await tcpUpstream((socket) => {
      socket.on('data', (data) => void (data.toString() === 'ping' && socket.write(answer)));
      socket.on('end', () => socket.end());
    });
    const said = (text: string) => ({ payload: { case: 'text' as const, value: Buffer.from(text).toString('hex') } });
    const healthChecks = [
      check(
        { case: 'tcpHealthCheck', value: { send: said('ping'), receive: [said('po'), said('g')] } },
        { timeout: millis(60) },
      ),
    ];
    await using proxy = await proxyTo([server.port, 1], { ...noPanic, healthChecks });
    await waitFor(() => flagsOf(proxy, 1)?.length === 1 && proxy.stats.valueOf('cluster.a.health_check.success') > 1);
    expect(flagsOf(proxy, server.port)).toEqual([]);
    answer = 'gnop';
    await waitFor(() => flagsOf(proxy, server.port)?.length === 1);
  });

  it('by gRPC: SERVING and nothing else', async () => {
    let serving = 1;
    const services: string[] = [];
    const server: Http2Server = createHttp2();
    server.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        services.push(`${headers[':path']} ${Buffer.concat(chunks).subarray(7).toString()}`);
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 8, serving]));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const http2 = pack(HttpProtocolOptionsSchema, {
      upstreamProtocolOptions: {
        case: 'explicitHttpConfig',
        value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
      },
    });
    const healthChecks = [check({ case: 'grpcHealthCheck', value: { serviceName: 'ledger' } })];
    const proxy = await proxyTo([port], {
      ...noPanic,
      healthChecks,
      typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2 },
    });
    try {
      await waitFor(() => services.length > 2);
      expect(services[0]).toBe('/grpc.health.v1.Health/Check ledger');
      expect(flagsOf(proxy, port)).toEqual([]);
      serving = 2;
      await waitFor(() => flagsOf(proxy, port)?.length === 1);
      serving = 1;
      await waitFor(() => flagsOf(proxy, port)?.length === 0);
    } finally {
      await proxy[Symbol.asyncDispose]();
      server.close();
    }
  });

  it('bring back who was ejected', async () => {
    let status = 500;
    await using host = await httpUpstream((request, response) =>
      response.writeHead(request.url === '/well' ? 200 : status).end('{"name":"x"}'),
    );
    await using proxy = await proxyTo([host.port], {
      ...noPanic,
      outlierDetection: { consecutive5xx: 1, maxEjectionPercent: 100, baseEjectionTime: millis(3_600_000) },
      healthChecks: [
        check(
          { case: 'httpHealthCheck', value: { path: '/well' } },
          { interval: millis(100), noTrafficInterval: millis(100) },
        ),
      ],
    });
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(500);
    status = 200;
    await waitFor(async () => (await ask({ port: proxy.portOf('in') })).status === 200);
  });

  it('are refused when incomplete', async () => {
    await using proxy = await proxyTo([1]);
    const reasonFor = (healthCheck: CheckInit): string | undefined =>
      proxy.path.update(resourceSet({ clusters: [staticCluster('a', [1], { healthChecks: [healthCheck] })] }))[0]
        ?.reason;
    expect(reasonFor({ timeout: millis(1) })).toMatch(/timeout and interval/);
    expect(reasonFor({ timeout: millis(1), interval: millis(1) })).toMatch(/checker/);
    expect(reasonFor(check({ case: 'httpHealthCheck', value: {} }))).toMatch(/path/);
  });
});
