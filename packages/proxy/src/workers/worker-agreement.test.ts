// What one worker knows, all know; what is asked of the process, all do; and what one can not do ends all.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import type { ReportRequest } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { XDS_TYPE } from '@weft/contracts';
import { freePort } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode, startControlPlane } from '../test-support/control-plane.ts';
import { connectionManager, listenerOf, withMutualTls } from '../test-support/mesh-resources.ts';
import { type ChildOptions, fetchPage, type PageAnswer } from '../test-support/proxy-program.ts';
import {
  ADMIN_TOKEN,
  askAll,
  close,
  clusterOf,
  createWorkersLab,
  endpointAt,
  LISTENER,
  openAtBoth,
  resourcesOf,
  routesTo,
  statsOf,
  takenBy,
  waitFor,
  WORKERS_ID,
  type WorkersLab,
} from '../test-support/running-workers.ts';

let lab: WorkersLab;
beforeAll(async () => {
  lab = await createWorkersLab();
}, 60_000);
afterAll(() => lab.close());

const post = (admin: string, path: string): Promise<PageAnswer> =>
  fetchPage(admin, path, { method: 'POST', headers: ADMIN_TOKEN });
const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
const linesOf = (text: string): number => text.split('\n').length - 1;

/** A module that every thread loads first. @param body may name `number`, undefined in the main thread, and `trouble`. */
async function saboteur(name: string, body: string): Promise<{ readonly preload: string; readonly trouble: string }> {
  const [preload, trouble] = [join(lab.dir, `${name}.mjs`), join(lab.dir, name)];
  await writeFile(
    preload,
    `import { existsSync, appendFileSync } from 'node:fs';
     import dns from 'node:dns';
     import { syncBuiltinESMExports } from 'node:module';
     import { workerData } from 'node:worker_threads';
     const number = workerData?.start?.number;
     const trouble = ${JSON.stringify(trouble)};
     const whenTrouble = (act) => {
       const timer = setInterval(() => { if (existsSync(trouble)) { clearInterval(timer); act(); } }, 20);
     };
     ${body}`,
  );
  return { preload, trouble };
}

async function serving(options: ChildOptions & { readonly log?: string } = {}) {
  const { log, ...child } = options;
  const port = await freePort();
  const cluster = clusterOf('app', [lab.appPort]);
  const resources = resourcesOf(port, { cluster, ...(log === undefined ? {} : { log }) });
  const plane = await startControlPlane(lab.authority, resources);
  const started = await lab.start(plane.address, [], child);
  return {
    ...started,
    port,
    plane,
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]();
      await plane[Symbol.asyncDispose]();
    },
  };
}

/** Of requests, as the last report of each series had them. */
function toldRequests(reports: readonly ReportRequest[]): number {
  const series = new Set<number>();
  const last = new Map<number, number>();
  for (const report of reports) {
    for (const { id, metric } of report.series) if (metric === 1) series.add(id);
    report.counters?.series.forEach((id, i) => last.set(id, report.counters?.values[i] ?? 0));
  }
  return [...series].reduce((sum, id) => sum + (last.get(id) ?? 0), 0);
}

