/** `weft exec`: runs a command where the application of a workload runs. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { RegisteredService, RegisteredWorkload } from '@weft/contracts';
import { WeftError } from '@weft/kit';
import {
  appEnvironment,
  asUserCommand,
  callableServices,
  callUnix,
  enterCommand,
  isProgram,
  stateDirAt,
  type CommandLine,
  type MeshInterception,
} from '@weft/local';
import { networkOf } from '../isolated/join.ts';
import { stateDirOf } from '../mesh/options.ts';

export interface ExecFlags {
  readonly state?: string;
  readonly namespace: string;
}

interface MeshStatus {
  readonly interception: MeshInterception;
  readonly services: readonly RegisteredService[];
  readonly workloads: readonly RegisteredWorkload[];
}

export async function exec(name: string, command: readonly string[], flags: ExecFlags): Promise<number> {
  const socket = stateDirAt(stateDirOf(flags.state)).supervisorSocket;
  const status = (await callUnix(socket, { method: 'GET', path: '/v1/status' })) as MeshStatus;
  const workload = status.workloads.find((item) => item.name === name && item.namespace === flags.namespace);
  if (!workload) throw notFound(name, flags.namespace, status.workloads);
  const [program = process.env['SHELL'] ?? '/bin/sh', ...args] = command;
  // What enters the namespaces could only say so in words of its own.
  if (!isProgram(program, process.env['PATH'], process.cwd()))
    throw new WeftError('WEFT_NO_PROGRAM', `there is no program ${program}`, {
      fix: 'check its name, and that its folder is in $PATH',
    });
  const [file, ...rest] = place(workload, status.interception, [program, ...args]);
  const child = spawn(file, rest, { stdio: 'inherit', env: { ...process.env, ...environmentOf(workload, status) } });
  // A terminal sends its signals to both of us: the command decides what they mean.
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  process.on('SIGQUIT', ignore);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new WeftError('WEFT_FILE', `${file} could not be started: ${cause.message}`, { cause })),
    );
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** In the isolated form: its namespaces, with the rights that it has there. */
function place(workload: RegisteredWorkload, { form, user }: MeshInterception, argv: CommandLine): CommandLine {
  const pod = workload.processes?.pod;
  if (form === 'loopback') return argv;
  if (pod === undefined)
    throw new WeftError('WEFT_NOT_FOUND', `workload ${workload.name} is only starting: its namespace is not there yet`);
  const inside = networkOf('self') === networkOf(pod);
  if (inside) return argv;
  const entered = user === undefined ? argv : asUserCommand(user, argv);
  return enterCommand({ pid: pod, userNamespace: user !== undefined, cwd: process.cwd() }, entered);
}

/** What its program has, so that the same words work in both. */
function environmentOf(workload: RegisteredWorkload, { services }: MeshStatus): Record<string, string> {
  const { interception, namespace, ports } = workload;
  const loopback = interception.mode === 'loopback' ? interception : undefined;
  const [port] = ports;
  const { HOST, PORT, ...calls } = appEnvironment({
    host: loopback ? (port?.appAddress ?? '') : '0.0.0.0',
    port: port?.appPort ?? 0,
    namespace,
    outbound: loopback?.outbound ?? callableServices(services),
    ...(loopback?.httpProxy ? { httpProxy: loopback.httpProxy } : {}),
  });
  // A gateway has no program, and so no place where that listens.
  return port && HOST !== undefined && PORT !== undefined ? { ...calls, HOST, PORT } : calls;
}

function notFound(name: string, namespace: string, known: readonly RegisteredWorkload[]): WeftError {
  const names = known.map((item) => (item.namespace === namespace ? item.name : `${item.name} (-n ${item.namespace})`));
  return new WeftError('WEFT_NOT_FOUND', `no workload ${name} in namespace ${namespace}`, {
    fix: names.length === 0 ? 'start one with "weft run"' : `use one of: ${names.join(', ')}`,
  });
}
