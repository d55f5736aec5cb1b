import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type JsonObject, toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import { LocalRateLimitSchema } from '@weft/contracts/full/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { XDS_TYPE } from '@weft/contracts';
import { freePort } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyOf, encode, type Resources, startControlPlane } from '../test-support/control-plane.ts';
import { connectionManager, listenerOf, secureCluster, withMutualTls } from '../test-support/mesh-resources.ts';
import { fetchPage } from '../test-support/proxy-program.ts';
import {
  ADMIN_TOKEN as token,
  type Client,
  close,
  clusterOf as clusterAt,
  createWorkersLab,
  endpointAt,
  LISTENER,
  open,
  openAtBoth,
  resourcesOf as resourcesWith,
  routesTo,
  statsOf,
  takenBy,
  type Wanted,
  waitFor,
  WORKERS_ID as ID,
  type WorkersLab,
} from '../test-support/running-workers.ts';

let lab: WorkersLab;
beforeAll(async () => {
  lab = await createWorkersLab();
}, 60_000);
afterAll(() => lab.close());

const clusterOf = (name: string, more: JsonObject = {}, ports: readonly number[] = [lab.appPort]): Uint8Array =>
  clusterAt(name, ports, more);
const resourcesOf = (port: number, wanted: Partial<Wanted> = {}): Resources =>
  resourcesWith(port, { cluster: clusterOf('app'), ...wanted });

/** What a host of the cluster `app` was asked for. */
async function hostRequests(admin: string, port: number): Promise<number> {
  const { body } = await fetchPage(admin, '/clusters');
  return Number(new RegExp(`^app::127\\.0\\.0\\.1:${port}::rq_total::(\\d+)$`, 'm').exec(body)?.[1]);
}

