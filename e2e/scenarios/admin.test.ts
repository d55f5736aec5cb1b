/** OP-04: a proxy's own pages, as somebody at a terminal asks for them. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { http } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

const run = promisify(execFile);

let mesh: TestMesh;
let echo: string;
let token: string;
/** Of the client's proxy, and of the server's. */
let admin: string;
let serverAdmin: string;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'echo', version: 'v1' });
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
  echo = await mesh.outbound('client', 'echo', 8000);
  token = readFileSync(join(mesh.state, 'token'), 'utf8').trim();
  [admin = '', serverAdmin = ''] = await Promise.all(
    ['client', 'echo-v1'].map(async (name) => `http://${(await mesh.workload(name)).adminAddress}`),
  );
  await http(`${echo}/`);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

interface Page {
  readonly status: number;
  readonly body: string;
}

async function curl(url: string, ...args: readonly string[]): Promise<Page> {
  const { stdout } = await run('curl', ['-sS', '--max-time', '30', '-w', '\n%{http_code}', ...args, url], {
    maxBuffer: 1 << 26,
  });
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
}
const post = (url: string, withToken = token): Promise<Page> =>
  curl(url, '-X', 'POST', '-H', `authorization: Bearer ${withToken}`);
const json = async (url: string): Promise<Record<string, unknown>> =>
  JSON.parse((await curl(url)).body) as Record<string, unknown>;

