/** One workload: its sockets, agent, sidecar and application, from admission to the end. */
import { spiffeId, type RegisteredWorkload } from '@weft/contracts';
import { createBackoff, WeftError, type Clock, type Logger, type Random, type Timer } from '@weft/kit';
import { appEnvironment, callablesOf, fillArguments } from './app-environment.ts';
import { startApplication, type Application, type ApplicationExit } from './application.ts';
import { startChild, type Child } from './child.ts';
import { adoptSockets } from './adopt-sockets.ts';
import { certificateFacts } from './certificate-facts.ts';
import { beat, DEFAULT_HEARTBEAT, STARTING, type HeartbeatState } from './heartbeat.ts';
import type { ListenSocket } from './listen-socket.ts';
import { createLogSink, type LineListener, type LogSink } from './log-sink.ts';
import type { Admission, AgentFactory, AgentSecrets, MeshLink, WorkloadSpec } from './mesh-link.ts';
import type { Probe } from './probe.ts';
import type { Reaper } from './reaper.ts';
import { proxyArguments, socketsOf } from './sidecar-process.ts';
import type { PlaceFactory, WorkloadPlace } from './workload-place.ts';

export interface RunnerOptions {
  readonly spec: WorkloadSpec;
  /** Absent for gateways and for programs that somebody else starts. */
  readonly command?: {
    readonly argv: readonly [string, ...string[]];
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
  };
  readonly probe?: Probe;
  /** Start the application again when it ends (the demo); else its end is the workload's end (`weft run`). */
  readonly restart: boolean;
}

export interface RunnerDeps {
  readonly link: MeshLink;
  readonly agents: AgentFactory;
  readonly places: PlaceFactory;
  readonly reaper: Reaper;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly proxyProgram: string;
  readonly proxyNodeArgs: readonly string[];
  /** The environment that mesh processes get; nothing secret in it. */
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly onLine?: LineListener;
  /** The application ended and will not be started again. */
  readonly onAppEnd?: (exit: ApplicationExit) => void;
}

export interface RunningWorkload {
  readonly spec: WorkloadSpec;
  readonly admission: Admission;
  readonly proxyPid: number | undefined;
  readonly appPid: number | undefined;
  /** Resolves when proxy and application serve; rejects when the application ended first. */
  readonly ready: Promise<void>;
  /** What it still waits for; empty when ready. */
  waitingFor(): readonly string[];
  /** Leaves the registry, drains the proxy, stops the application, closes the sockets. */
  stop(drainMs: number): Promise<void>;
}

const APP_GRACE_MS = 5_000;
// After it left the registry, clients need one push before they stop calling.
const LEAVE_BEFORE_DRAIN_MS = 400;
/** A sidecar that ended and does not serve again within this takes its workload out of the mesh. */
const PROXY_ABSENCE_MS = 5_000;
const REPLACE_READY_MS = 30_000;

