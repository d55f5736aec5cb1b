/** Weft under test: a whole mesh, of which one sidecar is measured. Its configuration comes from pilot, as a user's does. */
import { spawn, execFileSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../../apps/cli/bin/weft.mjs', import.meta.url));

export interface WeftUnderTest {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const START_MS = 60_000;

const PLAINTEXT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: DISABLE } }
`;

/** A sidecar with one HTTP route to the application, plaintext, no access log, no traces. */
export async function startWeft(backend: readonly string[]): Promise<WeftUnderTest> {
  const state = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  const flags = [
    '--ports=auto',
    '--gateway-port=0',
    '--console-port=0',
    '--access-log=off',
    '--trace-sampling=0',
    '--no-gateway',
  ];
  const running: Running[] = [];
  const stop = async (): Promise<void> => {
    for (const program of running.splice(0).toReversed()) await program.stop();
    rmSync(state, { recursive: true, force: true });
  };
  try {
    return { ...(await runSidecar(state, flags, backend, running)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function runSidecar(
  state: string,
  flags: readonly string[],
  backend: readonly string[],
  running: Running[],
): Promise<Omit<WeftUnderTest, 'stop'>> {
  const up = start(['up', `--state=${state}`, ...flags]);
  running.push(up);
  await up.until('Ctrl-C');
  weft(['apply', `--state=${state}`, '-f', '-'], PLAINTEXT);
  const run = start([
    'run',
    `--state=${state}`,
    '--service=backend',
    '--port=8000',
    '--protocol=http',
    '--',
    ...backend,
  ]);
  running.push(run);
  await run.until('is in the mesh');
  const { workloads } = JSON.parse(readRegistry(state)) as {
    workloads: readonly { address: string; ports: readonly { meshPort: number }[] }[];
  };
  const workload = workloads[0];
  const port = workload?.ports[0]?.meshPort;
  if (!workload || port === undefined) throw new Error('the backend is not registered');
  return {
    host: workload.address,
    port,
    pid: proxyPid(state),
  };
}

/** The registry as the control plane gets it: the first line of the stream. */
function readRegistry(state: string): string {
  const socket = join(state, 'run/supervisor.sock');
  const script = `require('node:http').get({socketPath:process.argv[1],path:'/v1/registry/watch'},(r)=>{let t='';r.on('data',(c)=>{t+=c;const e=t.indexOf('\\n');if(e>=0){process.stdout.write(t.slice(0,e));process.exit(0)}})})`;
  return execFileSync(process.execPath, ['-e', script, socket], { encoding: 'utf8' });
}

/** The sidecar's process: the one whose command line saves its configuration in this folder. */
function proxyPid(state: string): number {
  const out = execFileSync('/bin/sh', ['-c', `grep -l -a -- "$0/proxies" /proc/[0-9]*/cmdline 2>/dev/null`, state], {
    encoding: 'utf8',
  });
  const pids = out
    .split('\n')
    .map((line) => Number(/\/proc\/(\d+)\//.exec(line)?.[1]))
    .filter((pid) => pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('proxy.js'));
  if (pids[0] === undefined) throw new Error('the sidecar process was not found');
  return pids[0];
}

const weft = (args: readonly string[], input = ''): string =>
  execFileSync(process.execPath, [program, ...args], { input, encoding: 'utf8' });

interface Running {
  readonly child: ChildProcess;
  until(text: string): Promise<void>;
  stop(): Promise<void>;
}

function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let output = '';
  const waiting: { readonly text: string; readonly resolve: () => void }[] = [];
  const keep = (chunk: string): void => {
    output += chunk;
    for (const item of waiting) if (output.includes(item.text)) item.resolve();
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  return {
    child,
    until: (text) =>
      new Promise((resolve, reject) => {
        waiting.push({ text, resolve });
        keep('');
        child.once('exit', () => reject(new Error(`weft ${args[0]} ended: ${output}`)));
        setTimeout(() => reject(new Error(`weft ${args[0]} did not say "${text}": ${output}`)), START_MS).unref();
      }),
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        if (!child.kill('SIGTERM')) resolve();
      }),
  };
}
