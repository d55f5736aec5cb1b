// The program with two workers, as its parent starts it, before an application of the test's, beside a control plane that
// speaks the real protocols.
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { MetadataSchema } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import { WEFT_METADATA, XDS_TYPE } from '@weft/contracts';
import { createTestAuthority, freePort, waitFor as waitBriefly } from '@weft/testkit';
import { encode, type Resources } from './control-plane.ts';
import { connectionManager, listenerOf } from './mesh-resources.ts';
import { type ChildOptions, fetchPage, installProxy, type ProxyChild, startProxyChild } from './proxy-program.ts';

const NODE = 'sidecar~127.0.0.1~w-v1.default~default.svc.cluster.local';
const METADATA = { NAMESPACE: 'default', SERVICE_ACCOUNT: 'w', WORKLOAD_NAME: 'w-v1', LABELS: { app: 'w' } };
export const WORKERS_ID = 'spiffe://cluster.local/ns/default/sa/w';
export const LISTENER = 'in';
export const ADMIN_TOKEN = { authorization: 'Bearer the token' };
/** A proxy of three threads takes its time where the machine has other things to do. */
const PATIENCE_MS = 50_000;
export const waitFor: typeof waitBriefly = (condition, options) =>
  waitBriefly(condition, { timeoutMs: PATIENCE_MS, ...options });

const ADS = { ads: {}, resourceApiVersion: 'V3' };

export interface StartedWorkers extends AsyncDisposable {
  readonly proxy: ProxyChild;
  readonly admin: string;
  /** Gives it a new certificate. */
  renew(): void;
}

/** A client's connection, with what came over it. */
export interface Client {
  readonly socket: Socket;
  answers(): number[];
  ask(path: string): void;
}

export interface WorkersLab {
  readonly dir: string;
  readonly appPort: number;
  readonly authority: ReturnType<typeof createTestAuthority>;
  /** Answers of `/wait` that were not given yet. */
  readonly waiting: ReadonlySet<() => void>;
  /** How many these were at most. */
  mostWaiting: number;
  /** Called when somebody gave up one of them. */
  onLost: () => void;
  /** How often each path was asked for. */
  readonly asked: ReadonlyMap<string, number>;
  start(xds: string, more?: readonly string[], options?: ChildOptions): Promise<StartedWorkers>;
  close(): Promise<void>;
}

/**
 * `/wait` is answered when the test says so, `/again` at once with 503, but for another attempt, which waits; `/fail` with 500,
 * all else with its path.
 */
export async function createWorkersLab(): Promise<WorkersLab> {
  const { dir, program } = await installProxy();
  const authority = createTestAuthority();
  const waiting = new Set<() => void>();
  const asked = new Map<string, number>();
  const attempted = new Set<string>();
  const app = createServer((request, response) => {
    const path = request.url ?? '';
    asked.set(path, (asked.get(path) ?? 0) + 1);
    if (path === '/fail') response.statusCode = 500;
    const isFirst = !attempted.has(String(request.headers['x-request-id']));
    attempted.add(String(request.headers['x-request-id']));
    if (path === '/again' && isFirst) return void response.writeHead(503).end();
    if (path !== '/wait' && path !== '/again') return void response.end(path);
    const answer = (): void => {
      waiting.delete(answer);
      response.end('waited');
    };
    waiting.add(answer);
    lab.mostWaiting = Math.max(lab.mostWaiting, waiting.size);
    response.on('close', () => {
      if (waiting.delete(answer)) lab.onLost();
    });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  let started = 0;
  const lab: WorkersLab = {
    dir: dir.path,
    appPort: (app.address() as AddressInfo).port,
    authority,
    waiting,
    mostWaiting: 0,
    asked,
    onLost: () => {},
    async start(xds, more = [], options = {}) {
      started += 1;
      const admin = `127.0.0.1:${await freePort()}`;
      const proxy = startProxyChild(program, [
        '--node-id', NODE, '--metadata', JSON.stringify(METADATA), '--xds', xds, '--save-dir', join(dir.path, `save-${started}`),
        '--admin', admin, '--parent-fd', '3', '--concurrency', '2', ...more,
      ], options); // prettier-ignore
      const renew = (): void => {
        const { certChainPem, privateKeyPem } = authority.issue(WORKERS_ID);
        proxy.send({
          type: 'secrets',
          default: { certChainPem, privateKeyPem, spiffeId: WORKERS_ID, expiresAt: Date.now() + 3_600_000 },
          rootCaPem: authority.rootsPem,
        });
      };
      proxy.send({ type: 'admin-token', token: 'the token' });
      renew();
      await waitFor(
        async () => {
          if (proxy.child.exitCode !== null) throw new Error(proxy.stderr());
          return (await fetchPage(admin, '/ready').catch(() => ({ status: 0 }))).status === 200;
        },
        { what: 'ready' },
      );
      return { proxy, admin, renew, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
    },
    async close() {
      app.closeAllConnections();
      app.close();
      await dir.remove();
    },
  };
  return lab;
}

export const endpointAt = (port: number, address = '127.0.0.1'): JsonObject => ({
  endpoint: { address: { socketAddress: { address, portValue: port } } },
});

export const clusterOf = (name: string, ports: readonly number[], more: JsonObject = {}): Uint8Array =>
  encode(ClusterSchema, {
    name,
    type: 'STATIC',
    connectTimeout: '1s',
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: ports.map((port) => endpointAt(port)) }] },
    ...more,
  });