describe('two workers', () => {
  it('have the addresses that one of them looked up', async () => {
    const { preload, trouble } = await saboteur(
      'names',
      `const real = dns.lookup;
       dns.lookup = (name, options, done) => {
         if (name !== 'app.test') return real(name, options, done);
         appendFileSync(trouble, number + '\\n');
         setImmediate(() => number === 0 ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(new Error('not asked')));
       };
       syncBuiltinESMExports();`,
    );
    const port = await freePort();
    const cluster = encode(ClusterSchema, {
      name: 'app',
      type: 'STRICT_DNS',
      connectTimeout: '1s',
      dnsRefreshRate: '0.2s',
      loadAssignment: { clusterName: 'app', endpoints: [{ lbEndpoints: [endpointAt(lab.appPort, 'app.test')] }] },
    });
    await using plane = await startControlPlane(lab.authority, resourcesOf(port, { cluster }));
    await using started = await lab.start(plane.address, [], { preload });
    const clients = await openAtBoth(port, started.admin, 8, 3);
    await waitFor(async () => (await askAll(clients, '/a')).every((status) => status === 200), { what: 'its address' });
    await waitFor(async () => linesOf(await textOf(trouble)) >= 3, { what: 'more look-ups' });
    expect(new Set((await textOf(trouble)).split('\n'))).toEqual(new Set(['0', '']));
    close(clients);
  }, 120_000);

  it('have an update in force, both, when it was acknowledged', async () => {
    await using started = await serving();
    const { port, plane, admin } = started;
    const clients = await openAtBoth(port, admin, 8, 3);
    for (let status = 410; status < 420; status += 1) {
      const before = plane.ads.connections()[0]?.types.find(({ typeUrl }) => typeUrl === XDS_TYPE.route);
      const direct = [{ match: { prefix: '/' }, directResponse: { status } }];
      const routes = { name: 'routes', virtualHosts: [{ name: 'all', domains: ['*'], routes: direct }] };
      plane.set(resourcesOf(port, { cluster: clusterOf('app', [lab.appPort]), routes }));
      await waitFor(
        () => {
          const now = plane.ads.connections()[0]?.types.find(({ typeUrl }) => typeUrl === XDS_TYPE.route);
          return now?.status === 'synced' && now.acked?.nonce !== before?.acked?.nonce;
        },
        { what: 'the acknowledgement', everyMs: 1 },
      );
      expect(await askAll(clients, '/a')).toEqual(clients.map(() => status));
    }
    close(clients);
  }, 120_000);

  it('make new connections with a new certificate', async () => {
    const port = await freePort();
    const hcm = connectionManager({ routeConfig: routesTo('app') });
    await using plane = await startControlPlane(lab.authority, {
      [XDS_TYPE.cluster]: { app: clusterOf('app', [lab.appPort]) },
      [XDS_TYPE.listener]: { [LISTENER]: withMutualTls(listenerOf(LISTENER, port, 'INBOUND', hcm)) },
    });
    await using started = await lab.start(plane.address);
    const { certChainPem, privateKeyPem } = lab.authority.issue(WORKERS_ID);
    const serial = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connectTls(
          { host: '127.0.0.1', port, cert: certChainPem, key: privateKeyPem, rejectUnauthorized: false },
          () => {
            resolve(socket.getPeerCertificate().serialNumber);
            socket.destroy();
          },
        );
        socket.on('error', reject);
      });
    /** Of connections that both took some of. */
    const serials = async (): Promise<Set<string>> => {
      const seen = new Set<string>();
      const before = takenBy(await statsOf(started.admin));
      await waitFor(
        async () => {
          for (let i = 0; i < 4; i += 1) seen.add(await serial());
          return takenBy(await statsOf(started.admin)).every((count, i) => count >= (before[i] ?? 0) + 3);
        },
        { what: 'connections of both', everyMs: 1 },
      );
      return seen;
    };
    const [first] = await serials();
    started.renew();
    await waitFor(
      async () => {
        const seen = await serials();
        return seen.size === 1 && !seen.has(first ?? '');
      },
      { what: 'the new certificate in both' },
    );
  }, 120_000);

  it('are profiled by name, or all; the first of them is when nothing is said', async () => {
    const { preload } = await saboteur(
      'busy',
      `const spin = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };
       if (number === 0) setInterval(function busyZero() { spin(20); }, 50);
       if (number === 1) setInterval(function busyOne() { spin(20); }, 50);`,
    );
    await using started = await serving({ preload });
    const all = JSON.parse((await post(started.admin, '/cpuprofiler?seconds=0.5&worker=all')).body) as object;
    const busy = Object.entries(all).map(([thread, profile]) => [
      thread,
      ['busyZero', 'busyOne'].filter((name) => JSON.stringify(profile).includes(`"${name}"`)),
    ]);
    expect(Object.fromEntries(busy)).toEqual({ main: [], '0': ['busyZero'], '1': ['busyOne'] });
    const heap = await post(started.admin, '/heapprofiler?seconds=0.05&worker=1');
    expect(JSON.parse(heap.body)).toHaveProperty('head');
    const usual = await post(started.admin, '/cpuprofiler?seconds=0.05');
    expect(JSON.parse(usual.body)).toHaveProperty('nodes');
    expect(usual.body).not.toContain('"busyOne"');
    expect(await post(started.admin, '/cpuprofiler?seconds=1&worker=2')).toMatchObject({
      status: 400,
      body: expect.stringContaining('"2"'),
    });
    const long = post(started.admin, '/cpuprofiler?seconds=0.5&worker=0');
    await waitFor(async () => (await post(started.admin, '/cpuprofiler?seconds=0.01&worker=0')).status === 409, {
      what: 'one at a time',
      everyMs: 5,
    });
    expect((await long).status).toBe(200);
  }, 120_000);

  it('go on in a new file of the access log after SIGUSR1; no line is lost, and no debugger is let in', async () => {
    const log = join(lab.dir, 'access.log');
    await using started = await serving({ log });
    const clients = await openAtBoth(started.port, started.admin, 8, 3);
    await askAll(clients, '/before');
    await waitFor(async () => linesOf(await textOf(log)) === clients.length, { what: 'lines' });
    await rename(log, `${log}.1`);
    await askAll(clients, '/between');
    started.proxy.child.kill('SIGUSR1');
    await waitFor(async () => (await textOf(log)) !== '' || (await askAll(clients.slice(0, 1), '/probe')).length === 0);
    const probes = lab.asked.get('/probe') ?? 0;
    await askAll(clients, '/after');
    await waitFor(
      async () => linesOf((await textOf(log)) + (await textOf(`${log}.1`))) === 3 * clients.length + probes,
      { what: 'all lines' },
    );
    expect((await textOf(log)).match(/GET \/after/g)).toHaveLength(clients.length);
    expect((await textOf(`${log}.1`)).match(/GET \/before/g)).toHaveLength(clients.length);
    expect(started.proxy.stderr()).not.toMatch(/debugger/i);
    close(clients);
  }, 120_000);
});