describe('a proxy with two workers', () => {
  it('serves with both, counts what both did, and follows changes in both', async () => {
    const port = await freePort();
    await using plane = await startControlPlane(lab.authority, resourcesOf(port));
    await using started = await lab.start(plane.address);
    const { admin, proxy } = started;
    expect((await statsOf(admin))('server.concurrency')).toBe(2);
    const clients = await openAtBoth(port, admin, 8);
    for (let round = 0; round < 5; round += 1) {
      for (const client of clients) client.ask('/a');
      await waitFor(() => clients.every((client) => client.answers().length === round + 1), { what: 'answers' });
    }
    const total = clients.length * 5;
    await waitFor(async () => (await statsOf(admin))(`http.${LISTENER}.downstream_rq_total`) === total, {
      what: 'all requests counted',
    });
    const stat = await statsOf(admin);
    expect(takenBy(stat).reduce((sum, one) => sum + one, 0)).toBe(clients.length);
    expect(stat(`listener.${LISTENER}.downstream_cx_total`)).toBe(clients.length);
    expect(stat('cluster.app.upstream_rq_200')).toBe(total);
    expect(stat('server.total_connections')).toBe(clients.length);
    expect((await fetchPage(admin, '/stats/prometheus')).body).toMatch(
      new RegExp(`istio_requests_total\\{[^\\n]*response_code="200"[^\\n]*\\} ${total}\\n`),
    );
    expect((await fetchPage(admin, '/clusters')).body).toContain(`app::127.0.0.1:${lab.appPort}::rq_total::${total}\n`);
    expect((await fetchPage(admin, '/listeners')).body).toBe(`${LISTENER}::127.0.0.1:${port}\n`);
    expect((await fetchPage(admin, '/config_dump')).body).toContain('"route_config_name":"routes"'.replace(':', ': '));
    // What telemetry is told is the sum, as are spans and lines of the log.
    await waitFor(() => plane.reports.some(({ counters }) => counters?.values.includes(total)), { what: 'report' });
    await waitFor(() => plane.reports.flatMap(({ spans }) => spans).length === total, { what: 'spans' });
    await waitFor(() => proxy.stdout().split('\n').length === total + 1, { what: 'log lines' });
    expect(
      proxy
        .stdout()
        .split('\n')
        .filter((line) => !line.includes('"GET /a HTTP/1.1" 200 - via_upstream')),
    ).toEqual(['']);

    plane.set(
      resourcesOf(port, {
        routes: {
          name: 'routes',
          virtualHosts: [
            { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, directResponse: { status: 418 } }] },
          ],
        },
      }),
    );
    await waitFor(() => plane.ads.connections()[0]?.types.every(({ status }) => status === 'synced'));
    await waitFor(
      async () => {
        const before = clients.map((client) => client.answers().length);
        for (const client of clients) client.ask('/b');
        await waitFor(() => clients.every((client, i) => client.answers().length > (before[i] ?? 0)));
        return clients.every((client) => client.answers().at(-1) === 418);
      },
      { what: 'the new route at all connections' },
    );

    // A resource that is refused is refused once, with its reason, and the former one stands in both.
    plane.set({
      ...resourcesOf(port),
      [XDS_TYPE.route]: {
        routes: encode(RouteConfigurationSchema, {
          name: 'routes',
          virtualHosts: [
            { name: 'a', domains: ['*'] },
            { name: 'b', domains: ['*'] },
          ],
        }),
      },
    });
    const nacked = (): string =>
      plane.ads.connections()[0]?.types.find(({ typeUrl }) => typeUrl === XDS_TYPE.route)?.nacked?.message ?? '';
    await waitFor(() => nacked() !== '', { what: 'NACK' });
    expect(nacked()).toContain('domain "*" is in two virtual hosts');
    const before = clients.map((client) => client.answers().length);
    for (const client of clients) client.ask('/c');
    await waitFor(() => clients.every((client, i) => client.answers().length > (before[i] ?? 0)));
    expect(clients.map((client) => client.answers().at(-1))).toEqual(clients.map(() => 418));
    expect(proxy.stderr()).not.toContain('"level":"error"');

    // A listener that goes away is refused at once; its address can come back.
    plane.set({ ...resourcesOf(port), [XDS_TYPE.listener]: {} });
    const tryOnce = (): Promise<string> =>
      fetchPage(`127.0.0.1:${port}`, '/d').then(
        ({ body }) => body,
        (error: Error & { readonly code?: string }) => error.code ?? '',
      );
    await waitFor(async () => (await tryOnce()) === 'ECONNREFUSED', { what: 'nobody listens' });
    plane.set(resourcesOf(port));
    await waitFor(async () => (await tryOnce()) === '/d', { what: 'the listener again' });
    close(clients);
  }, 120_000);

  it('holds the limits of a cluster over both', async () => {
    const port = await freePort();
    const limits: JsonObject = {
      circuitBreakers: {
        thresholds: [{ maxRequests: 5, maxConnections: 100, maxPendingRequests: 100, maxRetries: 0 }],
      },
    };
    await using plane = await startControlPlane(
      lab.authority,
      resourcesOf(port, { cluster: clusterOf('app', limits) }),
    );
    await using started = await lab.start(plane.address);
    const clients = await openAtBoth(port, started.admin, 8);
    for (const client of clients) client.ask('/wait');
    await waitFor(() => clients.filter((client) => client.answers().length > 0).length === clients.length - 5, {
      what: 'refusals',
    });
    await waitFor(() => lab.waiting.size === 5, { what: 'requests at the application' });
    expect(new Set(clients.flatMap((client) => client.answers()))).toEqual(new Set([503]));
    for (const answer of lab.waiting) answer();
    await waitFor(() => clients.every((client) => client.answers().length === 1));
    expect(clients.flatMap((client) => client.answers()).filter((status) => status === 200)).toHaveLength(5);
    // What was in flight is free again, at both.
    for (const client of clients) {
      client.ask('/a');
      await waitFor(() => client.answers().length === 2);
    }
    expect(clients.map((client) => client.answers()[1])).toEqual(clients.map(() => 200));
    close(clients);
  }, 120_000);

  it('holds a rate limit and the limit of connections over both', async () => {
    const port = await freePort();
    const good = resourcesOf(port);
    const hcm = connectionManager({
      routeConfig: routesTo('app'),
      httpFilters: [{ name: 'limit' }, { name: 'envoy.filters.http.router' }],
    });
    const all = { defaultValue: { numerator: 100 } };
    const [limit] = hcm.httpFilters;
    if (limit !== undefined)
      limit.configType = {
        case: 'typedConfig',
        value: anyOf(LocalRateLimitSchema, {
          statPrefix: 'limit', tokenBucket: { maxTokens: 12, tokensPerFill: 1, fillInterval: '3600s' }, filterEnabled: all, filterEnforced: all,
        }), // prettier-ignore
      };
    const listener = toBinary(ListenerSchema, listenerOf(LISTENER, port, 'OUTBOUND', hcm));
    await using plane = await startControlPlane(lab.authority, {
      ...good,
      [XDS_TYPE.listener]: { [LISTENER]: listener },
    });
    await using started = await lab.start(plane.address, ['--max-connections', '20']);
    const clients = await openAtBoth(port, started.admin, 20);
    const isOpen = ({ socket }: Client): boolean => !socket.destroyed;
    // Those that found no place wait in the system's queue, and are refused once a second.
    await waitFor(() => clients.filter(isOpen).length === 20, { what: 'connections too many reset' });
    const stat = await statsOf(started.admin);
    expect(clients.filter(isOpen)).toHaveLength(20);
    expect(stat(`listener.${LISTENER}.downstream_cx_overflow`)).toBe(clients.length - 20);
    for (const client of clients.filter(isOpen)) client.ask('/a');
    await waitFor(() => clients.filter(isOpen).every((client) => client.answers().length === 1));
    const statuses = clients.flatMap((client) => client.answers());
    expect([200, 429].map((status) => statuses.filter((one) => one === status).length)).toEqual([12, 8]);
    close(clients);
  }, 120_000);

  it('takes a host out of both, when both together saw it fail', async () => {
    const port = await freePort();
    const other = createServer((_, response) => response.writeHead(500).end('bad'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const bad = (other.address() as AddressInfo).port;
    const outlier: JsonObject = {
      outlierDetection: { consecutive5xx: 10, interval: '60s', baseEjectionTime: '600s', maxEjectionPercent: 100 },
      commonLbConfig: { healthyPanicThreshold: { value: 0 } },
    };
    await using plane = await startControlPlane(
      lab.authority,
      resourcesOf(port, { cluster: clusterOf('app', outlier, [bad, lab.appPort]) }),
    );
    await using started = await lab.start(plane.address);
    const clients = await openAtBoth(port, started.admin, 8);
    const isOut = async (): Promise<boolean> =>
      (await fetchPage(started.admin, '/clusters')).body.includes(
        `127.0.0.1:${bad}::health_flags::/failed_outlier_check`,
      );
    await waitFor(
      async () => {
        for (const client of clients) client.ask('/a');
        return await isOut();
      },
      { what: 'ejection' },
    );
    expect((await statsOf(started.admin))('cluster.app.outlier_detection.ejections_active')).toBe(1);
    await waitFor(
      async () => {
        const before = clients.map((client) => client.answers().length);
        for (const client of clients) {
          client.ask('/a');
          client.ask('/a');
        }
        await waitFor(() => clients.every((client, i) => client.answers().length >= (before[i] ?? 0) + 2));
        return clients.every((client) =>
          client
            .answers()
            .slice(-2)
            .every((status) => status === 200),
        );
      },
      { what: 'both do without it' },
    );
    close(clients);
    other.closeAllConnections();
    other.close();
  }, 120_000);

  it('asks hosts for their health once for both, and both do without one that is ill', async () => {
    const port = await freePort();
    let asked = 0;
    let well = true;
    const other = createServer((request, response) => {
      if (request.url === '/health') asked += 1;
      response.writeHead(request.url === '/health' && !well ? 503 : 200).end('other');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const ill = (other.address() as AddressInfo).port;
    const checked: JsonObject = {
      healthChecks: [
        {
          timeout: '5s',
          interval: '0.1s',
          noTrafficInterval: '0.1s',
          unhealthyThreshold: 1,
          healthyThreshold: 1,
          httpHealthCheck: { path: '/health' },
        },
      ],
      commonLbConfig: { healthyPanicThreshold: { value: 0 } },
    };
    const cluster = clusterOf('app', checked, [ill, lab.appPort]);
    await using plane = await startControlPlane(lab.authority, resourcesOf(port, { cluster }));
    await using started = await lab.start(plane.address);
    const clients = await openAtBoth(port, started.admin, 8);
    /** Two requests of each client. @returns how many of them went to that host. */
    const round = async (): Promise<number> => {
      const before = clients.map((client) => client.answers().length);
      const sofar = await hostRequests(started.admin, ill);
      for (const client of clients) {
        client.ask('/a');
        client.ask('/a');
      }
      await waitFor(() => clients.every((client, i) => client.answers().length >= (before[i] ?? 0) + 2));
      return (await hostRequests(started.admin, ill)) - sofar;
    };
    await waitFor(async () => (await round()) > 0, { what: 'requests at the host while it is well' });
    well = false;
    await waitFor(async () => (await fetchPage(started.admin, '/clusters')).body.includes('/failed_active_hc'));
    await waitFor(async () => (await round()) === 0, { what: 'both do without it' });
    expect(await round()).toBe(0);
    well = true;
    await waitFor(async () => (await round()) > 0, { what: 'requests at the host again' });
    // One of them asks: else each would count both hosts.
    expect(asked).toBeGreaterThan(0);
    await waitFor(async () => (await statsOf(started.admin))('cluster.app.health_check.healthy') === 2);
    close(clients);
    other.closeAllConnections();
    other.close();
  }, 120_000);

  it('drains both, and loses nothing', async () => {
    const port = await freePort();
    await using plane = await startControlPlane(lab.authority, resourcesOf(port));
    await using started = await lab.start(plane.address);
    const { proxy, admin } = started;
    const clients = await openAtBoth(port, admin, 8);
    for (const client of clients) client.ask('/wait');
    await waitFor(() => lab.waiting.size === clients.length, { what: 'requests in flight' });
    expect(await fetchPage(admin, '/healthcheck/fail', { method: 'POST', headers: token })).toMatchObject({
      status: 200,
    });
    expect((await fetchPage(admin, '/ready')).status).toBe(503);
    const post = async (path: string): Promise<number> =>
      (await fetchPage(admin, path, { method: 'POST', headers: token })).status;
    // The listener is none of the inbound side.
    expect(await post('/drain_listeners?inboundonly')).toBe(200);
    const [late] = await open(port, 1);
    late?.ask('/a');
    await waitFor(() => late?.answers().length === 1, { what: 'an answer on a new connection' });
    late?.socket.destroy();
    expect(await post('/drain_listeners')).toBe(200);
    await waitFor(
      () =>
        fetchPage(`127.0.0.1:${port}`, '/').then(
          () => false,
          (error: Error & { readonly code?: string }) => error.code === 'ECONNREFUSED',
        ),
      { what: 'nothing more accepted' },
    );
    proxy.send({ type: 'drain', deadlineMs: 20_000 });
    for (const answer of lab.waiting) answer();
    expect(await proxy.exited).toBe(0);
    expect(clients.map((client) => client.answers())).toEqual(clients.map(() => [200]));
    expect(proxy.messages.at(-1)).toEqual({ type: 'drained', cutConnections: 0 });
    expect(
      proxy
        .stdout()
        .split('\n')
        .filter((line) => line.includes('"GET /wait HTTP/1.1" 200')),
    ).toHaveLength(clients.length);
  }, 120_000);

  it('uses a new certificate in both, with connections as they were', async () => {
    const [inPort, outPort] = [await freePort(), await freePort()];
    const inbound = connectionManager({ routeConfig: routesTo('app') });
    const outbound = connectionManager({ routeConfig: routesTo('secure') });
    const secure = secureCluster(
      {
        name: 'secure',
        type: 'STATIC',
        connectTimeout: '1s',
        loadAssignment: { clusterName: 'secure', endpoints: [{ lbEndpoints: [endpointAt(inPort)] }] },
      },
      ID,
    );
    await using plane = await startControlPlane(lab.authority, {
      [XDS_TYPE.cluster]: { app: clusterOf('app'), secure },
      [XDS_TYPE.listener]: {
        server: withMutualTls(listenerOf('server', inPort, 'INBOUND', inbound)),
        [LISTENER]: toBinary(ListenerSchema, listenerOf(LISTENER, outPort, 'OUTBOUND', outbound)),
      },
    });
    await using started = await lab.start(plane.address);
    const clients = await openAtBoth(outPort, started.admin, 8);
    const round = async (): Promise<void> => {
      const before = clients.map((client) => client.answers().length);
      for (const client of clients) client.ask('/a');
      await waitFor(() => clients.every((client, i) => client.answers().length > (before[i] ?? 0)), {
        what: 'answers',
      });
      expect(clients.map((client) => client.answers().at(-1))).toEqual(clients.map(() => 200));
    };
    const serialOf = async (): Promise<string> =>
      /"serial_number": "([^"]+)"/.exec(
        (await fetchPage(started.admin, '/certs')).body.split('cert_chain')[1] ?? '',
      )?.[1] ?? '';
    await round();
    const before = await serialOf();
    started.renew();
    await waitFor(async () => (await serialOf()) !== before, { what: 'the new certificate' });
    await round();
    expect(clients.every(({ socket }) => !socket.destroyed)).toBe(true);
    close(clients);
  }, 120_000);

  it('ends in order when one of them does', async () => {
    const port = await freePort();
    const trouble = join(lab.dir, 'trouble');
    const saboteur = join(lab.dir, 'saboteur.mjs');
    await writeFile(
      saboteur,
      `import { existsSync } from 'node:fs';
       import { workerData } from 'node:worker_threads';
       if (workerData?.start?.number === 1)
         setInterval(() => { if (existsSync(${JSON.stringify(trouble)})) throw new Error('sabotage'); }, 20);`,
    );
    await using plane = await startControlPlane(lab.authority, resourcesOf(port));
    await using started = await lab.start(plane.address, [], { preload: saboteur });
    const { proxy, admin } = started;
    const clients = await openAtBoth(port, admin, 8);
    for (const client of clients) client.ask('/wait');
    await waitFor(() => lab.waiting.size === clients.length, { what: 'requests in flight' });
    // Those of the other worker are answered as soon as the one is gone.
    lab.onLost = () => lab.waiting.forEach((answer) => answer());
    await writeFile(trouble, '');
    expect(await proxy.exited).toBe(1);
    lab.onLost = () => {};
    expect(proxy.stderr()).toContain('sabotage');
    const answered = clients.filter((client) => client.answers()[0] === 200).length;
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(clients.length);
    expect(proxy.messages.at(-1)?.type).toBe('drained');
  }, 120_000);
});
