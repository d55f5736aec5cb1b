/** The root of a mesh on one machine: owns registry, tokens, children and their order. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { GATEWAY_ACCOUNT, PORTS, SYSTEM_NAMESPACE, type ChildMessage, type RegisteredService } from '@weft/contracts';
import { createBackoff, WeftError, type Clock, type Logger, type Random } from '@weft/kit';
import { createAdmissions } from './admission.ts';
import { startChild, type Child } from './child.ts';
import { HUB_ADDRESS } from './isolated/address-plan.ts';
import type { HubOptions } from './isolated/hub.ts';
import { createPodPlacer, type PodSurroundings } from './isolated/pod-placer.ts';
import { createLoopbackPlacer } from './loopback-placer.ts';
import { createLogSink, type LineListener } from './log-sink.ts';
import type { AgentFactory, MeshEndpoints, MeshLink, PodPlan } from './mesh-link.ts';
import { dnsSocketOf, type MeshInterception } from './mesh-file.ts';
import { chooseLoopbackPorts, HOST, type MeshPorts, type PortWishes } from './mesh-ports.ts';
import { createPlaces } from './places.ts';
import { findBlock } from './port-picker.ts';
import { createProxyFlags } from './proxy-flags.ts';
import { startReaper } from './reaper.ts';
import { createLocalRegistry } from './registry.ts';
import { createRestarts } from './restarts.ts';
import { readOrCreateToken, type StateDir } from './state-dir.ts';
import { serveSupervisorApi } from './supervisor-api.ts';
import { createTokenSigner } from './tokens.ts';
import { runWorkload, type RunnerOptions, type RunningWorkload } from './workload-runner.ts';

export interface SupervisorOptions extends PortWishes {
  readonly dir: StateDir;
  readonly trustDomain: string;
  readonly certificateTtlMs: number;
  /** Present in the isolated form; this process is then in the hub's namespaces. */
  readonly hub?: HubOptions;
  /** Why this form was taken, when nobody asked for it. */
  readonly formReason?: string;
  readonly programs: {
    readonly controlPlane: string;
    readonly proxy: string;
    readonly nodeArgs: readonly string[];
    readonly proxyNodeArgs: readonly string[];
  };
  readonly controlPlaneArgs: readonly string[];
  /** Of every proxy, beside those that each needs. */
  readonly proxyFlags: readonly string[];
  readonly baseEnv: Readonly<Record<string, string>>;
}

export interface SupervisorDeps {
  readonly agents: AgentFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Redirect rules of a pod, as its tool reads them. */
  readonly podRules: (plan: PodPlan) => string;
  readonly onLine?: LineListener;
  /** Somebody asked over the socket for the mesh to stop. */
  readonly onShutdownAsked: () => void;
}

export interface Supervisor {
  readonly ports: MeshPorts;
  readonly block: number | undefined;
  readonly token: string;
  readonly controlPlane: Child;
  workloads(): readonly RunningWorkload[];
  declare(services: readonly RegisteredService[]): void;
  run(options: RunnerOptions): Promise<RunningWorkload>;
  /** Starts the ingress gateway. */
  startGateway(): Promise<RunningWorkload>;
  stop(drainMs: number): Promise<void>;
}

const CONTROL_PLANE_START_MS = 60_000;

