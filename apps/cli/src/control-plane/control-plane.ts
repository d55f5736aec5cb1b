/** The control plane of one machine: citadel, pilot, telemetry and the console API, wired in one process. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { createCitadel, createDirectoryStore as createCaStore } from '@weft/citadel';
import { createDirectoryStore, createTextThread, type DirectoryStore, textHere, type TextThread } from '@weft/config';
import { createBearerCheck, createConsoleApi, DEFAULT_OPTIONS, type ConsoleSources } from '@weft/console-api';
import type { ChildMessage, ParentMessage, PortName, ProxySettings } from '@weft/contracts';
import { createLifecycle, systemClock, systemRandom, type Clock, type Logger } from '@weft/kit';
import { stateDirAt } from '@weft/local';
import { createPilot, DEFAULT_MESH_OPTIONS, mixerProblems, proxyProblems, proxySettingsOf } from '@weft/pilot';
import { createTelemetry } from '@weft/telemetry';
import { createGrpcServer } from '@weft/xds';
import { createCertificateSource } from './certificate-source.ts';
import { createConfigSource } from './config-source.ts';
import { serveMonitoring } from './monitoring.ts';
import type { ControlPlaneOptions } from './options.ts';
import { openRows, portRows } from './port-rows.ts';
import { createProxySource } from './proxy-source.ts';
import { createReceipts } from './receipts.ts';
import { createRegistrySource, followRegistry, followWorld } from './registry-source.ts';

export type StartMessage = Extract<ParentMessage, { type: 'control-plane-start' }>;

export interface ControlPlane {
  /** What the parent needs to know. */
  readonly ready: Extract<ChildMessage, { type: 'ready' }>;
  close(): Promise<void>;
}

// Console and metrics are for the host, also when proxies are elsewhere.
const HOST = '127.0.0.1';

