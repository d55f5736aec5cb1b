/** Weft's proxies, started by hand as real programs, with a real istiod as their control plane, and applications behind them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeId, spiffeId } from '@weft/contracts';
import { createTestAuthority, tempDir, waitFor, type TestAuthority } from '@weft/testkit';
import { programPath } from '../harness/program-path.ts';
import { listen, placeOf, startApp, type App } from './istiod-apps.ts';
import { startIstiod, type Istiod, type IstiodOptions } from '../harness/istiod.ts';

const program = fileURLToPath(new URL('../../packages/proxy/dist/main.js', import.meta.url));
const ADMIN_PORT = 15_000;
const LOCK_PORT = 47_999;

export interface WeftProxySpec {
  readonly name: string;
  /** Its place in the block of addresses: 127.A.INDEX.1. */
  readonly index: number;
  readonly type?: 'sidecar' | 'router';
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  /** Default: its name. */
  readonly account?: string;
  /** Node metadata beside the usual. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Flags of its discovery and secrets; default: plaintext, with certificates in its folder. */
  readonly flags?: (folder: string) => readonly string[];
  /** Whether to wait until it is ready; default true. */
  readonly awaited?: boolean;
}

export interface WeftProxy {
  readonly address: string;
  admin(path: string): Promise<string>;
  /** Everything that it refuses now: name and reason. */
  refused(): Promise<readonly string[]>;
  /** Certificate, key and roots in its folder are replaced. */
  renew(account?: string): Promise<void>;
  log(): string;
  /** How it ended by itself, with the end of its log; undefined while it runs. */
  ended(): string | undefined;
  stop(): Promise<void>;
}

export interface World extends AsyncDisposable {
  readonly istiod: Istiod;
  readonly authority: TestAuthority;
  readonly directory: string;
  /** `127.A`, the first half of all addresses. */
  readonly block: string;
  start(spec: WeftProxySpec): Promise<WeftProxy>;
  /** An HTTP server at 127.A.9.INDEX:8080, or at this port of 127.0.0.1. */
  app(index: number, name: string, port?: number): Promise<App>;
  /** Any other server, there. */
  serve(server: Server | TcpServer, index: number, port?: number): Promise<void>;
  /** A program of `programs/`, until the end. */
  run(name: string, env: Readonly<Record<string, string>>): void;
  /** A server there that says its name before anything else. */
  greeter(index: number, name: string, port?: number): Promise<void>;
}

export interface WorldOptions {
  /** Files of Istio YAML, by the block of addresses. */
  readonly config: (block: string) => Readonly<Record<string, string>>;
  /** MeshConfig, by the folder of this world. */
  readonly mesh?: (directory: string) => Readonly<Record<string, unknown>>;
  readonly env?: IstiodOptions['env'];
  /** istiod serves TLS, too, under this name. */
  readonly serverName?: string;
}

export async function startWorld(
  istiodPath: string,
  { config, mesh, env = {}, serverName }: WorldOptions,
): Promise<World> {
  const { block, release } = await claimBlock();
  const dir = await tempDir('weft-istiod-');
  const directory = dir.path;
  const authority = createTestAuthority();
  const istiod = await startIstiod({
    path: istiodPath,
    directory,
    config: config(block),
    mesh: { trustDomain: 'cluster.local', ...mesh?.(directory) },
    env,
    ...(serverName === undefined ? {} : { tls: authority.issue(serverName) }),
  });
  const proxies: WeftProxy[] = [];
  const servers: (Server | TcpServer)[] = [];
  const programs: ChildProcess[] = [];
  return {
    istiod,
    authority,
    directory,
    block,
    async start(spec) {
      const proxy = await startWeftProxy(spec, { istiod, authority, directory, block });
      proxies.push(proxy);
      return proxy;
    },
    async app(index, name, port) {
      const { server, ...app } = await startApp(name, placeOf(block, index, port));
      servers.push(server);
      return app;
    },
    async serve(server, index, port) {
      await listen(server, placeOf(block, index, port));
      servers.push(server);
    },
    run(name, env) {
      programs.push(spawn(process.execPath, [programPath(name)], { env: { ...process.env, ...env }, stdio: 'ignore' }));
    },
    async greeter(index, name, port) {
      const server = createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.write(`${name} greets\n`);
        socket.pipe(socket);
      });
      await listen(server, placeOf(block, index, port));
      servers.push(server);
    },
    async [Symbol.asyncDispose]() {
      const ended = proxies.flatMap((proxy) => proxy.ended() ?? []);
      await Promise.all([...proxies.map((proxy) => proxy.stop()), ...programs.map(end)]);
      await istiod[Symbol.asyncDispose]();
      for (const server of servers) {
        if ('closeAllConnections' in server) server.closeAllConnections();
        server.close();
      }
      release();
      await dir.remove();
      if (ended.length > 0) throw new Error(`a proxy ended by itself: ${ended.join('\n')}`);
    },
  };
}