export async function startSupervisor(options: SupervisorOptions, deps: SupervisorDeps): Promise<Supervisor> {
  const { dir } = options;
  const { clock, random, logger } = deps;
  const startedAt = clock.now();
  const { hub } = options;
  const ports = hub ? hubPorts(hub) : await chooseLoopbackPorts(options);
  const block = hub ? undefined : await findBlock(hash(dir.root));
  const host = hub ? HUB_ADDRESS : HOST;
  const token = readOrCreateToken(dir);
  const signer = await createTokenSigner(clock, random);
  const registry = createLocalRegistry(`local-${hash(dir.root)}`, options.trustDomain);
  const reaper = startReaper();
  const places = createPlaces({
    podRules: deps.podRules,
    env: { ...options.baseEnv, WEFT_STATE: dir.root },
    ...(hub ? { hostSockets: hub.hostSockets } : {}),
    logger,
  });

  let rootCaPem = '';
  const endpoints = (): MeshEndpoints => ({
    xdsAddress: `${host}:${ports.xds}`,
    caAddress: `${host}:${ports.ca}`,
    rootCaPem,
    adminToken: token,
    certificateTtlMs: options.certificateTtlMs,
  });
  const gatewayBinds = [80, 8080].map((gatewayPort) => ({
    gatewayPort,
    bind: PORTS.gatewayHttp.bind,
    port: ports.gateway,
  }));
  const placer = hub
    ? createPodPlacer(surroundingsOf(hub, dir), gatewayBinds)
    : createLoopbackPlacer(block, gatewayBinds);
  const restarts = createRestarts(
    (name, namespace) => registry.state().workloads.some((item) => item.name === name && item.namespace === namespace),
    (name, namespace) => proxyFlags.offered(name, namespace),
  );
  const proxyFlags = createProxyFlags({
    common: options.proxyFlags,
    mostThreads: 2 * availableParallelism(),
    restart: (name, namespace, request) => restarts.restart(name, namespace, request),
    logger,
  });
  const admissions = createAdmissions({
    registry,
    clock,
    dir,
    placer,
    endpoints,
    proxyFlags: (spec) => proxyFlags.of(spec),
  });
  const link: MeshLink = {
    admit: (spec) => admissions.admit(spec),
    token(name, namespace) {
      const workload = registry.state().workloads.find((item) => item.name === name && item.namespace === namespace);
      if (!workload)
        return Promise.reject(new WeftError('WEFT_NOT_FOUND', `no workload ${name} in namespace ${namespace}`));
      return signer.sign({ namespace, serviceAccount: workload.serviceAccount, workload: name });
    },
    report(name, namespace, change) {
      const workload = registry.state().workloads.find((item) => item.name === name && item.namespace === namespace);
      // A heartbeat that says nothing new is no change: the control plane follows each one.
      const news =
        workload &&
        Object.entries(change).some(
          ([field, value]) => !isDeepStrictEqual(workload[field as keyof typeof change], value),
        );
      if (news) registry.update(name, namespace, change);
    },
    leave(name, namespace) {
      admissions.leave(name, namespace);
      proxyFlags.left(name, namespace);
      return Promise.resolve();
    },
    offerRestart: restarts.offer,
  };

  const running = new Map<string, RunningWorkload>();
  const api = await serveSupervisorApi(dir.supervisorSocket, {
    link,
    registry,
    clock,
    restarts: { ...restarts, restart: proxyFlags.restart },
    shutdown: deps.onShutdownAsked,
    status: () => ({
      pid: process.pid,
      startedAt,
      ports,
      block,
      interception: interceptionOf(options),
      controlPlanePid: controlPlane.pid,
      services: registry.state().services,
      workloads: registry.state().workloads,
    }),
  }).catch((error: unknown) => {
    reaper.close();
    throw error;
  });

  const log = createLogSink(dir.logs, 'control-plane');
  let onReady: (message: Extract<ChildMessage, { type: 'ready' }>) => void = () => {};
  let onFailed: (error: WeftError) => void = () => {};
  const controlPlane = startChild(
    {
      name: 'control plane',
      program: options.programs.controlPlane,
      nodeArgs: options.programs.nodeArgs,
      args: () => [
        `--state=${dir.root}`,
        `--trust-domain=${options.trustDomain}`,
        `--xds-port=${ports.xds}`,
        `--ca-port=${ports.ca}`,
        `--monitoring-port=${ports.monitoring}`,
        `--console-port=${ports.console}`,
        `--interception=${hub ? 'isolated' : 'loopback'}`,
        ...(hub ? [`--host=${host}`, '--monitoring-fd=4', '--console-fd=5'] : []),
        ...options.controlPlaneArgs,
      ],
      ...(hub ? { descriptors: [hub.hostSockets.monitoring.fd, hub.hostSockets.console.fd] } : {}),
      env: options.baseEnv,
    },
    {
      clock,
      logger,
      log,
      backoff: createBackoff({ baseMs: 200, maxMs: 10_000 }, random),
      onStart: (send) => send({ type: 'control-plane-start', tokenKeyJwk: { ...signer.publicJwk }, apiToken: token }),
      onMessage(message) {
        if (message.type === 'ready') onReady(message);
        if (message.type === 'proxy-settings') proxyFlags.change(message.settings);
        if (message.type === 'failed')
          onFailed(new WeftError('WEFT_CONTROL_PLANE', message.message, message.fix ? { fix: message.fix } : {}));
      },
      onExit: () => {},
    },
  );
  const stopEarly = async (): Promise<void> => {
    await controlPlane.stop(0);
    api.close();
    reaper.close();
    log.close();
  };
  try {
    rootCaPem = await firstReady(
      (resolve, reject) => {
        onReady = (message) => {
          rootCaPem = message.rootCaPem ?? rootCaPem;
          resolve(rootCaPem);
        };
        onFailed = reject;
      },
      () => `read ${dir.logs}/control-plane.log`,
    );
    writeFileSync(
      dir.meshFile,
      `${JSON.stringify({ pid: process.pid, ports, block, interception: interceptionOf(options) })}\n`,
      { mode: 0o600 },
    );
  } catch (error) {
    await stopEarly();
    throw error;
  }

  let stopped: Promise<void> | undefined;
  const starting = new Set<Promise<unknown>>();
  const run = (runner: RunnerOptions): Promise<RunningWorkload> => {
    const start = startWorkload(runner);
    starting.add(start);
    start.catch(() => {}).finally(() => starting.delete(start));
    return start;
  };
  const startWorkload = async (runner: RunnerOptions): Promise<RunningWorkload> => {
    const gone = (): WeftError => new WeftError('WEFT_STOPPED', `${runner.spec.name} was stopped`);
    if (stopped) throw gone();
    const workload = await runWorkload(runner, {
      link,
      agents: deps.agents,
      places,
      reaper,
      clock,
      random,
      logger,
      proxyProgram: options.programs.proxy,
      proxyNodeArgs: options.programs.proxyNodeArgs,
      baseEnv: options.baseEnv,
      ...(deps.onLine ? { onLine: deps.onLine } : {}),
    });
    // The mesh is being stopped since: nobody else would stop this one.
    if (stopped) {
      await workload.stop(0);
      throw gone();
    }
    running.set(runner.spec.name, workload);
    return workload;
  };

  return {
    ports,
    block,
    token,
    controlPlane,
    workloads: () => [...running.values()],
    declare: admissions.declare,
    run,
    startGateway: () =>
      run({
        spec: {
          // One name for the workload and who it is.
          name: GATEWAY_ACCOUNT,
          namespace: SYSTEM_NAMESPACE,
          kind: 'gateway',
          serviceAccount: GATEWAY_ACCOUNT,
          labels: { app: 'istio-ingressgateway', istio: 'ingressgateway', version: 'v1' },
          ports: [],
        },
        restart: true,
      }),
    stop(drainMs) {
      stopped ??= (async () => {
        const all = [...running.values()];
        // The way in closes first, then the rest, then what they all lean on.
        for (const workload of all.filter((item) => item.spec.kind === 'gateway')) await workload.stop(drainMs);
        await Promise.all(all.map((workload) => workload.stop(drainMs)));
        await Promise.allSettled(starting);
        await controlPlane.stop(Math.min(drainMs, 2_000));
        api.close();
        reaper.close();
        log.close();
      })();
      return stopped;
    },
  };
}

