/** A real mesh for a test: the built command in a process of its own, with a state folder and ports of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readMeshFile, stateDirAt } from '@weft/local';
import { tempDir, waitFor } from '@weft/testkit';
import { createRelays, type Relays } from './relays.ts';
import { callUnix } from './unix.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const weftProgram = join(root, 'apps/cli/bin/weft.mjs');
export const samples = join(root, 'deploy/samples');

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Who runs the command, when it is not who runs the tests. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Runs the command to its end. */
export async function weft(
  args: readonly string[],
  options: {
    readonly input?: string;
    readonly env?: Record<string, string>;
    readonly cwd?: string;
    readonly user?: User;
  } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [weftProgram, ...args], {
    cwd: options.cwd ?? root,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    ...options.user,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

export interface MeshPorts {
  readonly xds: number;
  readonly ca: number;
  readonly monitoring: number;
  readonly console: number;
  readonly gateway: number;
}

export interface SupervisorWorkload {
  readonly name: string;
  readonly namespace: string;
  readonly kind: string;
  readonly address: string;
  readonly adminAddress: string;
  readonly ports: readonly {
    readonly name: string;
    readonly servicePort: number;
    readonly meshPort: number;
    readonly appAddress: string;
    readonly appPort: number;
  }[];
  readonly interception: {
    readonly outbound?: readonly {
      readonly hostname: string;
      readonly servicePort: number;
      readonly bind: string;
      readonly port: number;
    }[];
    readonly httpProxy?: { readonly bind: string; readonly port: number };
  };
  readonly processes?: { readonly proxy?: number; readonly app?: number; readonly pod?: number };
}

export interface RunHandle {
  readonly child: ChildProcess;
  output(): string;
  /** Only what went to standard output. */
  stdout(): string;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface TestMesh extends AsyncDisposable {
  readonly state: string;
  /** Each workload is in a network namespace of its own. */
  readonly isolated: boolean;
  readonly child: ChildProcess;
  readonly ports: MeshPorts;
  readonly gateway: string;
  readonly console: string;
  output(): string;
  /** A command against this mesh. */
  weft(args: readonly string[], options?: { readonly input?: string }): Promise<CommandResult>;
  /** Applies YAML; resolves when every proxy concerned has it. @throws when it, or a proxy, refuses. */
  apply(yaml: string): Promise<void>;
  applyFile(name: string): Promise<void>;
  delete(target: string): Promise<void>;
  /** Every connected proxy has acknowledged all that was sent. */
  synced(): Promise<void>;
  supervisor(): Promise<SupervisorStatus>;
  /** With addresses that lead to it from here. */
  workload(name: string): Promise<SupervisorWorkload>;
  /** With its addresses as the mesh knows them. */
  inside(name: string): Promise<SupervisorWorkload>;
  /** Where a workload calls a service: an address of its own. */
  outbound(client: string, service: string, port?: number): Promise<string>;
  /** Where a client's call to a port is routed by its Host header alone. */
  byHost(client: string, port: number): Promise<string>;
  api<T>(path: string): Promise<T>;
  /** `weft run` in the background, until it is in the mesh. */
  run(
    args: readonly string[],
    options?: { readonly env?: Record<string, string>; readonly ready?: boolean },
  ): Promise<RunHandle>;
  /** `weft agent` in the background, until it has its identity. */
  agent(args: readonly string[]): Promise<RunHandle>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface MeshOptions {
  /** `demo` brings Bookinfo. */
  readonly command?: 'up' | 'demo';
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  /** Default: `$WEFT_INTERCEPTION`, so that the same scenarios run in both forms; else loopback. */
  readonly interception?: 'loopback' | 'isolated';
  /** Tests of root can have the mesh of another user. */
  readonly user?: User;
}

const START_MS = 90_000;

export interface SupervisorStatus {
  readonly pid: number;
  readonly controlPlanePid?: number;
  readonly workloads: readonly SupervisorWorkload[];
}

/** From the supervisor itself: answers also while the control plane is away. */
export const supervisorStatus = (state: string): Promise<SupervisorStatus> =>
  callUnix(join(state, 'run/supervisor.sock'), '/v1/status') as Promise<SupervisorStatus>;

export async function startMesh(options: MeshOptions = {}): Promise<TestMesh> {
  const { command = 'up', user, interception = process.env['WEFT_INTERCEPTION'] ?? 'loopback' } = options;
  const dir = await tempDir('weft-e2e-');
  const state = dir.path;
  if (user) chownSync(state, user.uid, user.gid);
  const args = [
    weftProgram,
    command,
    '--state',
    state,
    '--ports',
    'auto',
    '--gateway-port',
    '0',
    '--console-port',
    '0',
    '--interception',
    interception,
    ...(options.args ?? []),
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  });
  let output = '';
  const keep = (text: string): void => void (output += text);
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  const logs = (): string =>
    ['control-plane', 'supervisor'].map((name) => tail(join(state, 'logs', `${name}.log`))).join('\n');
  const background: RunHandle[] = [];
  let disposing = (): void => {};

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    for (const handle of background.splice(0)) await handle.stop();
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, 'exit');
    }
    return child.exitCode;
  };
  const dispose = async (): Promise<void> => {
    disposing();
    await stop();
    await dir.remove();
  };
  const marker = command === 'demo' ? 'Ctrl-C stops everything' : 'Ctrl-C';
  try {
    await waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(`weft ${command} ended with ${child.exitCode}`);
        return output.includes(marker);
      },
      { timeoutMs: START_MS, what: `weft ${command}` },
    );
  } catch (error) {
    await stop('SIGKILL');
    const text = `${String(error)}\n--- output\n${output}\n--- logs\n${logs()}`;
    await dir.remove();
    throw new Error(text, { cause: error });
  }

  const mesh = readMeshFile(stateDirAt(state));
  if (!mesh) throw new Error(`the mesh in ${state} wrote no run/mesh.json`);
  const isolated = mesh.interception.form === 'isolated';
  const relays = isolated ? createRelays(mesh.interception.user !== undefined) : undefined;
  disposing = () => relays?.close();
  const run = (args: readonly string[], input?: { readonly input?: string }): Promise<CommandResult> => {
    const [verb = '', ...rest] = args;
    return weft([verb, '--state', state, ...rest], { ...input, ...(user ? { user } : {}) });
  };
  const supervisor = (): Promise<SupervisorStatus> => supervisorStatus(state);
  const consoleUrl = `http://127.0.0.1:${mesh.ports.console}`;
  const api = async <T>(path: string): Promise<T> => {
    const response = await fetch(`${consoleUrl}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  const inside = async (name: string): Promise<SupervisorWorkload> => {
    const found = (await supervisor()).workloads.find((item) => item.name === name);
    if (!found) throw new Error(`no workload ${name}`);
    return found;
  };
  const workload = async (name: string): Promise<SupervisorWorkload> => {
    const found = await inside(name);
    return relays ? reachable(found, mesh.pid, relays) : found;
  };
  const synced = async (): Promise<void> => {
    await waitFor(
      async () => {
        // What the control plane has seen is pushed by then; who is not connected yet is looked for below.
        await api('/api/v1/receipt?since=0&waitMs=5000');
        const { items } = await api<{
          items: readonly { readonly connected: boolean; readonly sync: readonly { readonly state: string }[] }[];
        }>('/api/v1/proxies?limit=500');
        return (
          items.length > 0 &&
          items.every(
            (proxy) =>
              proxy.connected && proxy.sync.every((type) => type.state === 'synced' || type.state === 'not-sent'),
          )
        );
      },
      { timeoutMs: 30_000, what: 'all proxies in sync' },
    );
  };
  const checked = async (args: readonly string[], input?: string): Promise<void> => {
    const result = await run(args, input === undefined ? {} : { input });
    // The command ends when every proxy concerned has it.
    if (result.code !== 0)
      throw new Error(`weft ${args.join(' ')} ended with ${result.code}: ${result.stderr}${result.stdout}`);
  };
  const inBackground = async (
    verb: string,
    args: readonly string[],
    marker: string | undefined,
    env?: Record<string, string>,
  ): Promise<RunHandle> => {
    const handle = startBackground([verb, '--state', state, ...args], env, user);
    background.push(handle);
    if (marker === undefined) return handle;
    await waitFor(
      () => {
        if (handle.child.exitCode !== null)
          throw new Error(`weft ${verb} ended with ${handle.child.exitCode}: ${handle.output()}`);
        return handle.output().includes(marker);
      },
      { timeoutMs: 40_000, what: `weft ${verb} ${args.join(' ')}: ${handle.output()}` },
    );
    return handle;
  };
  return {
    state,
    child,
    ports: mesh.ports,
    gateway: `http://127.0.0.1:${mesh.ports.gateway}`,
    console: consoleUrl,
    output: () => output,
    weft: run,
    apply: (yaml) => checked(['apply', '--wait', '30s', '-f', '-'], yaml),
    applyFile: (name) => checked(['apply', '--wait', '30s', '-f', join(samples, name)]),
    delete: (target) => checked(['delete', '--wait', '30s', '--ignore-not-found', target]),
    synced,
    supervisor,
    workload,
    inside,
    isolated,
    async outbound(client, service, port = 9080) {
      const { interception: how, processes } = await workload(client);
      if (relays) return `http://${relays.to(processes?.pod ?? 0, service, port)}`;
      const { outbound = [] } = how;
      const bind = outbound.find(
        (item) => item.hostname === `${service}.default.svc.cluster.local` && item.servicePort === port,
      );
      if (!bind) throw new Error(`${client} has no outbound listener for ${service}:${port}`);
      return `http://${bind.bind}:${bind.port}`;
    },
    async byHost(client, port) {
      const { interception: how, processes } = await workload(client);
      // Any service's address with that port is as good as another.
      if (relays) return `http://${relays.to(processes?.pod ?? 0, client, port)}`;
      return `http://${how.httpProxy?.bind}:${how.httpProxy?.port}`;
    },
    api,
    run: (args, runOptions = {}) =>
      inBackground('run', args, runOptions.ready === false ? undefined : 'is in the mesh', runOptions.env),
    agent: (args) => inBackground('agent', args, 'has joined'),
    stop,
    [Symbol.asyncDispose]: dispose,
  };
}

/** The same workload with addresses that lead to it from here. Peers are played from the hub, its own admin page is read inside. */
function reachable(workload: SupervisorWorkload, hubPid: number, relays: Relays): SupervisorWorkload {
  const { address, adminAddress, processes } = workload;
  const [host = '', port] = adminAddress.split(':');
  // A relay is a process: made only for what is looked at.
  return {
    ...workload,
    get adminAddress() {
      return processes?.pod === undefined ? adminAddress : relays.to(processes.pod, host, Number(port));
    },
    address: '127.0.0.1',
    ports: workload.ports.map((item) => ({
      ...item,
      get meshPort() {
        return Number(relays.to(hubPid, address, item.meshPort).split(':')[1]);
      },
    })),
  };
}

function startBackground(args: readonly string[], env?: Record<string, string>, user?: User): RunHandle {
  const child = spawn(process.execPath, [weftProgram, ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  });
  let output = '';
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  return {
    child,
    output: () => output,
    stdout: () => stdout,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await once(child, 'exit');
      }
      return child.exitCode;
    },
  };
}

function tail(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(-40).join('\n');
  } catch {
    return '';
  }
}