export async function runWorkload(options: RunnerOptions, deps: RunnerDeps): Promise<RunningWorkload> {
  const { spec } = options;
  const { name, namespace } = spec;
  const { clock, logger } = deps;
  const admission = await deps.link.admit(spec);
  const { place, sockets } = await settleIn(spec, admission, deps);
  const proxyLog = createLogSink(admission.logsDir, `${name}.${namespace}.proxy`);
  const appLog = createLogSink(admission.logsDir, `${name}.${namespace}.app`, deps.onLine);

  let health: HeartbeatState = STARTING;
  let proxyWaits: readonly string[] = ['the sidecar process'];
  /** It has served: what it waits for later (a new listener, say) does not take the workload out of the mesh. */
  let proxyServed = false;
  let proxyAbsence: Timer | undefined;
  let stopping = false;
  let app: Application | undefined;
  let appTimer: Timer | undefined;
  let beatTimer: Timer | undefined;
  let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // A caller may look only at waitingFor().
  ready.catch(() => {});

  const hasApp = options.command !== undefined;
  const waitingFor = (): readonly string[] => [
    ...proxyWaits,
    ...(hasApp && health.health !== 'healthy' ? [`the application to answer on ${appAddress(spec)}`] : []),
  ];
  const report = (): void => {
    if (stopping) return;
    const state: RegisteredWorkload['health'] = hasApp ? health.health : 'healthy';
    deps.link.report(name, namespace, {
      health: state === 'healthy' && !proxyServed ? 'starting' : state,
      processes: {
        ...(proxy.pid ? { proxy: proxy.pid } : {}),
        ...(app?.pid ? { app: app.pid } : {}),
        ...(place.pid === undefined ? {} : { pod: place.pid }),
      },
    });
    if (waitingFor().length === 0) settle?.resolve();
  };

  const agent = deps.agents({
    spiffeId: spiffeId({ trustDomain: admission.trustDomain, namespace, serviceAccount: spec.serviceAccount }),
    token: () => deps.link.token(name, namespace),
    caAddress: admission.caAddress,
    xdsAddress: admission.xdsAddress,
    rootCaPem: admission.rootCaPem,
    ttlMs: admission.certificateTtlMs,
  });
  let secrets: AgentSecrets | undefined;
  let { proxyFlags } = admission;
  const proxy: Child = startChild(
    {
      name: `proxy of ${name}.${namespace}`,
      program: deps.proxyProgram,
      nodeArgs: deps.proxyNodeArgs,
      args: (adopted) => proxyArguments(spec, { ...admission, proxyFlags }, [...sockets, ...adopted]),
      enter: (argv) => place.enter(argv),
      descriptors: sockets.map((socket) => socket.fd),
      env: deps.baseEnv,
    },
    {
      clock,
      logger,
      log: proxyLog,
      backoff: createBackoff({ baseMs: 100, maxMs: 10_000 }, deps.random),
      adopt: (child) =>
        adoptSockets(child, { clock, own: sockets, adopt: (pid, socket) => place.adoptSocket(pid, socket) }),
      onStart(send) {
        send({ type: 'admin-token', token: admission.adminToken });
        if (secrets) send({ type: 'secrets', ...secrets });
      },
      onMessage(message) {
        if (message.type === 'ready') {
          proxyWaits = [];
          proxyServed = true;
          proxyAbsence?.cancel();
          proxyAbsence = undefined;
        } else if (message.type === 'waiting') proxyWaits = message.for;
        else if (message.type === 'failed') proxyWaits = [`the sidecar: ${message.message}`];
        report();
      },
      onExit({ unexpected }) {
        proxyWaits = ['the sidecar process'];
        if (!unexpected) return;
        logger.warn({ workload: name }, 'the sidecar ended');
        // The socket keeps queueing connections and clients retry, so a quick restart is not announced; one that fails is.
        // Counted from the first end: one that ends again and again is absent, too.
        proxyAbsence ??= clock.after(PROXY_ABSENCE_MS, () => {
          proxyServed = false;
          report();
        });
      },
    },
  );
  const unsubscribe = agent.subscribe((next) => {
    secrets = next;
    proxy.send({ type: 'secrets', ...next });
    deps.link.report(name, namespace, { certificate: certificateFacts(next.default) });
  });

  const withdraw = deps.link.offerRestart(name, namespace, async ({ drainMs, wait, proxyFlags: wanted }) => {
    if (sockets.length === 0)
      throw new WeftError('WEFT_RESTART_FAILED', 'listening sockets can not be handed to another process here', {
        fix: 'stop the workload and run it again',
      });
    const before = proxyFlags;
    proxyFlags = wanted ?? before;
    const { pid, formerPid, drained } = await proxy
      .replace({ readyMs: REPLACE_READY_MS, drainMs })
      .catch((error: unknown) => {
        proxyFlags = before;
        throw error;
      });
    const cutConnections = wait ? await drained : undefined;
    return {
      ...(pid === undefined ? {} : { pid }),
      ...(formerPid === undefined ? {} : { formerPid }),
      ...(cutConnections === undefined ? {} : { cutConnections }),
    };
  });

  const startApp = (): void => {
    if (!options.command || stopping) return;
    const { host, port } = listenPlace(spec, admission);
    const { argv, cwd, env } = options.command;
    app = startApplication(
      {
        argv: fillArguments(argv, host, port),
        ...(place.pid === undefined ? {} : { enter: (own) => place.enterAsUser(own, cwd) }),
        cwd,
        env: { ...env, ...appEnvironment({ host, port, namespace, ...callablesOf(admission) }) },
      },
      { clock, log: appLog, reaper: deps.reaper, onExit: appEnded },
    );
  };
  const appBackoff = createBackoff({ baseMs: 250, maxMs: 10_000 }, deps.random);
  const appEnded = (exit: ApplicationExit): void => {
    app = undefined;
    // Seen at once: no heartbeat needs to be missed.
    health = { health: 'unhealthy', misses: 0 };
    report();
    if (stopping) return;
    if (options.restart && exit.error === undefined) {
      const delayMs = Math.round(appBackoff.next());
      logger.warn(
        { workload: name, code: exit.code, signal: exit.signal, delayMs },
        'the application ended; starting it again',
      );
      appTimer = clock.after(delayMs, startApp);
      return;
    }
    settle?.reject(
      new WeftError('WEFT_APP_ENDED', appEndText(name, exit), { fix: `read its output in ${admission.logsDir}` }),
    );
    deps.onAppEnd?.(exit);
  };

  const heartbeat = async (): Promise<void> => {
    const { host, port } = appPlace(spec);
    if (app?.pid !== undefined) {
      const target = options.probe ?? { kind: 'tcp' };
      const answered = await place.probe(target, host, port, DEFAULT_HEARTBEAT.intervalMs);
      if (app?.pid !== undefined && !stopping) {
        const before = health.health;
        health = beat(health, answered, DEFAULT_HEARTBEAT);
        if (health.health !== before) report();
      }
    }
    // Quick while it starts, so that the mesh is up soon; then once a second.
    const delayMs = health.health === 'starting' ? 100 : DEFAULT_HEARTBEAT.intervalMs;
    if (!stopping) beatTimer = clock.after(delayMs, () => void heartbeat());
  };
  startApp();
  if (hasApp) void heartbeat();

  return {
    spec,
    admission,
    get proxyPid() {
      return proxy.pid;
    },
    get appPid() {
      return app?.pid;
    },
    ready,
    waitingFor,
    async stop(drainMs) {
      if (stopping) return;
      deps.link.report(name, namespace, { health: 'draining' });
      stopping = true;
      withdraw();
      appTimer?.cancel();
      proxyAbsence?.cancel();
      beatTimer?.cancel();
      if (drainMs > 0) await new Promise<void>((resolve) => setTimeout(resolve, LEAVE_BEFORE_DRAIN_MS));
      await proxy.stop(drainMs);
      await app?.stop(APP_GRACE_MS);
      unsubscribe();
      agent.close();
      sockets.forEach((socket) => socket.close());
      await place.close();
      await deps.link.leave(name, namespace);
      closeAll([proxyLog, appLog]);
      settle?.reject(new WeftError('WEFT_STOPPED', `${name} was stopped`));
    },
  };
}

