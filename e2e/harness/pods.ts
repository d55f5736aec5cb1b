/** Network namespaces like a cluster's: pods on one bridge, the test's own servers beyond them. Nothing of it outlives its processes. */
import { execFile, spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { promisify } from 'node:util';
import { programPath } from './programs.ts';

const run = promisify(execFile);
const USER = ['--preserve-credentials', '-U'];
/** A test that is killed can end nobody: the system does. */
const LIFELINE = ['setpriv', '--pdeathsig', 'KILL', '--'];

/** Where commands of a test run. */
export interface Place {
  /** What enters it. */
  readonly prefix: readonly string[];
  spawn(file: string, args: readonly string[], options?: SpawnInPlace): ChildProcess;
  /** @throws with what the command said, when it fails. */
  run(file: string, ...args: readonly string[]): Promise<string>;
  /** One call by a program of its own (programs/caller.mjs). */
  call(what: Readonly<Record<string, unknown>>): Promise<Called>;
}

export interface SpawnInPlace {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdio?: readonly ('ignore' | 'inherit' | 'pipe')[];
}

export interface Called {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly got?: string;
  readonly closed?: boolean;
  readonly error?: string;
}

export interface Network extends AsyncDisposable {
  /** Where pods are reached from and what is no pod lives. */
  readonly outside: Place;
  /** @param index above 1: the address is 10.244.0.INDEX. */
  addPod(index: number): Promise<Place & { readonly address: string }>;
}

export const OUTSIDE_ADDRESS = '10.244.0.1';
/** Somewhere that is no part of the cluster. */
export const FOREIGN_ADDRESS = '192.0.2.10';

/** Why no namespaces can be made here; undefined where they can. */
export function whyNoPods(): string | undefined {
  if (process.platform !== 'linux') return `${process.platform} has no network namespaces`;
  const script =
    'setpriv --pdeathsig KILL true && ip link add name try0 type bridge && ip link add name try1 type veth peer name try2 && iptables -t nat -S';
  const tried = spawnSync('unshare', ['-Urnm', 'sh', '-c', script], { encoding: 'utf8', timeout: 20_000 });
  return tried.status === 0
    ? undefined
    : `unprivileged namespaces with bridge, veth and iptables: ${tried.error?.message ?? tried.stderr.trim()}`;
}

export async function createNetwork(): Promise<Network> {
  const children = new Set<ChildProcess>();
  const hold = async (file: string, args: readonly string[]): Promise<number> => {
    // Says when it is inside; ends with its input, so also when the test is killed.
    const child = spawn(file, [...args, 'sh', '-c', 'echo inside; cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.add(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
    });
    return child.pid ?? 0;
  };
  const placeOf = (pid: number): Place => {
    const prefix = ['nsenter', '-t', String(pid), ...USER, '-n', '-m', '--'];
    const [enter = '', ...rest] = prefix;
    const place: Place = {
      prefix,
      spawn(file, args, { env, stdio = ['ignore', 'inherit', 'inherit'] } = {}) {
        const child = spawn(enter, [...rest, ...LIFELINE, file, ...args], {
          stdio: [...stdio] as StdioOptions,
          env: { ...process.env, ...env },
        });
        children.add(child);
        return child;
      },
      async run(file, ...args) {
        return (await run(enter, [...rest, file, ...args], { timeout: 30_000 })).stdout;
      },
      async call(what) {
        const text = await place.run(process.execPath, programPath('caller.mjs'), JSON.stringify(what));
        return JSON.parse(text) as Called;
      },
    };
    return place;
  };
  const base = await hold('unshare', ['-Urnm']);
  const outside = placeOf(base);
  const [enter = '', ...rest] = outside.prefix;
  await outside.run(
    'sh',
    '-ec',
    `ip link set lo up; ip addr add ${FOREIGN_ADDRESS}/32 dev lo; ip link add name pods type bridge; ip addr add ${OUTSIDE_ADDRESS}/16 dev pods; ip link set pods up`,
  );
  return {
    outside,
    async addPod(index) {
      const address = `10.244.0.${index}`;
      const pid = await hold(enter, [...rest, 'unshare', '-n']);
      const pod = placeOf(pid);
      await outside.run(
        'sh',
        '-ec',
        `ip link add name pod${index} type veth peer name eth0 netns ${pid}; ip link set pod${index} master pods up`,
      );
      await pod.run(
        'sh',
        '-ec',
        `ip link set lo up; ip addr add ${address}/16 dev eth0; ip link set eth0 up; ip route add default via ${OUTSIDE_ADDRESS}`,
      );
      return { ...pod, address };
    },
    async [Symbol.asyncDispose]() {
      const ended = [...children].map(
        (child) =>
          new Promise<void>((resolve) => {
            if (child.exitCode !== null || child.signalCode !== null) return resolve();
            child.once('exit', () => resolve());
            child.kill('SIGKILL');
          }),
      );
      await Promise.all(ended);
    },
  };
}
