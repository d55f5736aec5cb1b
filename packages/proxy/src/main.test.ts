import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { ClusterLoadAssignmentSchema } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import { XDS_TYPE } from '@weft/contracts';
import { createTestAuthority, freePort, type TempDir, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode, type Resources, startControlPlane } from './test-support/control-plane.ts';
import { connectionManager, listenerOf, secureCluster, withMutualTls } from './test-support/mesh-resources.ts';
import { fetchPage, installProxy, type ProxyChild, startProxyChild } from './test-support/proxy-program.ts';

// The program itself, as its parent starts it, beside a control plane that speaks the real protocols.

const NODE = 'sidecar~127.0.0.1~productpage-v1.default~default.svc.cluster.local';
const CLUSTER = 'outbound|9080||reviews.default.svc.cluster.local';
const IDENTITY = 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage';
const METADATA = {
  NAMESPACE: 'default',
  SERVICE_ACCOUNT: 'bookinfo-productpage',
  WORKLOAD_NAME: 'productpage-v1',
  CLUSTER_ID: 'local',
  LABELS: { app: 'productpage', version: 'v1' },
};
const ADS = { ads: {}, resourceApiVersion: 'V3' };

let dir: TempDir;
let program: string;
let app: Server;
let appPort: number;
let seenHeaders: readonly string[] = [];
const authority = createTestAuthority();

beforeAll(async () => {
  ({ dir, program } = await installProxy());
  app = createServer((request, response) => {
    seenHeaders = Object.keys(request.headers);
    if (request.url === '/missing') response.statusCode = 404;
    response.end(`app saw ${request.url}`);
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  appPort = (app.address() as AddressInfo).port;
}, 60_000);
afterAll(async () => {
  app.closeAllConnections();
  app.close();
  await dir.remove();
});

function resourcesOf(port: number): Resources {
  const hcm = connectionManager({ rds: { routeConfigName: 'reviews', configSource: ADS } });
  const listener = listenerOf(`127.0.0.1_${port}`, port, 'OUTBOUND', hcm);
  return {
    [XDS_TYPE.cluster]: {
      [CLUSTER]: encode(ClusterSchema, {
        name: CLUSTER,
        type: 'EDS',
        edsClusterConfig: { edsConfig: ADS },
        connectTimeout: '1s',
      }),
    },
    [XDS_TYPE.endpoint]: {
      [CLUSTER]: encode(ClusterLoadAssignmentSchema, {
        clusterName: CLUSTER,
        endpoints: [
          {
            lbEndpoints: [
              {
                endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: appPort } } },
                metadata: { filterMetadata: { istio: { workload: 'reviews-v1;default;reviews;v1;local' } } },
              },
            ],
          },
        ],
      }),
    },
    [XDS_TYPE.listener]: { [`127.0.0.1_${port}`]: toBinary(ListenerSchema, listener) },
    [XDS_TYPE.route]: {
      reviews: encode(RouteConfigurationSchema, {
        name: 'reviews',
        virtualHosts: [
          {
            name: 'reviews',
            domains: ['*'],
            routes: [{ name: 'default', match: { prefix: '/' }, route: { cluster: CLUSTER } }],
          },
        ],
      }),
    },
  };
}

interface Started extends AsyncDisposable {
  readonly proxy: ProxyChild;
  readonly admin: string;
}

interface Workload {
  readonly node: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly id: string;
}
const PRODUCTPAGE: Workload = { node: NODE, metadata: METADATA, id: IDENTITY };
const REVIEWS: Workload = {
  node: 'sidecar~127.0.0.1~reviews-v2.default~default.svc.cluster.local',
  metadata: {
    NAMESPACE: 'default',
    SERVICE_ACCOUNT: 'bookinfo-reviews',
    WORKLOAD_NAME: 'reviews-v2',
    CLUSTER_ID: 'local',
    LABELS: { app: 'reviews', version: 'v2' },
  },
  id: 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews',
};

