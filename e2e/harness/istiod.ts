/** A real istiod, and istioctl, as processes of a test: found, started with a folder of Istio YAML, asked, stopped. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { freePort, waitFor } from '@weft/testkit';
import { startSmallKubernetes, type SmallKubernetes } from './small-kubernetes.ts';

export type FoundProgram =
  | { readonly path: string }
  | { readonly path?: undefined; /** For the message of a skipped test. */ readonly reason: string };

/** `WEFT_ISTIOD` (a path), else `pilot-discovery` on PATH. */
export const findIstiod = (): FoundProgram => find('WEFT_ISTIOD', 'pilot-discovery', ['version', '--short']);

/** `WEFT_ISTIOCTL` (a path), else `istioctl` on PATH. */
export const findIstioctl = (): FoundProgram => find('WEFT_ISTIOCTL', 'istioctl', ['version', '--remote=false']);

function find(variable: string, program: string, asked: readonly string[]): FoundProgram {
  const { [variable]: named, PATH: path = '' } = process.env;
  const candidates = named ? [named] : path.split(delimiter).map((dir) => join(dir, program));
  for (const candidate of candidates) {
    if (spawnSync(candidate, asked, { stdio: 'ignore', timeout: 30_000 }).status === 0) return { path: candidate };
  }
  const missing = named ? `${variable}=${named} does not run` : `no ${program} on PATH, and ${variable} is not set`;
  return { reason: `${missing}; docs/istiod.md says how it is built from its Go module` };
}

export interface IstiodOptions {
  readonly path: string;
  /** Of its own, for configuration and log. */
  readonly directory: string;
  /** MeshConfig. */
  readonly mesh?: Readonly<Record<string, unknown>>;
  /** Configuration that is there from the start: file name → YAML. */
  readonly config?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Discovery over TLS as well: istiod's certificate, and the roots of those who may ask. */
  readonly tls?: { readonly certChainPem: string; readonly privateKeyPem: string; readonly rootsPem: string };
}

export interface Istiod extends AsyncDisposable {
  /** `host:port` of its discovery without TLS. */
  readonly xds: string;
  /** `host:port` of its discovery with TLS, where it has that. */
  readonly secureXds: string;
  readonly kubernetes: Pick<SmallKubernetes, 'putSecret'>;
  /** Writes a file of configuration; a second later it is in force. */
  apply(name: string, yaml: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** A page of its debug port, for example `/debug/syncz`. */
  debug(path: string): Promise<string>;
  /** Until `startAgain`, with the same addresses and configuration. */
  stop(): Promise<void>;
  startAgain(): Promise<void>;
  log(): string;
}

export async function startIstiod(options: IstiodOptions): Promise<Istiod> {
  const { path, directory, mesh = {}, config = {}, env = {}, tls } = options;
  const kubernetes = await startSmallKubernetes();
  const at = (name: string): string => join(directory, name);
  const [http, xds, monitoring] = [await freePort(), await freePort(), await freePort()];
  const secureXds = tls === undefined ? '' : `127.0.0.1:${await freePort()}`;
  await mkdir(at('config'));
  await writeFile(at('kubeconfig'), kubernetes.kubeconfig);
  await writeFile(at('mesh.yaml'), JSON.stringify(mesh));
  if (tls !== undefined) {
    await writeFile(at('istiod.pem'), tls.certChainPem);
    await writeFile(at('istiod-key.pem'), tls.privateKeyPem, { mode: 0o600 });
    await writeFile(at('istiod-roots.pem'), tls.rootsPem);
  }
  await Promise.all(Object.entries(config).map(([name, yaml]) => writeFile(at(`config/${name}.yaml`), yaml)));
  const args = [
    'discovery',
    `--configDir=${at('config')}`,
    '--registries=Kubernetes',
    `--kubeconfig=${at('kubeconfig')}`,
    `--meshConfig=${at('mesh.yaml')}`,
    '--networksConfig=none',
    '--ctrlz_address=127.0.0.1',
    `--ctrlz_port=${await freePort()}`,
    `--httpAddr=127.0.0.1:${http}`,
    '--httpsAddr=',
    `--grpcAddr=127.0.0.1:${xds}`,
    `--secureGRPCAddr=${secureXds}`,
    ...(tls === undefined
      ? []
      : [
          `--tlsCertFile=${at('istiod.pem')}`,
          `--tlsKeyFile=${at('istiod-key.pem')}`,
          `--caCertFile=${at('istiod-roots.pem')}`,
        ]),
    `--monitoringAddr=127.0.0.1:${monitoring}`,
  ];
  const log = (): string => readFileSync(at('istiod.log'), 'utf8');
  const launch = async (): Promise<ChildProcess> => {
    const output = await open(at('istiod.log'), 'a');
    const child = spawn(path, args, {
      cwd: directory,
      stdio: ['ignore', output.fd, output.fd],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: directory,
        POD_NAME: 'istiod-1',
        POD_NAMESPACE: 'istio-system',
        CLUSTER_ID: 'Kubernetes',
        ENABLE_CA_SERVER: 'false',
        ...env,
      },
    });
    await output.close();
    try {
      await waitFor(() => hasEnded(child) || isReady(http), { what: 'istiod', timeoutMs: 60_000 });
      if (hasEnded(child)) throw new Error(`it ended with ${child.exitCode}`);
    } catch (error) {
      await end(child);
      throw new Error(`istiod does not start:\n${log().slice(-4_000)}`, { cause: error });
    }
    return child;
  };
  let running: ChildProcess;
  try {
    running = await launch();
  } catch (error) {
    await kubernetes[Symbol.asyncDispose]();
    throw error;
  }
  return {
    xds: `127.0.0.1:${xds}`,
    secureXds,
    kubernetes,
    apply: (name, yaml) => writeFile(at(`config/${name}.yaml`), yaml),
    remove: (name) => rm(at(`config/${name}.yaml`)),
    debug: async (page) =>
      (await fetch(`http://127.0.0.1:${http}${page}`, { signal: AbortSignal.timeout(10_000) })).text(),
    stop: () => end(running),
    async startAgain() {
      running = await launch();
    },
    log,
    async [Symbol.asyncDispose]() {
      await end(running);
      await kubernetes[Symbol.asyncDispose]();
    },
  };
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

const isReady = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(5_000) }).then(
    ({ ok }) => ok,
    () => false,
  );

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(kill);
}