/** Waits until calls succeed; else says what the proxy refuses. */
export async function firstAnswer(
  proxy: WeftProxy | undefined,
  call: () => Promise<{ readonly status: number; readonly body: string }>,
): Promise<void> {
  let last = '';
  try {
    await waitFor(async () => {
      const { status, body } = await call();
      last = `${status} ${body}`;
      return status === 200;
    });
  } catch (error) {
    throw new Error(`no first answer (${last}); refused: ${(await proxy?.refused())?.join('\n') ?? ''}`, {
      cause: error,
    });
  }
}

/** A block of loopback addresses that no other test uses now. */
async function claimBlock(): Promise<{ readonly block: string; readonly release: () => void }> {
  for (let second = 200; second < 250; second += 1) {
    const lock = createTcpServer();
    const taken = await listen(lock, { host: `127.${second}.255.254`, port: LOCK_PORT }).then(
      () => true,
      () => false,
    );
    if (taken) return { block: `127.${second}`, release: () => void lock.close() };
  }
  throw new Error('every block of loopback addresses is in use');
}

interface Surroundings {
  readonly istiod: Istiod;
  readonly authority: TestAuthority;
  readonly directory: string;
  readonly block: string;
}

async function startWeftProxy(spec: WeftProxySpec, around: Surroundings): Promise<WeftProxy> {
  const { name, index, type = 'sidecar', namespace = 'default', labels = { app: name } } = spec;
  const { awaited = true } = spec;
  const address = `${around.block}.${index}.1`;
  const folder = join(around.directory, name);
  const issue = async (account = spec.account ?? name): Promise<void> => {
    const id = spiffeId({ trustDomain: 'cluster.local', namespace, serviceAccount: account });
    const { certChainPem, privateKeyPem, rootsPem } = around.authority.issue(id);
    await Promise.all([
      writeFile(join(folder, 'cert-chain.pem'), certChainPem),
      writeFile(join(folder, 'key.pem'), privateKeyPem, { mode: 0o600 }),
      writeFile(join(folder, 'root-cert.pem'), rootsPem),
    ]);
  };
  await mkdir(folder);
  await issue();
  const metadata = {
    NAMESPACE: namespace,
    CLUSTER_ID: 'Kubernetes',
    ISTIO_VERSION: '1.31.0',
    MESH_ID: 'cluster.local',
    INTERCEPTION_MODE: 'NONE',
    SERVICE_ACCOUNT: spec.account ?? name,
    WORKLOAD_NAME: name,
    LABELS: labels,
    ...spec.metadata,
  };
  const output = await open(join(folder, 'log'), 'w');
  const child = spawn(
    process.execPath,
    [
      program,
      `--node-id=${nodeId({ type, ip: address, name, namespace })}`,
      `--metadata=${JSON.stringify(metadata)}`,
      ...(spec.flags?.(folder) ?? [`--xds=${around.istiod.xds}`, '--xds-plaintext', `--secrets-dir=${folder}`]),
      `--admin=${address}:${ADMIN_PORT}`,
    ],
    { cwd: folder, stdio: ['ignore', output.fd, output.fd] },
  );
  await output.close();
  const log = (): string => readFileSync(join(folder, 'log'), 'utf8');
  const page = (path: string): Promise<Response> =>
    fetch(`http://${address}:${ADMIN_PORT}${path}`, { signal: AbortSignal.timeout(10_000) });
  let stopped = false;
  const proxy: WeftProxy = {
    address,
    admin: async (path) => (await page(path)).text(),
    async refused() {
      const dump = JSON.parse(await proxy.admin('/config_dump?include_eds')) as DumpedSections;
      return dump.configs.flatMap((section) =>
        Object.values(section)
          .flatMap((list) => (Array.isArray(list) ? (list as DumpedEntry[]) : []))
          .flatMap(({ name: refusedName = '', error_state: state }) =>
            state === undefined ? [] : [`${refusedName} ${state.details}`],
          ),
      );
    },
    renew: issue,
    log,
    ended: () =>
      stopped || (child.exitCode === null && child.signalCode === null)
        ? undefined
        : `${name} with ${child.exitCode ?? child.signalCode}\n${log().slice(-8_000)}`,
    stop() {
      stopped = true;
      return end(child);
    },
  };
  if (!awaited) return proxy;
  try {
    await waitFor(async () => (await page('/ready')).status === 200, { what: `${name} LIVE`, timeoutMs: 60_000 });
  } catch (error) {
    const ready = await proxy.admin('/ready').catch(String);
    await proxy.stop();
    throw new Error(`${name} is not ready: ${ready}\n${log().slice(-4_000)}`, { cause: error });
  }
  return proxy;
}

interface DumpedEntry {
  readonly name?: string;
  readonly error_state?: { readonly details: string };
}
interface DumpedSections {
  readonly configs: readonly Readonly<Record<string, unknown>>[];
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await ended;
}