describe('OP-04 admin pages', () => {
  it('OP-04 everything that Envoy shows of itself is there to read', async () => {
    expect(await curl(`${admin}/ready`)).toMatchObject({ status: 200, body: expect.stringMatching(/^LIVE/) });
    expect((await curl(`${admin}/clusters`)).body).toMatch(
      /^outbound\|8000\|\|echo\.default\.svc\.cluster\.local::[\d.]+:\d+::rq_total::1$/m,
    );
    const clusters = (await json(`${admin}/clusters?format=json`))['cluster_statuses'] as { name: string }[];
    expect(clusters.map(({ name }) => name)).toContain('outbound|8000||echo.default.svc.cluster.local');
    expect((await curl(`${admin}/listeners`)).body).toMatch(/::127\.[\d.]+:8000$/m);
    expect(await json(`${admin}/listeners?format=json`)).toHaveProperty('listener_statuses');
    expect(await json(`${admin}/server_info`)).toMatchObject({
      state: 'LIVE',
      node: { id: expect.stringContaining('client') },
    });
    expect(await json(`${admin}/certs`)).toHaveProperty('certificates');
    expect(await json(`${admin}/memory`)).toHaveProperty('rss');
    const index = (await curl(`${admin}/`)).body;
    for (const path of [
      '/config_dump',
      '/stats',
      '/healthcheck/fail',
      '/reset_counters',
      '/quitquitquit',
      '/cpuprofiler',
    ])
      expect(index).toContain(path);
    expect((await curl(`${admin}/nothing`)).status).toBe(404);
  });

  it('OP-04 /config_dump has sections that tools know, parts of them, and no key', async () => {
    const types = async (query: string): Promise<string[]> =>
      ((await json(`${admin}/config_dump${query}`))['configs'] as Record<string, unknown>[]).map((one) =>
        String(one['@type']).split('.').at(-1),
      ) as string[];
    expect(await types('')).toEqual([
      'BootstrapConfigDump',
      'ClustersConfigDump',
      'ListenersConfigDump',
      'ScopedRoutesConfigDump',
      'RoutesConfigDump',
      'SecretsConfigDump',
    ]);
    expect(await types('?include_eds')).toContain('EndpointsConfigDump');
    const masked = await json(`${admin}/config_dump?resource=dynamic_active_clusters&mask=cluster.name`);
    expect(masked['configs']).toContainEqual({
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster',
      cluster: {
        '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
        name: 'outbound|8000||echo.default.svc.cluster.local',
      },
    });
    const all = (await curl(`${admin}/config_dump?include_eds`)).body;
    expect(all).toContain(Buffer.from('[redacted]').toString('base64'));
    expect(all).not.toContain(Buffer.from('PRIVATE KEY').toString('base64').slice(0, 12));
    expect((await curl(`${admin}/config_dump?resource=nonsense`)).status).toBe(404);
  });

  it('OP-04 /stats filters, and counters begin anew when told to', async () => {
    const rq = 'cluster.outbound|8000||echo.default.svc.cluster.local.upstream_rq_200';
    const value = async (): Promise<number> =>
      Number((await curl(`${admin}/stats?filter=echo.*upstream_rq_200$`)).body.split(': ')[1]);
    const before = await value();
    await http(`${echo}/`);
    await waitFor(async () => (await value()) === before + 1, { what: 'one more' });
    const stats = (await json(`${admin}/stats?format=json&usedonly`))['stats'] as { name: string; value: number }[];
    expect(stats.every((one) => one.value !== 0)).toBe(true);
    expect(stats.map(({ name }) => name)).toContain(rq);
    expect((await curl(`${admin}/stats/prometheus`)).body).toMatch(
      /^istio_requests_total\{.*response_code="200".*\} \d+$/m,
    );
    expect((await curl(`${admin}/stats?filter=(`)).status).toBe(400);
    expect((await curl(`${admin}/reset_counters`, '-X', 'POST')).status).toBe(401);
    expect(await value()).toBe(before + 1);
    expect((await post(`${admin}/reset_counters`)).status).toBe(200);
    expect(await value()).toBe(0);
    // What is reported as cumulative goes on.
    expect((await curl(`${admin}/stats/prometheus`)).body).toMatch(
      /^istio_requests_total\{.*response_code="200".*\} [1-9]/m,
    );
  });

  it('OP-04 the log level changes while the proxy runs', async () => {
    expect((await curl(`${admin}/logging`)).body).toContain('proxy: info');
    expect((await post(`${admin}/logging?level=debug`)).status).toBe(200);
    expect((await curl(`${admin}/logging`)).body).toContain('proxy: debug');
    expect((await post(`${admin}/logging?level=loud`)).status).toBe(400);
    expect((await post(`${admin}/logging?paths=proxy:info`)).body).toContain('proxy: info');
  });

  it('OP-04 a health check that is failed by hand says what it waits for', async () => {
    expect((await post(`${serverAdmin}/healthcheck/fail`, 'wrong')).status).toBe(401);
    expect((await curl(`${serverAdmin}/ready`)).status).toBe(200);
    expect((await post(`${serverAdmin}/healthcheck/fail`)).status).toBe(200);
    expect(await curl(`${serverAdmin}/ready`)).toMatchObject({
      status: 503,
      body: expect.stringContaining('waiting for POST /healthcheck/ok'),
    });
    expect((await post(`${serverAdmin}/healthcheck/ok`)).status).toBe(200);
    expect((await curl(`${serverAdmin}/ready`)).status).toBe(200);
    await waitFor(async () => (await http(`${echo}/`)).status === 200, { what: 'calls again', timeoutMs: 20_000 });
  });

  it('OP-04 profiles are made on request, for who has the token', async () => {
    expect((await curl(`${admin}/cpuprofiler`)).status).toBe(405);
    expect((await curl(`${admin}/cpuprofiler`, '-X', 'POST')).status).toBe(401);
    const cpu = await post(`${admin}/cpuprofiler?seconds=0.5`);
    expect(JSON.parse(cpu.body)).toMatchObject({ nodes: expect.any(Array), timeDeltas: expect.any(Array) });
    expect(JSON.parse((await post(`${admin}/heapprofiler?seconds=0.5`)).body)).toHaveProperty('head');
  });

  it('OP-04 neither another site nor a stranger on the machine changes anything', async () => {
    expect((await curl(`${admin}/ready`, '-H', 'host: evil.example')).status).toBe(421);
    for (const path of ['/quitquitquit', '/drain_listeners', '/healthcheck/fail', '/reset_counters', '/reopen_logs']) {
      expect((await curl(`${admin}${path}`)).status).toBe(405);
      expect((await curl(`${admin}${path}`, '-X', 'POST')).status).toBe(401);
    }
    expect((await http(`${echo}/`)).status).toBe(200);
  });

  // Last of all: the proxy ends.
  it('OP-04 /quitquitquit ends the proxy, and its supervisor starts another', async () => {
    const former = (await mesh.workload('client')).processes?.proxy;
    expect((await post(`${admin}/quitquitquit`)).status).toBe(200);
    await waitFor(
      async () => {
        const now = (await mesh.workload('client')).processes?.proxy;
        return now !== undefined && now !== former;
      },
      { what: 'another proxy', timeoutMs: 30_000 },
    );
    await waitFor(
      async () => {
        try {
          return (await http(`${echo}/`)).status === 200;
        } catch {
          return false;
        }
      },
      { what: 'calls again', timeoutMs: 30_000 },
    );
  });
});
