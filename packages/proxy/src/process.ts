// Joins the parts of a proxy process: what the parent says, what the control plane says, and the data path between them.
import { localityName, parseNodeId, type ParentMessage } from '@weft/contracts';
import { type Clock, errorMessage, type Lifecycle, type Logger, type Random } from '@weft/kit';
import { createRegexEngine } from '@weft/evaluator';
import { createAdsClient, createGrpcAdsTransport } from '@weft/xds';
import { createAccessLogs } from './access-log/access-logs.ts';
import { type AdminServer, startAdminServer } from './admin/admin-server.ts';
import { certsJson } from './admin/certs.ts';
import type { ConfigDumpInput } from './admin/config-dump.ts';
import { createProfiler, threadProfilers } from './admin/profiles.ts';
import { adminPages, type ListenerDrain } from './admin/pages.ts';
import { judge, type Readiness, reportReadiness, stateOf } from './admin/readiness.ts';
import { readingsOf } from './admin/readings.ts';
import { createDiscovery } from './discovery/discovery.ts';
import { EMPTY_BOOK, resourceSetOf } from './discovery/resource-book.ts';
import { createDnsProxy, type DnsProxyDeps } from './dns/dns-proxy.ts';
import { createCollector } from './overload/collector.ts';
import { startOverloadMonitor } from './overload/overload-monitor.ts';
import { descriptorLimit, descriptorsLeft } from './overload/descriptors.ts';
import { readMemory, systemMemoryLimit } from './overload/process-memory.ts';
import { heapsOf, tellWorkers, withWorkers } from './overload/shared-overload.ts';
import { type ProxyOptions, readLevel } from './options.ts';
import type { DataPath } from './ports.ts';
import { createProxy } from './proxy.ts';
import { machineHasAddress } from './sockets/machine-addresses.ts';
import { loadSocketCalls, markedSockets, originalDestinations } from './sockets/native-sockets.ts';
import { grpcReportStream } from './reporting/grpc-report-stream.ts';
import { createReporter } from './reporting/reporter.ts';
import { createSavedConfig } from './saved-config/saved-config.ts';
import { openParentChannel, openParentSocket, type ParentChannel } from './secrets/parent-channel.ts';
import { createControlPlaneTarget, watchToken } from './secrets/control-plane-target.ts';
import { watchSecretFiles } from './secrets/secret-files.ts';
import { createSecretIntake } from './secrets/secret-intake.ts';
import { createSecretStore } from './secrets/secret-store.ts';
import { createPeerExchange } from './stats/peer-exchange.ts';
import { mergeStats } from './stats/merged-stats.ts';
import { createStats } from './stats/stats.ts';
import { localityOfMetadata, workloadOfMetadata } from './stats/workload-labels.ts';
import { createTracer } from './tracing/tracer.ts';
import { startWorkers } from './workers/start-workers.ts';
import { reserveProcessMemory } from './workers/worker-memory.ts';

// Who can not trust its own state, or has lost a worker, should not go on for long: its parent waits to start another.
const FAILED_DRAIN_MS = 1_000;
// When a longer drain is under way already.
const FAILED_END_MS = 5_000;

export interface ProxyProcessDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  /** Loads the code of `/config_dump` when it is first asked for. */
  readonly loadConfigDump: () => Promise<{ configDump(input: ConfigDumpInput, query: URLSearchParams): string }>;
  /** Called when the process is to end: drained, or its parent is gone. */
  readonly onEnd: (why: string, failed?: boolean) => void;
  /** What the thread of a worker runs. */
  readonly workerProgram: URL;
  readonly version: string;
  /** Of the machine, and its environment, for the access log. */
  readonly hostname: string;
  readonly environment: (name: string) => string | undefined;
}

export interface ProxyProcess {
  /** Lets requests finish, then closes. Later calls wait for the same end. */
  drain(ms: number): Promise<void>;
  /** Something happened that nobody expected: counts it, and lets what is under way finish, if that is soon. */
  fail(): void;
  /** Opens access logs by their names again. */
  reopenLogs(): void;
}

