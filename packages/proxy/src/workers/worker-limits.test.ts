// Limits are those of the process, however many threads carry its traffic.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import { freePort } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControlPlane } from '../test-support/control-plane.ts';
import { fetchPage } from '../test-support/proxy-program.ts';
import {
  ADMIN_TOKEN,
  askAll,
  type Client,
  close,
  clusterOf,
  createWorkersLab,
  LISTENER,
  openAtBoth,
  openEach,
  resourcesOf,
  routesTo,
  statsOf,
  type Wanted,
  waitFor,
  type WorkersLab,
} from '../test-support/running-workers.ts';

let lab: WorkersLab;
beforeAll(async () => {
  lab = await createWorkersLab();
}, 60_000);
afterAll(() => lab.close());

const isOpen = ({ socket }: Client): boolean => !socket.destroyed;
const AGAIN: JsonObject = { retryPolicy: { retryOn: '5xx', numRetries: 1, retryBackOff: { baseInterval: '0.001s' } } };

/** A proxy whose cluster has these limits. */
async function withLimits(thresholds: JsonObject, more: Partial<Wanted> = {}) {
  const port = await freePort();
  const limited = { maxRequests: 100, maxConnections: 100, maxPendingRequests: 100, maxRetries: 0, ...thresholds };
  const cluster = clusterOf('app', [lab.appPort], { circuitBreakers: { thresholds: [limited] } });
  const plane = await startControlPlane(lab.authority, resourcesOf(port, { cluster, ...more }));
  const { proxy, admin } = await lab.start(plane.address);
  return {
    port,
    admin,
    log: () => proxy.stderr(),
    async [Symbol.asyncDispose]() {
      for (const answer of lab.waiting) answer();
      await proxy[Symbol.asyncDispose]();
      await plane[Symbol.asyncDispose]();
    },
  };
}
const answered = (clients: readonly Client[]): number => clients.filter((client) => client.answers().length > 0).length;

describe('circuit breakers of two workers', () => {
  it('count their connections together; one that has none may open one', async () => {
    await using started = await withLimits({ maxConnections: 3 });
    const clients = await openAtBoth(started.port, started.admin, 8, 4);
    lab.mostWaiting = 0;
    for (const client of clients) client.ask('/wait');
    await waitFor(
      async () => {
        const pending = (await statsOf(started.admin))('cluster.app.upstream_rq_pending_active');
        return lab.waiting.size >= 3 && pending + lab.waiting.size === clients.length;
      },
      { what: 'all to wait' },
    );
    await waitFor(
      () => {
        for (const answer of lab.waiting) answer();
        return answered(clients) === clients.length;
      },
      { what: 'all answers' },
    );
    expect(new Set(clients.flatMap((client) => client.answers()))).toEqual(new Set([200]));
    expect([3, 4]).toContain(lab.mostWaiting);
    expect((await statsOf(started.admin))('cluster.app.upstream_cx_overflow')).toBeGreaterThan(0);
    close(clients);
  }, 120_000);

  it('count requests that wait for a connection together', async () => {
    await using started = await withLimits({ maxConnections: 1, maxPendingRequests: 3 });
    const clients = await openAtBoth(started.port, started.admin, 8, 4);
    // A connection of each worker, so that nobody waits for one that is only made.
    for (const client of clients) expect(await askAll([client], '/a')).toEqual([200]);
    const later = clients.map((client) => client.answers().length);
    const done = (): number => clients.filter((client, i) => client.answers().length > (later[i] ?? 0)).length;
    for (const client of clients) client.ask('/wait');
    await waitFor(() => done() === clients.length - 5 && lab.waiting.size === 2, { what: 'refusals' });
    const stat = await statsOf(started.admin);
    expect(stat('cluster.app.upstream_rq_pending_active')).toBe(3);
    expect(stat('cluster.app.upstream_rq_pending_overflow')).toBe(clients.length - 5);
    await waitFor(
      () => {
        for (const answer of lab.waiting) answer();
        return done() === clients.length;
      },
      { what: 'the others' },
    );
    const last = clients.map((client) => client.answers().at(-1));
    expect([200, 503].map((status) => last.filter((one) => one === status).length)).toEqual([5, clients.length - 5]);
    // Nothing is left over: as many again may wait.
    expect(await askAll(clients.slice(0, 1), '/a')).toEqual([200]);
    expect((await statsOf(started.admin))('cluster.app.upstream_rq_pending_active')).toBe(0);
    close(clients);
  }, 120_000);

  it('count retries together', async () => {
    await using started = await withLimits({ maxRetries: 3 }, { routes: routesTo('app', AGAIN) });
    const clients = await openAtBoth(started.port, started.admin, 8, 3);
    for (const client of clients) client.ask('/again');
    await waitFor(() => answered(clients) === clients.length - 3 && lab.waiting.size === 3, { what: 'retries' });
    expect(clients.flatMap((client) => client.answers())).toEqual(
      Array.from({ length: clients.length - 3 }, () => 503),
    );
    const stat = await statsOf(started.admin);
    expect(stat('cluster.app.upstream_rq_retry_overflow')).toBe(clients.length - 3);
    for (const answer of lab.waiting) answer();
    await waitFor(() => answered(clients) === clients.length, { what: 'the answers to retries' });
    // They gave back what they took.
    for (const client of clients) client.ask('/again');
    await waitFor(() => lab.waiting.size === 3, { what: 'retries again' });
    close(clients);
  }, 120_000);

  it('let requests of one pay for retries of the other, where there is a budget', async () => {
    const retryBudget = { budgetPercent: { value: 50 }, minRetryConcurrency: 0 };
    await using started = await withLimits({ retryBudget }, { routes: routesTo('app', AGAIN) });
    const [one = [], other = []] = await openEach(started.port, started.admin, 4);
    const [mine, theirs] = [one.slice(0, 4), other.slice(0, 4)];
    // By itself it has one request, of which half is none.
    expect(await askAll(theirs.slice(0, 1), '/again')).toEqual([503]);
    for (const client of mine) client.ask('/wait');
    await waitFor(() => lab.waiting.size === 4, { what: 'requests of the other' });
    theirs[1]?.ask('/again');
    await waitFor(() => lab.waiting.size === 5, { what: 'a retry' });
    for (const answer of lab.waiting) answer();
    await waitFor(() => theirs[1]?.answers().length === 1 && answered(mine) === 4, { what: 'all answers' });
    expect(theirs[1]?.answers()).toEqual([200]);
    expect(await askAll(theirs.slice(2, 3), '/again')).toEqual([503]);
    close([...one, ...other]);
  }, 120_000);
});