export async function startControlPlane(
  options: ControlPlaneOptions,
  start: StartMessage,
  tell: (message: ChildMessage) => void,
  logger: Logger,
): Promise<ControlPlane> {
  const dir = stateDirAt(options.stateDir);
  const deps = { clock: systemClock, random: systemRandom, logger };
  const startedAt = deps.clock.now();
  const lifecycle = createLifecycle((name, error) =>
    logger.warn({ part: name, error }, 'a part did not close cleanly'),
  );
  try {
    const registry = followRegistry(dir.supervisorSocket, options.trustDomain, deps);
    lifecycle.defer('registry', () => registry.close());
    const configText = openConfigText(deps.clock);
    lifecycle.defer('text of configuration', () => configText.close());
    const store = await createDirectoryStore({ dir: dir.config, configText, ...deps });
    lifecycle.defer('configuration', () => store.close());
    lifecycle.defer('settings of proxies', followProxySettings(store, tell));
    // As many as a proxy takes.
    const mostProxyThreads = 2 * availableParallelism();
    const citadel = await createCitadel({
      store: createCaStore(dir.ca),
      tokenKeys: [start.tokenKeyJwk],
      trustDomain: options.trustDomain,
      ...deps,
    });
    lifecycle.defer('citadel', () => citadel.close());
    const pilot = createPilot({
      configStore: store,
      registry,
      meshOptions: {
        ...DEFAULT_MESH_OPTIONS,
        trustDomain: options.trustDomain,
        accessLogFile: options.accessLog === 'off' ? '' : '/dev/stdout',
        accessLogEncoding: options.accessLog === 'json' ? 'JSON' : 'TEXT',
        tracingSampling: options.traceSampling,
        tlsResumption: options.tlsResumption,
        pathNormalization: options.pathNormalization,
        mostProxyThreads,
      },
      ...deps,
    });
    lifecycle.defer('pilot', () => pilot.close());
    const telemetry = createTelemetry({
      config: store,
      factsOf(namespace, name) {
        const found = registry.state().workloads.find((item) => item.namespace === namespace && item.name === name);
        return found && { labels: found.labels, service: found.service };
      },
      accountOf: (namespace, name) =>
        registry.state().workloads.find((item) => item.namespace === namespace && item.name === name)?.serviceAccount,
      dir: dir.store,
      output: {
        stdout: (line) => void process.stdout.write(`${line}\n`),
        stderr: (line) => void process.stderr.write(`${line}\n`),
      },
      ...deps,
    });
    lifecycle.defer('telemetry', () => telemetry.close());

    const mesh = createGrpcServer({
      address: `${options.host}:${options.xdsPort}`,
      credentials: citadel.servingCredentials('required'),
    });
    mesh.addService(pilot.ads.service, pilot.ads.handlers);
    mesh.addService(citadel.service, citadel.peerHandlers);
    for (const { definition, implementation } of telemetry.services) mesh.addService(definition, implementation);
    const bootstrap = createGrpcServer({
      address: `${options.host}:${options.caPort}`,
      credentials: citadel.servingCredentials('none'),
    });
    bootstrap.addService(citadel.service, citadel.tokenHandlers);
    const xdsPort = await mesh.listen();
    lifecycle.defer('mesh port', () => mesh.close(500));
    const caPort = await bootstrap.listen();
    lifecycle.defer('CA port', () => bootstrap.close(500));

    const actual: Partial<Record<PortName, number>> = { xds: xdsPort, ca: caPort };
    const proxies = createProxySource(pilot, registry, deps.clock);
    const sources: ConsoleSources = {
      mesh: {
        info: () => ({
          meshId: registry.state().meshId,
          trustDomain: options.trustDomain,
          version: packageJson.version,
          startedAt,
          interception: options.interception,
          ports: portRows(actual, options.host, registry.state().workloads),
          open: openRows(actual, registry.state().workloads),
        }),
      },
      config: createConfigSource({
        store,
        configText,
        diagnostics: () => pilot.diagnostics(),
        foresee: (objects) => [...mixerProblems(objects), ...proxyProblems(objects, mostProxyThreads)],
        world: followWorld(registry),
        receipts: createReceipts(pilot),
      }),
      registry: createRegistrySource(registry),
      proxies,
      certificates: createCertificateSource(citadel, registry),
      telemetry: telemetry.queries,
    };
    const staticDir =
      options.consoleDir !== undefined && existsSync(options.consoleDir) ? options.consoleDir : undefined;
    const api = await createConsoleApi({
      sources,
      token: start.apiToken,
      ...deps,
      ...(staticDir === undefined ? {} : { staticDir }),
    });
    lifecycle.defer('console API', () => api.close());
    actual.console = (
      await api.listen({
        host: HOST,
        port: options.consolePort,
        ...(options.consoleFd === undefined ? {} : { fd: options.consoleFd }),
      })
    ).port;
    await api.listenUnix(dir.apiSocket);

    const monitoring = await serveMonitoring({
      host: HOST,
      port: options.monitoringPort,
      ...(options.monitoringFd === undefined ? {} : { fd: options.monitoringFd }),
      metrics: async () => [pilot.metrics(), citadel.metricsText(), await telemetry.metricsPage()].join('\n'),
      bearer: createBearerCheck(deps.clock, start.apiToken, DEFAULT_OPTIONS.maxWrongTokens),
      waitingFor: () => (pilot.ready() ? [] : ['configuration and the local registry']),
      debug: {
        syncz: () => pilot.debug.syncz(),
        configz: () => pilot.debug.configz(),
        registryz: () => pilot.debug.registryz(),
      },
    });
    lifecycle.defer('monitoring', () => monitoring.close());
    actual.monitoring = monitoring.port;
    return {
      ready: {
        type: 'ready',
        rootCaPem: citadel.rootBundlePem(),
        ports: { xds: xdsPort, ca: caPort, console: actual.console, monitoring: monitoring.port },
      },
      close: () => lifecycle.close(),
    };
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

/** Tells the parent, who starts the proxies, at once and whenever something changed. @returns what stops it. */
function followProxySettings(store: DirectoryStore, tell: (message: ChildMessage) => void): () => void {
  let told: ProxySettings | undefined;
  const follow = (): void => {
    const settings = proxySettingsOf(store.list(), DEFAULT_MESH_OPTIONS.rootNamespace);
    if (isDeepStrictEqual(settings, told)) return;
    told = settings;
    tell({ type: 'proxy-settings', settings });
  };
  follow();
  return store.subscribe(follow);
}

/** A large file must not keep proxies waiting; from sources, where the thread's program is not built, it is read here. */
function openConfigText(clock: Clock): TextThread {
  const program = new URL('./config-text.js', import.meta.url);
  return existsSync(fileURLToPath(program))
    ? createTextThread({ program, clock })
    : { ...textHere(), close: () => Promise.resolve() };
}
