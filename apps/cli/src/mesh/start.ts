/** Starts a mesh on this machine: state folder, supervisor, control plane, gateway. Used by `up` and `demo`. */
import { openSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger, systemClock, systemRandom, WeftError, type Logger } from '@weft/kit';
import {
  createStateDir,
  dnsSocketOf,
  HOST_ADDRESS,
  lockStateDir,
  setUpHub,
  startSupervisor,
  type HubOptions,
  type StateDir,
  type Supervisor,
} from '@weft/local';
import { handOver } from '../isolated/hub-line.ts';
import { podRules } from '../isolated/pod-rules.ts';
import { createAgents } from './agents.ts';
import type { MeshOptions } from './options.ts';
import { findPrograms } from './programs.ts';
import type { Progress } from './progress.ts';

export interface RunningMesh {
  readonly dir: StateDir;
  readonly supervisor: Supervisor;
  readonly logger: Logger;
  /** Where this process reaches a port that the mesh has on the host. */
  readonly hostAddress: string;
  /** Stops everything in order and releases the folder. */
  stop(drainMs: number): Promise<void>;
}

export interface StartExtras {
  readonly progress: Progress;
  readonly gateway: boolean;
  /** This process is in the hub of an isolated mesh. */
  readonly hub?: HubOptions;
  /** Why it is the loopback form, when nobody asked for that. */
  readonly formReason?: string;
  readonly onLine?: (source: string, line: string) => void;
  readonly onShutdownAsked: () => void;
  /** The mesh is to end although it is only starting. */
  readonly stopped?: AbortSignal;
}

/** The environment of the mesh's own processes: what Node needs, and nothing else of the user's. */
export function meshEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

/** V8 settings of a sidecar: see docs/performance.md for what each was measured to give. */
export const PROXY_NODE_ARGS = ['--max-semi-space-size=2', '--max-old-space-size=256'] as const;

export async function startMesh(options: MeshOptions, extras: StartExtras): Promise<RunningMesh> {
  const { progress } = extras;
  const programs = findPrograms();
  const dir = createStateDir(options.stateDir);
  const lock = lockStateDir(dir);
  if (lock.recovered) progress.note(`an earlier run in ${dir.root} ended without cleaning up; its leftovers are gone`);
  const logFd = openSync(join(dir.logs, 'supervisor.log'), 'a', 0o600);
  const logger = createLogger({ name: 'supervisor', level: options.logLevel, fd: logFd });
  let logOpen = true;
  const { hub } = extras;
  tellForm(extras);
  let supervisor: Supervisor | undefined;
  const stop = async (drainMs: number): Promise<void> => {
    await supervisor?.stop(drainMs);
    lock.release();
    if (logOpen) closeSync(logFd);
    logOpen = false;
  };
  try {
    if (hub) {
      progress.step('making network namespaces');
      await handOver(await setUpHub(hub.tool, meshEnvironment()), dnsSocketOf(dir));
    }
    progress.step('starting the control plane');
    supervisor = await startSupervisor(
      {
        dir,
        trustDomain: options.trustDomain,
        certificateTtlMs: options.certificateTtlMs,
        ports: options.ports,
        gatewayPort: options.gatewayPort,
        consolePort: options.consolePort,
        ...(hub ? { hub } : {}),
        ...(extras.formReason === undefined ? {} : { formReason: extras.formReason }),
        programs: {
          controlPlane: programs.controlPlane,
          proxy: programs.proxy,
          nodeArgs: [],
          proxyNodeArgs: PROXY_NODE_ARGS,
        },
        proxyFlags: options.proxyFlags,
        controlPlaneArgs: [
          `--console-dir=${programs.consoleDir}`,
          `--log-level=${options.logLevel}`,
          `--access-log=${options.accessLog}`,
          `--trace-sampling=${options.traceSampling}`,
          ...(options.tlsResumption ? [] : ['--no-tls-resumption']),
          `--path-normalization=${options.pathNormalization}`,
        ],
        baseEnv: meshEnvironment(),
      },
      {
        agents: createAgents(logger),
        podRules,
        clock: systemClock,
        random: systemRandom,
        logger,
        onShutdownAsked: extras.onShutdownAsked,
        ...(extras.onLine ? { onLine: extras.onLine } : {}),
      },
    );
    if (extras.gateway) {
      progress.step('starting the gateway');
      const gateway = await supervisor.startGateway();
      await waitReady(gateway.ready, () => gateway.waitingFor(), 'the gateway', progress, extras.stopped);
    }
    return { dir, supervisor, logger, stop, hostAddress: hub ? HOST_ADDRESS : '127.0.0.1' };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

function tellForm({ progress, hub, formReason }: StartExtras): void {
  if (hub) progress.step(`interception: isolated, each workload in a network namespace of its own (${hub.tool})`);
  else progress.step('interception: loopback, by addresses of 127.0.0.0/8');
  if (formReason !== undefined) progress.note(`the isolated form is not possible here: ${formReason}`);
}

const READY_MS = 60_000;
const SAY_AFTER_MS = 5_000;

/** Waits for a workload; after a while says what it waits for. @throws {WeftError} WEFT_TIMEOUT naming it, WEFT_STOPPED. */
export async function waitReady(
  ready: Promise<void>,
  waitingFor: () => readonly string[],
  what: string,
  progress: Progress,
  stopped?: AbortSignal,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let onStopped = (): void => {};
  const say = setInterval(() => progress.note(`${what} still waits for ${waitingFor().join(', ')}`), SAY_AFTER_MS);
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new WeftError('WEFT_TIMEOUT', `${what} did not become ready; it waits for ${waitingFor().join(', ')}`, {
            fix: 'read the logs with "weft logs"',
          }),
        ),
      READY_MS,
    );
    onStopped = () => reject(new WeftError('WEFT_STOPPED', `the mesh was stopped before ${what} was ready`));
    if (stopped?.aborted) onStopped();
    stopped?.addEventListener('abort', onStopped);
  });
  try {
    await Promise.race([ready, late]);
  } finally {
    clearTimeout(timer);
    clearInterval(say);
    stopped?.removeEventListener('abort', onStopped);
  }
}