function firstReady(
  listen: (resolve: (rootCaPem: string) => void, reject: (error: WeftError) => void) => void,
  hint: () => string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new WeftError('WEFT_CONTROL_PLANE', 'the control plane did not become ready', { fix: hint() })),
      CONTROL_PLANE_START_MS,
    );
    listen(
      (rootCaPem) => {
        clearTimeout(timer);
        resolve(rootCaPem);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** In its own namespace every port is free. */
const hubPorts = ({ hostSockets }: HubOptions): MeshPorts => ({
  gateway: hostSockets.gateway.port,
  console: hostSockets.console.port,
  monitoring: hostSockets.monitoring.port,
  xds: PORTS.xds.port,
  ca: PORTS.ca.port,
});

const surroundingsOf = ({ tool, user }: HubOptions, dir: StateDir): PodSurroundings => ({
  tool,
  dnsSocket: dnsSocketOf(dir),
  etcDir: join(dir.run, 'etc'),
  ...(user ? { user } : {}),
});

/** For people, and for commands that join this mesh. */
const interceptionOf = ({ hub, formReason }: SupervisorOptions): MeshInterception => ({
  form: hub ? 'isolated' : 'loopback',
  ...(hub?.user ? { user: hub.user } : {}),
  ...(formReason === undefined ? {} : { reason: formReason }),
});

/** FNV-1a, to start looking for addresses at a place of this folder's own. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return value;
}