export const routesTo = (cluster: string, action: JsonObject = {}): JsonObject => ({
  name: 'routes',
  virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster, ...action } }] }],
});

export interface Wanted {
  readonly cluster: Uint8Array;
  readonly routes?: JsonObject;
  /** Limits of the listener's connections. */
  readonly connections?: JsonObject;
  /** Where the access log goes. Default: standard output. */
  readonly log?: string;
}

/** One listener, before one cluster by the name of `app`. */
export function resourcesOf(port: number, { cluster, routes = routesTo('app'), connections, log }: Wanted): Resources {
  const hcm = connectionManager({ rds: { routeConfigName: 'routes', configSource: ADS } }, log);
  const listener = listenerOf(LISTENER, port, 'OUTBOUND', hcm);
  if (connections !== undefined)
    listener.metadata = fromJson(MetadataSchema, { filterMetadata: { [WEFT_METADATA]: { connections } } });
  return {
    [XDS_TYPE.cluster]: { app: cluster },
    [XDS_TYPE.listener]: { [LISTENER]: toBinary(ListenerSchema, listener) },
    [XDS_TYPE.route]: { routes: encode(RouteConfigurationSchema, routes) },
  };
}

export async function open(port: number, count: number): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i += 1) {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => socket.once('connect', resolve));
    clients.push({
      socket,
      answers: () => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1])),
      ask: (path) => void socket.write(`GET ${path} HTTP/1.1\r\nHost: app\r\n\r\n`),
    });
  }
  return clients;
}

export async function statsOf(admin: string): Promise<(name: string) => number> {
  const { stats } = JSON.parse((await fetchPage(admin, '/stats?format=json')).body) as {
    readonly stats: readonly { readonly name: string; readonly value: number }[];
  };
  const values = new Map(stats.map(({ name, value }) => [name, value]));
  return (name) => values.get(name) ?? 0;
}

export const takenBy = (stat: (name: string) => number, listener = LISTENER): number[] =>
  [0, 1].map((worker) => stat(`listener.${listener}.worker_${worker}.downstream_cx_total`));

/** Connections until both workers have so many at least: which one takes a connection is the system's choice. */
export async function openAtBoth(port: number, admin: string, atOnce: number, each = 1): Promise<Client[]> {
  const clients: Client[] = [];
  await waitFor(
    async () => {
      clients.push(...(await open(port, atOnce)));
      return takenBy(await statsOf(admin)).every((count) => count >= each);
    },
    { what: 'connections of both workers' },
  );
  return clients;
}

/** So many connections of each worker, which one each is of known. */
export async function openEach(port: number, admin: string, each: number): Promise<readonly Client[][]> {
  const byWorker: [Client[], Client[]] = [[], []];
  await waitFor(
    async () => {
      const [before = 0] = takenBy(await statsOf(admin));
      const total = byWorker[0].length + byWorker[1].length;
      const [client] = await open(port, 1);
      let taken: readonly number[] = [];
      await waitFor(async () => {
        taken = takenBy(await statsOf(admin));
        return (taken[0] ?? 0) + (taken[1] ?? 0) === total + 1;
      });
      if (client !== undefined) byWorker[(taken[0] ?? 0) > before ? 0 : 1].push(client);
      return byWorker.every((clients) => clients.length >= each);
    },
    { what: `${each} connections of each worker`, everyMs: 1 },
  );
  return byWorker;
}

export const close = (clients: readonly Client[]): void => clients.forEach(({ socket }) => socket.destroy());

/** One request of each. @returns the status that each got. */
export async function askAll(clients: readonly Client[], path: string): Promise<number[]> {
  const before = clients.map((client) => client.answers().length);
  for (const client of clients) client.ask(path);
  await waitFor(() => clients.every((client, i) => client.answers().length > (before[i] ?? 0)), {
    what: `answers to ${path}`,
    timeoutMs: 20_000,
  });
  return clients.map((client) => client.answers().at(-1) ?? 0);
}