describe('connections of two workers', () => {
  it.each([
    ['of a listener', { max: 6 }, `listener.${LISTENER}.downstream_cx_overflow`],
    ['of an address', { perAddress: { max: 6 } }, `listener.${LISTENER}.downstream_cx_client_overflow`],
  ] as const)(
    '%s are counted together',
    async (_, connections, counter) => {
      await using started = await withLimits({}, { connections });
      const { port, admin } = started;
      const clients = await openAtBoth(port, admin, 20);
      await waitFor(() => clients.filter(isOpen).length === 6, { what: 'connections too many reset' });
      await waitFor(async () => (await statsOf(admin))(counter) === clients.length - 6, { what: 'all counted' });
      expect(clients.filter(isOpen)).toHaveLength(6);
      expect(await askAll(clients.filter(isOpen), '/a')).toEqual([200, 200, 200, 200, 200, 200]);
      close(clients);
      // Places are free again.
      await waitFor(async () => {
        const answer = await fetchPage(`127.0.0.1:${port}`, '/b').catch(() => undefined);
        return answer?.body === '/b';
      });
    },
    120_000,
  );
});

describe('memory of two workers', () => {
  it('is that of the process: when one has too much, both refuse, and both serve again', async () => {
    const trouble = join(lab.dir, 'memory');
    const saboteur = join(lab.dir, 'hoarder.mjs');
    await writeFile(
      saboteur,
      `import { existsSync } from 'node:fs';
       import { workerData } from 'node:worker_threads';
       let hoard;
       if (workerData?.start?.number === 1)
         setInterval(() => {
           if (existsSync(${JSON.stringify(trouble)})) hoard ??= Buffer.alloc(300 * 1024 * 1024);
           else hoard = undefined;
         }, 20);`,
    );
    const port = await freePort();
    const cluster = clusterOf('app', [lab.appPort]);
    await using plane = await startControlPlane(lab.authority, resourcesOf(port, { cluster }));
    await using started = await lab.start(plane.address, ['--max-memory-mib', '300'], { preload: saboteur });
    const { admin } = started;
    const [one = [], other = []] = await openEach(port, admin, 2);
    const clients = [...one, ...other];
    expect(new Set(await askAll(clients, '/a'))).toEqual(new Set([200]));
    await writeFile(trouble, '');
    await waitFor(async () => (await statsOf(admin))('overload.refusing.active') === 1, {
      what: 'too much memory',
    });
    expect(new Set(await askAll(clients, '/refused'))).toEqual(new Set([503]));
    expect(lab.asked.get('/refused')).toBeUndefined();
    // One that comes now waits outside, or is refused; the pages say why.
    const late = await fetchPage(`127.0.0.1:${port}`, '/c').then(
      ({ status }) => status,
      () => 'refused',
    );
    expect(late).toBe('refused');
    expect((await statsOf(admin))('http.test.reason.overloaded')).toBe(clients.length);
    const memory = JSON.parse((await fetchPage(admin, '/memory')).body) as {
      readonly allocated: string;
      readonly workers: readonly { readonly external: number }[];
    };
    expect(memory.workers[1]?.external).toBeGreaterThan(300 * 1024 * 1024);
    expect(memory.workers[0]?.external).toBeLessThan(200 * 1024 * 1024);
    expect(Number(memory.allocated)).toBeGreaterThan(300 * 1024 * 1024);
    await rm(trouble);
    await waitFor(async () => (await fetchPage(`127.0.0.1:${port}`, '/d').catch(() => undefined))?.status === 200, {
      what: 'requests to be served again',
    });
    const again = await openAtBoth(port, admin, 4, 3);
    expect(new Set(await askAll(again, '/e'))).toEqual(new Set([200]));
    await waitFor(async () => !/: [1-9]/.test((await fetchPage(admin, '/stats?filter=accept_stopped.active')).body), {
      what: 'both to accept',
    });
    close([...clients, ...again]);
  }, 120_000);
});

describe('a level of the log', () => {
  it('is changed in both', async () => {
    await using started = await withLimits({}, { connections: { max: 6 } });
    const { port, admin } = started;
    expect(await fetchPage(admin, '/logging?level=debug', { method: 'POST', headers: ADMIN_TOKEN })).toMatchObject({
      status: 200,
    });
    const saying = (worker: number): RegExp => new RegExp(`"worker":${worker},.*connections are accepted again`);
    const clients: Client[] = [];
    await waitFor(
      async () => {
        clients.push(...(await openAtBoth(port, admin, 12)));
        close(clients.splice(0));
        return [0, 1].every((worker) => saying(worker).test(started.log()));
      },
      { what: 'both to say so' },
    );
  }, 120_000);
});
