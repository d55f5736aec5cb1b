/** Weft under test: a whole mesh, of which sidecars are measured. Their configuration comes from pilot, as a user's does. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { familyOf } from './cpu.ts';
import type { Lab } from './lab.ts';

const program = fileURLToPath(new URL('../../../apps/cli/bin/weft.mjs', import.meta.url));

export interface WeftWorkload {
  readonly name: string;
  readonly address: string;
  readonly ports: readonly { readonly servicePort: number; readonly meshPort: number }[];
  readonly interception: {
    readonly outbound?: readonly {
      readonly hostname: string;
      readonly servicePort: number;
      readonly bind: string;
      readonly port: number;
    }[];
  };
  readonly processes?: { readonly proxy?: number };
}

export type WeftProtocol = 'http' | 'http2' | 'grpc' | 'tcp';

export interface WeftMesh {
  readonly version: string;
  /** Puts the backend into the mesh as a service. The protocol is that of its port, 8000. */
  run(service: string, backend: readonly string[], protocol?: WeftProtocol): Promise<void>;
  apply(yaml: string): void;
  workload(name: string): Promise<WeftWorkload>;
  /** Its own port for peers. */
  inbound(service: string): Promise<{ readonly host: string; readonly port: number }>;
  /** Where a client's sidecar takes calls of a service. */
  outbound(client: string, service: string): Promise<{ readonly host: string; readonly port: number }>;
  proxyPid(service: string): Promise<number>;
  /** Everything of the mesh itself: supervisor and control plane. */
  ownPids(): readonly number[];
  /** A write to the control plane's API. */
  post(path: string, body: unknown): Promise<void>;
}

const START_MS = 60_000;

export async function startMesh(lab: Lab, name: string, flags: readonly string[] = []): Promise<WeftMesh> {
  const state = join(lab.dir, name);
  mkdirSync(state, { recursive: true });
  const up = start([
    'up',
    `--state=${state}`,
    '--ports=auto',
    '--gateway-port=0',
    '--console-port=0',
    '--access-log=off',
    // Loads and peers run beside the mesh and call its addresses.
    '--interception=loopback',
    '--no-gateway',
    ...(flags.some((flag) => flag.startsWith('--trace-sampling')) ? [] : ['--trace-sampling=0']),
    ...flags,
  ]);
  lab.onStop(() => up.stop());
  await up.until('Ctrl-C');

  const unix = (socket: string, method: string, path: string, body?: unknown): Promise<string> =>
    new Promise((resolve, reject) => {
      const call = request(
        {
          socketPath: join(state, 'run', socket),
          method,
          path,
          headers: { host: 'localhost', 'content-type': 'application/json' },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () =>
            (response.statusCode ?? 500) < 400
              ? resolve(text)
              : reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`)),
          );
        },
      );
      call.on('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const workload = async (wanted: string): Promise<WeftWorkload> => {
    const { workloads } = JSON.parse(await unix('supervisor.sock', 'GET', '/v1/status')) as {
      workloads: readonly WeftWorkload[];
    };
    const found = workloads.find((item) => item.name === `${wanted}-v1` || item.name === wanted);
    if (!found) throw new Error(`no workload ${wanted} in ${workloads.map((item) => item.name).join(', ')}`);
    return found;
  };
  return {
    version: `Node ${process.version}`,
    async run(service, backend, protocol = 'http') {
      const running = start([
        'run',
        `--state=${state}`,
        `--service=${service}`,
        '--port=8000',
        `--protocol=${protocol}`,
        '--',
        ...backend,
      ]);
      lab.onStop(() => running.stop());
      await running.until('is in the mesh');
    },
    apply(yaml) {
      const { status, stderr } = spawnSync(process.execPath, [program, 'apply', `--state=${state}`, '-f', '-'], {
        input: yaml,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`weft apply ended with ${status}: ${stderr}`);
    },
    workload,
    async inbound(service) {
      const { address, ports } = await workload(service);
      return { host: address, port: ports[0]?.meshPort ?? 0 };
    },
    async outbound(client, service) {
      const { interception } = await workload(client);
      const found = interception.outbound?.find(({ hostname }) => hostname.startsWith(`${service}.`));
      if (!found) throw new Error(`${client} has no way to ${service}`);
      return { host: found.bind, port: found.port };
    },
    async proxyPid(service) {
      const pid = (await workload(service)).processes?.proxy;
      if (pid === undefined) throw new Error(`the sidecar of ${service} is not running`);
      return pid;
    },
    ownPids() {
      const pid = up.pid;
      // Sidecars are children of `weft run`; with `--no-gateway` the mesh has no proxy of its own.
      return pid === undefined ? [] : familyOf(pid);
    },
    async post(path, body) {
      await unix('api.sock', 'POST', path, body);
    },
  };
}

interface Running {
  readonly pid: number | undefined;
  until(text: string): Promise<void>;
  stop(): Promise<void>;
}

function start(args: readonly string[]): Running {
  const child: ChildProcess = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // The load generator reaches sidecars by addresses of this machine.
    env: { ...process.env, NO_COLOR: '1', WEFT_INTERCEPTION: 'loopback' },
  });
  let output = '';
  let check = (): void => {};
  const keep = (chunk: string): void => {
    output += chunk;
    check();
  };
  child.stdout?.setEncoding('utf8').on('data', keep);
  child.stderr?.setEncoding('utf8').on('data', keep);
  return {
    pid: child.pid,
    until: (text) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`weft ${args[0]} did not say "${text}": ${output}`)), START_MS);
        child.once('exit', () => reject(new Error(`weft ${args[0]} ended: ${output}`)));
        check = () => {
          if (!output.includes(text)) return;
          clearTimeout(timer);
          check = () => {};
          resolve();
        };
        check();
      }),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