describe('a worker that is gone', () => {
  it('takes no count along: what telemetry is told last is all that was done, once', async () => {
    const { preload, trouble } = await saboteur('exit', 'if (number === 1) whenTrouble(() => process.exit(0));');
    await using started = await serving({ preload });
    const { proxy, plane } = started;
    const clients = await openAtBoth(started.port, started.admin, 8, 3);
    let total = 0;
    for (let round = 0; round < 3; round += 1) total += (await askAll(clients, '/a')).length;
    await writeFile(trouble, '');
    expect(await proxy.exited).toBe(1);
    expect(toldRequests(plane.reports)).toBe(total);
    expect(new Set(plane.reports.flatMap(({ hello }) => hello?.startId ?? [])).size).toBe(1);
    // Lines that it had not handed over are known to be lost.
    const lost = Number(/"lines":(\d+),.*were lost with a worker/.exec(proxy.stderr())?.[1] ?? 0);
    expect(linesOf(proxy.stdout()) + lost).toBe(total);
  }, 120_000);

  it('by an error that nobody expected answers what it has first, and the process ends with 1', async () => {
    const { preload, trouble } = await saboteur(
      'once',
      "if (number === 1) whenTrouble(() => { throw new Error('planted in a worker'); });",
    );
    await using started = await serving({ preload });
    const { proxy, port } = started;
    const clients = await openAtBoth(port, started.admin, 8, 3);
    for (const client of clients) client.ask('/wait');
    await waitFor(() => lab.waiting.size === clients.length, { what: 'requests in flight' });
    await writeFile(trouble, '');
    await waitFor(() => proxy.stderr().includes('planted in a worker'), { what: 'the error', everyMs: 2 });
    for (const answer of lab.waiting) answer();
    expect(await proxy.exited).toBe(1);
    expect(clients.map((client) => client.answers())).toEqual(clients.map(() => [200]));
    expect(proxy.messages.at(-1)).toEqual({ type: 'drained', cutConnections: 0 });
    await expect(fetchPage(`127.0.0.1:${port}`, '/')).rejects.toThrow(/ECONNREFUSED/);
  }, 120_000);

  it('by an error that nobody expected ends a drain that could take long', async () => {
    const { preload, trouble } = await saboteur(
      'late',
      "if (number === 1) whenTrouble(() => { throw new Error('planted in a drain'); });",
    );
    await using started = await serving({ preload });
    const { proxy, port } = started;
    const clients = await openAtBoth(port, started.admin, 8, 3);
    for (const client of clients) client.ask('/wait');
    await waitFor(() => lab.waiting.size === clients.length, { what: 'requests in flight' });
    proxy.send({ type: 'drain', deadlineMs: 600_000 });
    await waitFor(
      () => fetchPage(`127.0.0.1:${port}`, '/').then(() => false, () => true), // prettier-ignore
      { what: 'nothing more accepted' },
    );
    await writeFile(trouble, '');
    expect(await proxy.exited).toBe(1);
    expect(clients.map((client) => client.answers())).toEqual(clients.map(() => []));
  }, 120_000);

  it('for want of memory ends the process as well', async () => {
    const { preload, trouble } = await saboteur(
      'hoard',
      `const hoard = [];
       if (number === 1) whenTrouble(() => { for (;;) hoard.push(new Array(10_000).fill({})); });`,
    );
    await using started = await serving({ preload, heap: 64 });
    await writeFile(trouble, '');
    // Where the thread takes memory faster than it can be stopped, V8 ends the process itself.
    expect([1, null]).toContain(await started.proxy.exited);
    expect(started.proxy.stderr()).toMatch(/reaching memory limit|heap out of memory/);
  }, 120_000);
});