export async function startProxyProcess(options: ProxyOptions, deps: ProxyProcessDeps): Promise<ProxyProcess> {
  const { clock, random, lifecycle } = deps;
  const startedAt = clock.now();
  const self = workloadOfMetadata(options.metadata);
  const locality = localityOfMetadata(options.metadata);
  const secrets = createSecretStore();
  const memory = options.concurrency > 1 ? reserveProcessMemory(options.concurrency) : undefined;
  const ownStats = createStats(self, { ownPrincipal: () => secrets.identity?.spiffeId ?? '' });
  const stats = memory === undefined ? ownStats : mergeStats(ownStats, memory.stats);
  const logger: Logger = {
    ...deps.logger,
    setLevel(level) {
      deps.logger.setLevel(level);
      workers?.setLogLevel(level);
    },
  };
  let xdsAddress = options.xdsAddress;
  let adminToken: string | undefined;
  if (options.adminTokenFile !== undefined) {
    const watched = await watchToken(options.adminTokenFile, {
      clock,
      logger,
      onToken: (token) => (adminToken = token),
    });
    lifecycle.defer('admin token', () => watched.close());
  }
  let draining: Promise<void> | undefined;
  let listenersDrain = false;
  let failed = false;
  let admin: AdminServer | undefined;
  const predecessorCut = stats.counter('server.predecessor_cut_connections');
  const unexpected = stats.counter('server.unexpected_errors');

  const target = await createControlPlaneTarget({ options, address: () => xdsAddress, secrets, clock, logger });
  lifecycle.defer('control plane', () => target.close());
  const controlPlane = target.now;

  const reporter = createReporter({
    open: grpcReportStream(controlPlane),
    stats,
    nodeId: options.nodeId,
    self,
    clock,
    random,
    logger,
  });
  lifecycle.defer('reporting', () => reporter.close());
  const accessLogs = createAccessLogs({
    clock,
    logger,
    random,
    regex: createRegexEngine(),
    hostname: deps.hostname,
    environment: deps.environment,
    onRecord: (record) => reporter.log(record),
  });
  lifecycle.defer('access logs', () => accessLogs.close());
  const overload = startOverloadMonitor({
    read: memory === undefined ? readMemory : withWorkers(readMemory, memory.overload),
    ...(memory === undefined ? {} : { onState: tellWorkers(memory.overload) }),
    limits: { maxBytes: options.maxMemoryBytes, systemBytes: systemMemoryLimit() },
    relieve: (bytes) => dataPath.relieve(bytes),
    collect: createCollector(clock),
    stats,
    clock,
    logger,
  });
  lifecycle.defer('overload', () => overload.close());
  const descriptors = descriptorLimit() ?? Infinity;
  const openMarked =
    options.socketMark === undefined ? undefined : markedSockets(loadSocketCalls(), options.socketMark);
  const maxConnections = options.maxConnections ?? defaultConnections();
  const maxDescriptor = descriptors - Math.min(DESCRIPTORS_KEPT, descriptors / 4);
  const workers =
    memory === undefined
      ? undefined
      : startWorkers({
          program: deps.workerProgram,
          options,
          maxConnections,
          maxDescriptor,
          hostname: deps.hostname,
          memory,
          secrets,
          stats,
          accessLogs,
          reporter,
          onFailed: () => fail(),
          clock,
          random,
          logger,
        });
  const createOwn = (): DataPath =>
    createProxy({
      resources: resourceSetOf(EMPTY_BOOK),
      secrets,
      stats,
      accessLogs,
      tracer: createTracer({
        random,
        nodeId: options.nodeId,
        meshId: textOf(options.metadata['MESH_ID']),
        self,
        onSpan: (span) => reporter.span(span),
      }),
      peers: createPeerExchange(options.nodeId, self),
      clock,
      random,
      inheritedFds: options.inherited,
      held: options.replaces,
      maxConnections,
      maxWaitingHandshakes: options.maxWaitingHandshakes,
      overload,
      descriptors: { max: maxDescriptor, left: descriptorsLeft },
      drainMs: options.drainTimeMs,
      hasAddress: machineHasAddress,
      locality: locality.region === '' ? '' : localityName(locality),
      // What it loads is heavy, and few listeners want it.
      loadOriginalDestinations: () => originalDestinations(loadSocketCalls()),
      ...(openMarked === undefined ? {} : { openMarked }),
      logger,
    });
  const dataPath: DataPath = workers ?? createOwn();
  lifecycle.defer('data path', () => dataPath.close());

  const node = parseNodeId(options.nodeId);
  const dns =
    options.dns === undefined
      ? undefined
      : createDnsProxy({
          ...options.dns,
          ...dnsDescriptors(options),
          namespace: node?.namespace ?? '',
          clusterDomain: clusterDomainOf(node?.domain),
          openMarked,
          stats,
          clock,
          random,
          logger,
        });
  if (dns !== undefined) lifecycle.defer('dns', () => dns.close());

  const unknownFields = stats.counter('server.dynamic_unknown_fields');
  const intake = createSecretIntake({
    store: secrets,
    folders: options.secretFolders,
    systemRoots: options.systemRoots,
    clock,
    logger,
  });
  lifecycle.defer('named secrets', () => intake.close());
  const discovery = createDiscovery({
    createClient: (handlers, held) =>
      createAdsClient({
        transport: createGrpcAdsTransport(controlPlane),
        node: {
          id: options.nodeId,
          metadata: options.metadata,
          userAgentVersion: deps.version,
          ...(locality.region === '' ? {} : { locality }),
        },
        handlers,
        clock,
        random,
        logger,
        held,
      }),
    apply: (resources, bytesOf) => dataPath.update(resources, bytesOf),
    ...(dns === undefined ? {} : { applyNames: (tables) => dns.setNames(tables) }),
    secrets: intake,
    saved: createSavedConfig({ dir: options.saveDir, nodeId: options.nodeId, clock, logger }),
    clock,
    logger,
    onUnknownFields: (count) => stats.add(unknownFields, count),
    refuseUnknownFields: options.refuseUnknownFields,
  });
  lifecycle.defer('discovery', () => discovery.close());

  const withoutCertificate = options.xdsPlaintext || options.xdsServer?.tokenFile !== undefined;
  const needsIdentity = !withoutCertificate || options.parentFd !== undefined || options.secretsDir !== undefined;

  /** Whether it has taken its sockets; until then the process before it serves. */
  let serving: 'held' | 'beginning' | 'serving' = 'held';
  /** `/healthcheck/fail` was asked for. */
  let healthCheckFails = false;
  const readiness = (): Readiness => {
    const state = discovery.state();
    return judge({
      draining: draining !== undefined || listenersDrain || healthCheckFails,
      hasIdentity: secrets.identity !== undefined || !needsIdentity,
      identityExpiresAt: secrets.identity?.expiresAt,
      now: clock.now(),
      configuration: [...discovery.waitingFor(), ...(healthCheckFails ? ['POST /healthcheck/ok'] : [])],
      source: state.source,
      savedAt: state.savedAt,
      connected: state.client?.connected ?? false,
      lastError: state.client?.lastError,
      listeners: serving === 'held' ? [] : dataPath.listeners(),
    });
  };

  const fail = (): void => {
    failed = true;
    stats.add(unexpected, 1);
    void drain(FAILED_DRAIN_MS);
    clock.after(FAILED_END_MS, () => deps.onEnd('it failed', true));
  };

  const drain = (ms: number, replaced = false): Promise<void> => {
    draining ??= (async () => {
      logger.info({ ms, replaced }, 'draining');
      // Who asks there from now on, asks the other process.
      if (replaced) await Promise.all([admin?.close(), dns?.close()]);
      const cutConnections = await dataPath.drain(clock.now() + ms);
      logger.info({ cutConnections }, 'drained');
      parent?.send({ type: 'drained', cutConnections });
      deps.onEnd('drained', failed);
    })();
    return draining;
  };

  const drainListeners = ({ inboundOnly, graceful, stops }: ListenerDrain): void => {
    const ms = options.drainTimeMs;
    logger.info({ inboundOnly, graceful, stops, ms }, 'draining listeners');
    listenersDrain = true;
    dataPath.drainListeners({ inboundOnly, graceful, stops, ms });
  };

  const begin = (): void => {
    // Another mesh's control plane has no use for Weft's reports; its own tools read the admin page.
    if (!options.xdsPlaintext && options.xdsServer === undefined) reporter.start();
    void discovery.start();
  };

  const onParent = (message: ParentMessage): void => {
    switch (message.type) {
      case 'secrets': {
        const first = secrets.identity === undefined;
        secrets.replace(message.default, message.rootCaPem);
        // A renewed certificate is used by the next connection; the present one stays good until it ends.
        if (first) begin();
        return;
      }
      case 'admin-token':
        adminToken = message.token;
        return;
      case 'xds-address':
        if (message.address === xdsAddress) return;
        xdsAddress = message.address;
        discovery.reconnect();
        return;
      case 'drain':
        void drain(message.deadlineMs, message.replaced);
        return;
      case 'tell-sockets':
        parent?.send({ type: 'sockets', sockets: dataPath.sockets() });
        return;
      case 'predecessor-ended':
        stats.add(predecessorCut, message.cutConnections);
        return;
      case 'log-level':
        setLevel(logger, message.level);
        return;
      case 'control-plane-start':
        logger.warn({}, 'the parent takes this process for a control plane');
    }
  };
  const parent: ParentChannel | undefined =
    options.parentFd === undefined
      ? undefined
      : openParentChannel(openParentSocket(options.parentFd), {
          onMessage: onParent,
          onClose: (reason) => deps.onEnd(`the parent is gone: ${reason}`),
        });
  if (parent !== undefined) lifecycle.defer('parent channel', () => parent.close());

  const openAdmin = async (): Promise<void> => {
    if (options.admin === undefined) return;
    const { host, port } = options.admin;
    const fd = options.inherited.get(`${host}:${port}`);
    const opened = await startAdminServer({
      host,
      port,
      ...(fd === undefined ? {} : { fd }),
      token: () => adminToken,
      logger,
      pages: adminPages({
        stats,
        readings: () =>
          readingsOf({
            live: stateOf(readiness()) === 'LIVE',
            uptimeMs: clock.now() - startedAt,
            connected: discovery.state().client?.connected ?? false,
            dataPath,
            stats,
            concurrency: options.concurrency,
            accessLogDropped: accessLogs.dropped() + (workers?.lostLines() ?? 0),
            unsharedLimits: workers?.unsharedLimits() ?? 0,
            reports: reporter.counters(),
          }),
        dataPath,
        readiness,
        configDump: async (query) =>
          (await deps.loadConfigDump()).configDump(
            {
              book: discovery.book(),
              nodeId: options.nodeId,
              metadata: options.metadata,
              secrets: secrets.publicParts(),
            },
            query,
          ),
        certs: () => certsJson(secrets.publicParts(), clock.now()),
        serverInfo: () => ({
          version: `weft/${deps.version}`,
          state: stateOf(readiness()),
          hot_restart_version: 'disabled',
          uptime_current_epoch: `${Math.floor((clock.now() - startedAt) / 1000)}s`,
          uptime_all_epochs: `${Math.floor((clock.now() - startedAt) / 1000)}s`,
          node: { id: options.nodeId, metadata: options.metadata },
          command_line_options: { concurrency: options.concurrency, log_level: logger.level() },
        }),
        logger,
        workerHeaps: () => (memory === undefined ? [] : heapsOf(memory.overload)),
        failHealthCheck: (fails) => {
          logger.info({ fails }, 'health check by the admin page');
          healthCheckFails = fails;
        },
        quit: () => void drain(0),
        reopenLogs: () => accessLogs.reopen(),
        profilers: threadProfilers(
          createProfiler((ms) => new Promise((resolve) => void clock.after(ms, resolve))),
          memory?.workers ?? 0,
          (worker, kind, ms) => workers?.profile(worker, kind, ms) ?? Promise.reject(new Error('there are no workers')),
        ),
        drain: (ms) => void drain(ms),
        drainListeners,
      }),
    });
    admin = opened;
    lifecycle.defer('admin', () => opened.close());
    logger.info({ address: opened.address }, 'admin page serves');
  };
  const serve = async (): Promise<void> => {
    serving = 'beginning';
    if (dns !== undefined) logger.info({ address: await dns.listen() }, 'DNS is answered');
    await openAdmin();
    dataPath.serve();
    serving = 'serving';
  };
  /** The moment when it is ready but for its sockets is the moment to take them. */
  const takeOver = (): Readiness => {
    const now = readiness();
    if (serving === 'held' && now.waitingFor.length === 0) {
      logger.info({}, 'taking over from the process before');
      serve().catch((error: unknown) => deps.onEnd(`it can not take over: ${errorMessage(error)}`));
    }
    return serving === 'serving' ? now : { ...now, waitingFor: [...now.waitingFor, 'the sockets of its predecessor'] };
  };
  if (!options.replaces) await serve();

  if (parent !== undefined)
    lifecycle.defer(
      'readiness',
      reportReadiness((message) => parent.send(message), takeOver, clock),
    );
  if (options.secretsDir !== undefined) {
    const files = await watchSecretFiles(options.secretsDir, {
      clock,
      logger,
      onSecrets: ({ workload, rootCaPem }) => secrets.replace(workload, rootCaPem),
    });
    lifecycle.defer('secrets', () => files.close());
  }
  // Without an identity there is nobody to talk to: the first secret begins it.
  if (parent === undefined) begin();
  return { drain, fail, reopenLogs: () => void accessLogs.reopen() };
}

function setLevel(logger: Logger, level: string): void {
  try {
    logger.setLevel(readLevel(level));
  } catch (error) {
    logger.warn({ error: errorMessage(error) }, 'log level was not changed');
  }
}

/** Of the address where DNS is answered; a datagram socket alone would be of no use. */
function dnsDescriptors({ dns, inherited, inheritedDatagrams }: ProxyOptions): Pick<DnsProxyDeps, 'fds'> {
  const address = dns === undefined ? '' : `${dns.listen.host}:${dns.listen.port}`;
  const [datagrams, stream] = [inheritedDatagrams.get(address), inherited.get(address)];
  return datagrams === undefined || stream === undefined ? {} : { fds: { datagrams, stream } };
}

/** For connections to upstreams, files and the parent, when clients have taken all others. */
const DESCRIPTORS_KEPT = 128;

/** Each may need another connection, to its upstream. */
const defaultConnections = (): number => Math.min(10_000, Math.floor((descriptorLimit() ?? Infinity) / 2));

/** Of `default.svc.cluster.local`, as a node tells its domain. */
const clusterDomainOf = (domain = ''): string => /(?:^|\.)svc\.(.+)$/.exec(domain)?.[1] ?? 'cluster.local';

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