async function start(xds: string, saveDir: string, { node, metadata, id } = PRODUCTPAGE): Promise<Started> {
  const admin = `127.0.0.1:${await freePort()}`;
  const proxy = startProxyChild(program, [
    '--node-id', node, '--metadata', JSON.stringify(metadata), '--xds', xds, '--save-dir', saveDir, '--admin', admin, '--parent-fd', '3',
  ]); // prettier-ignore
  const secret = authority.issue(id);
  proxy.send({ type: 'admin-token', token: 'the token' });
  proxy.send({
    type: 'secrets',
    default: {
      certChainPem: secret.certChainPem,
      privateKeyPem: secret.privateKeyPem,
      spiffeId: id,
      expiresAt: Date.now() + 3_600_000,
    },
    rootCaPem: authority.rootsPem,
  });
  return { proxy, admin, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

const isReady = async (admin: string): Promise<boolean> => {
  const { status } = await fetchPage(admin, '/ready').catch(() => ({ status: 0 }));
  return status === 200;
};
const token = { authorization: 'Bearer the token' };

describe('the proxy program', () => {
  it('serves what the control plane says, and tells what it did', async () => {
    const port = await freePort();
    await using plane = await startControlPlane(authority, resourcesOf(port));
    await using started = await start(plane.address, join(dir.path, 'save-1'));
    const { proxy, admin } = started;
    await waitFor(() => proxy.messages.some(({ type }) => type === 'ready'), { what: 'ready' });
    expect((await fetchPage(admin, '/ready')).body).toBe('LIVE\n');

    expect(await fetchPage(`127.0.0.1:${port}`, '/reviews/0?x=1')).toEqual({
      status: 200,
      body: 'app saw /reviews/0?x=1',
    });
    await waitFor(() => proxy.stdout().includes('"GET /reviews/0?x=1 HTTP/1.1" 200 - via_upstream'), {
      what: 'access log',
    });
    const page = (await fetchPage(admin, '/stats/prometheus')).body;
    expect(page).toMatch(
      /istio_requests_total{reporter="source",source_workload="productpage-v1".*destination_workload="reviews-v1".*response_code="200".*} 1\n/,
    );

    const seen = <T>(pick: (report: (typeof plane.reports)[number]) => readonly T[]): T[] =>
      plane.reports.flatMap((report) => [...pick(report)]);
    await waitFor(() => seen(({ logs }) => logs).length === 1 && seen(({ spans }) => spans).length === 1, {
      what: 'report',
    });
    expect(plane.reports[0]?.hello).toMatchObject({
      proxy: NODE,
      workload: 'productpage-v1',
      service: 'productpage',
      version: 'v1',
    });
    expect(seen(({ logs }) => logs)[0]).toMatchObject({
      path: '/reviews/0?x=1',
      status: 200,
      peerWorkload: 'reviews-v1',
      upstreamCluster: CLUSTER,
    });
    expect(seen(({ spans }) => spans)[0]).toMatchObject({
      name: 'reviews.default.svc.cluster.local:9080/*',
      traceId: seen(({ logs }) => logs)[0]?.traceId,
    });
    expect(seen(({ counters }) => counters?.values ?? []).at(-1)).toBe(1);

    const dump = JSON.parse((await fetchPage(admin, '/config_dump?include_eds')).body) as {
      configs: Record<string, unknown>[];
    };
    const text = JSON.stringify(dump);
    expect(dump.configs.map((config) => String(config['@type']).split('.').at(-1))).toEqual([
      'BootstrapConfigDump', 'ClustersConfigDump', 'EndpointsConfigDump', 'ListenersConfigDump', 'ScopedRoutesConfigDump', 'RoutesConfigDump', 'SecretsConfigDump',
    ]); // prettier-ignore
    expect(text).toContain('"route_config_name":"reviews"');
    expect(text).toContain(Buffer.from('[redacted]').toString('base64'));
    expect(text).not.toContain(Buffer.from('PRIVATE KEY').toString('base64').slice(0, 12));
    expect((await fetchPage(admin, '/clusters')).body).toContain(`${CLUSTER}::127.0.0.1:${appPort}::rq_total::1\n`);
    expect((await fetchPage(admin, '/listeners')).body).toBe(`127.0.0.1_${port}::127.0.0.1:${port}\n`);
    expect((await fetchPage(admin, '/certs')).body).toContain(IDENTITY);
  });

  it('refuses a poisoned resource with the reason, and the rest stands', async () => {
    const port = await freePort();
    const good = resourcesOf(port);
    await using plane = await startControlPlane(authority, good);
    await using started = await start(plane.address, join(dir.path, 'save-2'));
    await waitFor(() => isReady(started.admin));
    const bad = create(RouteConfigurationSchema, {
      name: 'reviews',
      virtualHosts: [
        { name: 'a', domains: ['*'] },
        { name: 'b', domains: ['*'] },
      ],
    });
    plane.set({
      ...good,
      [XDS_TYPE.route]: { reviews: toBinary(RouteConfigurationSchema, bad) },
      [XDS_TYPE.cluster]: {
        ...good[XDS_TYPE.cluster],
        broken: Uint8Array.of(0x0a, 0xff),
        other: encode(ClusterSchema, { name: 'other', type: 'STATIC' }),
      },
    });
    const nacked = (typeUrl: string): string =>
      plane.ads.connections()[0]?.types.find((type) => type.typeUrl === typeUrl)?.nacked?.message ?? '';
    await waitFor(() => nacked(XDS_TYPE.route) !== '' && nacked(XDS_TYPE.cluster) !== '', { what: 'NACK' });
    expect(nacked(XDS_TYPE.route)).toContain('domain "*" is in two virtual hosts');
    expect(nacked(XDS_TYPE.cluster)).toContain('broken');
    expect(nacked(XDS_TYPE.cluster)).not.toContain('other');
    expect((await fetchPage(`127.0.0.1:${port}`, '/')).status).toBe(200);
    expect((await fetchPage(started.admin, '/clusters')).body).toContain('other::');
    const dump = (await fetchPage(started.admin, '/config_dump?resource=dynamic_route_configs')).body;
    expect(dump).toMatch(/"error_state": {[^}]*domain \\"\*\\" is in two virtual hosts/);
  });

  it('killed once it is ready, serves from its saved configuration while the control plane is away, and joins it', async () => {
    const port = await freePort();
    const xdsPort = await freePort();
    const saveDir = join(dir.path, 'save-3');
    const xds = `127.0.0.1:${xdsPort}`;
    {
      await using plane = await startControlPlane(authority, resourcesOf(port), xdsPort);
      await using started = await start(plane.address, saveDir);
      await waitFor(() => isReady(started.admin));
      // What is ready has all of it on disk.
      started.proxy.child.kill('SIGKILL');
    }
    await using started = await start(xds, saveDir);
    await waitFor(() => isReady(started.admin), { what: 'ready from disk' });
    const ready = await fetchPage(started.admin, '/ready');
    expect(ready.body).toContain('note: serving the saved configuration of ');
    expect(ready.body).toContain('note: no connection to the control plane');
    expect((await fetchPage(`127.0.0.1:${port}`, '/')).status).toBe(200);
    await using plane = await startControlPlane(authority, resourcesOf(port), xdsPort);
    await waitFor(async () => (await fetchPage(started.admin, '/ready')).body === 'LIVE\n', {
      what: 'the control plane back',
      timeoutMs: 40_000,
    });
    await waitFor(() => plane.ads.connections()[0]?.types.every(({ status }) => status === 'synced'), { what: 'sync' });
    // What it had was claimed, so nothing was sent again.
    expect(plane.ads.connections()[0]?.types.map(({ resources }) => resources)).toEqual([1, 1, 1, 1]);
    await waitFor(() => plane.reports.some(({ counters }) => counters?.values.includes(1)), {
      what: 'counts since the start',
      timeoutMs: 40_000,
    });
  }, 90_000);

  it('client and server agree on every request, and each names the other', async () => {
    const [outPort, inPort] = [await freePort(), await freePort()];
    const client = resourcesOf(outPort);
    const endpoints = encode(ClusterLoadAssignmentSchema, {
      clusterName: CLUSTER,
      endpoints: [
        {
          lbEndpoints: [
            {
              endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: inPort } } },
              metadata: { filterMetadata: { istio: { workload: 'reviews-v2;default;reviews;v2;local' } } },
            },
          ],
        },
      ],
    });
    await using clientPlane = await startControlPlane(authority, {
      ...client,
      [XDS_TYPE.cluster]: {
        [CLUSTER]: secureCluster({ name: CLUSTER, type: 'EDS', edsClusterConfig: { edsConfig: ADS } }, REVIEWS.id),
      },
      [XDS_TYPE.endpoint]: { [CLUSTER]: endpoints },
    });
    const inbound = 'inbound|9080||';
    const local = encode(ClusterSchema, {
      name: inbound,
      type: 'STATIC',
      loadAssignment: {
        clusterName: inbound,
        endpoints: [
          { lbEndpoints: [{ endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: appPort } } } }] },
        ],
      },
    });
    const hcm = connectionManager({
      routeConfig: {
        name: inbound,
        virtualHosts: [
          { name: inbound, domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: inbound } }] },
        ],
      },
    });
    await using serverPlane = await startControlPlane(authority, {
      [XDS_TYPE.cluster]: { [inbound]: local },
      [XDS_TYPE.listener]: { in: withMutualTls(listenerOf('in', inPort, 'INBOUND', hcm)) },
    });
    await using caller = await start(clientPlane.address, join(dir.path, 'save-6'));
    await using callee = await start(serverPlane.address, join(dir.path, 'save-7'), REVIEWS);
    await waitFor(async () => (await isReady(caller.admin)) && (await isReady(callee.admin)), { what: 'both ready' });
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => fetchPage(`127.0.0.1:${outPort}`, i % 4 === 0 ? '/missing' : '/')),
    );

    const counted = async ({ admin }: Started): Promise<Map<string, number>> => {
      const lines = (await fetchPage(admin, '/stats/prometheus')).body
        .split('\n')
        .filter((line) => line.startsWith('istio_requests_total{'));
      return new Map(
        lines.map((line) => {
          const label = (name: string): string => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? '';
          const key = [
            'source_workload',
            'source_principal',
            'destination_workload',
            'destination_principal',
            'response_code',
          ]
            .map(label)
            .join(' ');
          return [key, Number(line.slice(line.lastIndexOf(' ')))];
        }),
      );
    };
    const atClient = await counted(caller);
    expect(Object.fromEntries(atClient)).toEqual({
      [`productpage-v1 ${IDENTITY} reviews-v2 ${REVIEWS.id} 200`]: 30,
      [`productpage-v1 ${IDENTITY} reviews-v2 ${REVIEWS.id} 404`]: 10,
    });
    expect(await counted(callee)).toEqual(atClient);
    const spans = (plane: typeof clientPlane) => plane.reports.flatMap((report) => report.spans);
    await waitFor(() => spans(clientPlane).length === 40 && spans(serverPlane).length === 40, { what: 'spans' });
    const parents = new Set(spans(clientPlane).map(({ traceId, spanId }) => `${traceId} ${spanId}`));
    expect(spans(serverPlane).every(({ traceId, parentId }) => parents.has(`${traceId} ${parentId}`))).toBe(true);
    // The application sees neither who the peer says it is nor what only proxies need.
    expect(seenHeaders).not.toContain('x-envoy-peer-metadata');
  });

  it('ends at once when its parent is gone', async () => {
    await using started = await start('127.0.0.1:1', join(dir.path, 'save-4'));
    await waitFor(() => started.proxy.messages.length > 0);
    expect(started.proxy.messages[0]?.type).toBe('waiting');
    started.proxy.closeChannel();
    expect(await started.proxy.exited).toBe(0);
    expect(started.proxy.stderr()).toContain('the parent is gone');
  });

  it('drains when told, and changes things only for who has the token', async () => {
    const port = await freePort();
    await using plane = await startControlPlane(authority, resourcesOf(port));
    await using started = await start(plane.address, join(dir.path, 'save-5'));
    const { proxy, admin } = started;
    await waitFor(() => isReady(admin));
    expect((await fetchPage(admin, '/logging?level=debug', { method: 'POST' })).status).toBe(401);
    expect(
      (
        await fetchPage(admin, '/logging?level=debug', {
          method: 'POST',
          headers: { authorization: 'Bearer the t0ken' },
        })
      ).status,
    ).toBe(401);
    expect(await fetchPage(admin, '/logging?level=debug', { method: 'POST', headers: token })).toEqual({
      status: 200,
      body: 'active loggers:\n  proxy: debug\n',
    });
    expect((await fetchPage(admin, '/logging?level=loud', { method: 'POST', headers: token })).status).toBe(400);
    expect((await fetchPage(admin, '/drain')).status).toBe(405);
    expect((await fetchPage(admin, '/ready', { headers: { host: 'rebound.example' } })).status).toBe(421);
    expect((await fetchPage(admin, '/nothing')).status).toBe(404);
    proxy.send({ type: 'drain', deadlineMs: 2_000 });
    expect(await proxy.exited).toBe(0);
    expect(proxy.messages.at(-1)).toEqual({ type: 'drained', cutConnections: 0 });
  });

  it('does not start where it may not mark its connections, and says what to do', (context) => {
    // A user namespace of its own takes its rights over the network away, root's too.
    const inside = ['-U', process.execPath, program, '--node-id', NODE, '--socket-mark', '1337'];
    const run = spawnSync('unshare', inside, { encoding: 'utf8', timeout: 20_000 });
    if (run.error !== undefined || run.stderr.startsWith('unshare:'))
      return context.skip(`no user namespaces here: ${run.error?.message ?? run.stderr.trim()}`);
    expect(run.stderr).toContain(
      'proxy: this process may not give its connections mark 1337\n  fix: Give it CAP_NET_ADMIN',
    );
    expect(run.status).toBe(1);
  });

  it('refuses flags that it can not follow', async () => {
    await using proxy = startProxyChild(program, ['--node-id', NODE, '--concurrency', 'all']);
    expect(await proxy.exited).toBe(64);
    expect(proxy.stderr()).toMatch(
      /--concurrency: "all" is not a number from 0 to \d+, twice the cores\n {2}fix: Leave it out/,
    );
  });
});