const closeAll = (logs: readonly LogSink[]): void => logs.forEach((log) => log.close());

function appPlace(spec: WorkloadSpec): { host: string; port: number } {
  const port = spec.ports[0];
  return { host: port?.appAddress ?? '127.0.0.1', port: port?.appPort ?? 0 };
}

/** What the program is told to bind: in a namespace of its own it may take every address. */
function listenPlace(spec: WorkloadSpec, admission: Admission): { host: string; port: number } {
  const { host, port } = appPlace(spec);
  return { host: admission.pod ? '0.0.0.0' : host, port };
}

function appAddress(spec: WorkloadSpec): string {
  const { host, port } = appPlace(spec);
  return `${host}:${port}`;
}

function appEndText(name: string, exit: ApplicationExit): string {
  if (exit.error !== undefined) return `the application of ${name} could not be started: ${exit.error}`;
  return `the application of ${name} ended with ${exit.signal === null ? `code ${exit.code}` : exit.signal}`;
}

/** The place of a workload that was admitted, with its sockets; nothing stays admitted when there is none. */
async function settleIn(
  spec: WorkloadSpec,
  admission: Admission,
  deps: RunnerDeps,
): Promise<{ readonly place: WorkloadPlace; readonly sockets: readonly ListenSocket[] }> {
  let place: WorkloadPlace | undefined;
  try {
    place = await deps.places(spec, admission);
    return { place, sockets: place.openSockets(socketsOf(spec, admission)) };
  } catch (error) {
    await place?.close();
    await deps.link.leave(spec.name, spec.namespace);
    throw error;
  }
}
