// Joins the parts of a proxy process: what the parent says, what the control plane says, and the data path between them.
import { controlPlaneId, type ParentMessage, parseSpiffeId } from '@weft/contracts';
import { type Clock, errorMessage, type Lifecycle, type Logger, type Random, type Timer, WeftError } from '@weft/kit';
import { createAdsClient, createGrpcAdsTransport, type ChannelTarget } from '@weft/xds';
import { createAccessLogs } from './access-log/access-logs.ts';
import { startAdminServer } from './admin/admin-server.ts';
import { certsJson } from './admin/certs.ts';
import type { ConfigDumpInput } from './admin/config-dump.ts';
import { adminPages } from './admin/pages.ts';
import { judge, type Readiness } from './admin/readiness.ts';
import { createDiscovery } from './discovery/discovery.ts';
import { EMPTY_BOOK, resourceSetOf } from './discovery/resource-book.ts';
import { type ProxyOptions, readLevel } from './options.ts';
import type { DataPath } from './ports.ts';
import { createProxy } from './proxy.ts';
import { grpcReportStream } from './reporting/grpc-report-stream.ts';
import { createReporter } from './reporting/reporter.ts';
import { createSavedConfig } from './saved-config/saved-config.ts';
import { openParentChannel, openParentSocket, type ParentChannel } from './secrets/parent-channel.ts';
import { createSecretStore } from './secrets/secret-store.ts';
import { createPeerExchange } from './stats/peer-exchange.ts';
import { createStats, type NamedStat } from './stats/stats.ts';
import { workloadOfMetadata } from './stats/workload-labels.ts';
import { createTracer } from './tracing/tracer.ts';

export interface ProxyProcessDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  /** Loads the code of `/config_dump` when it is first asked for. */
  readonly loadConfigDump: () => Promise<{ configDump(input: ConfigDumpInput, query: URLSearchParams): string }>;
  /** Called when the process is to end: drained, or its parent is gone. */
  readonly onEnd: (why: string) => void;
  readonly version: string;
}

export interface ProxyProcess {
  /** Lets requests finish, then closes. Later calls wait for the same end. */
  drain(ms: number): Promise<void>;
}

const CHECK_READY_EVERY_MS = 250;

export async function startProxyProcess(options: ProxyOptions, deps: ProxyProcessDeps): Promise<ProxyProcess> {
  const { clock, random, logger, lifecycle } = deps;
  const startedAt = clock.now();
  const self = workloadOfMetadata(options.metadata);
  const stats = createStats(self);
  const secrets = createSecretStore();
  let xdsAddress = options.xdsAddress;
  let adminToken: string | undefined;
  let draining: Promise<void> | undefined;

  /** How to reach the control plane now. @throws while something for it is missing. */
  const controlPlane = (): ChannelTarget => {
    const { identity } = secrets;
    if (xdsAddress === undefined) {
      throw new WeftError('WEFT_NO_CONTROL_PLANE', 'the address of the control plane is not known yet');
    }
    if (identity === undefined) throw new WeftError('WEFT_NO_IDENTITY', 'the parent has sent no certificate yet');
    return {
      address: xdsAddress,
      rootsPem: identity.rootCaPem,
      serverId: controlPlaneId(parseSpiffeId(identity.spiffeId)?.trustDomain),
      own: { certChainPem: identity.certChainPem, privateKeyPem: identity.privateKeyPem },
    };
  };

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
  const accessLogs = createAccessLogs({ clock, logger, onRecord: (record) => reporter.log(record) });
  lifecycle.defer('access logs', () => accessLogs.close());
  const dataPath: DataPath = createProxy({
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
    logger,
  });
  lifecycle.defer('data path', () => dataPath.close());

  const unknownFields = stats.counter('server.dynamic_unknown_fields');
  const discovery = createDiscovery({
    createClient: (handlers, held) =>
      createAdsClient({
        transport: createGrpcAdsTransport(controlPlane),
        node: { id: options.nodeId, metadata: options.metadata, userAgentVersion: deps.version },
        handlers,
        clock,
        random,
        logger,
        held,
      }),
    apply: (resources) => dataPath.update(resources),
    saved: createSavedConfig({ dir: options.saveDir, nodeId: options.nodeId, clock, logger }),
    clock,
    logger,
    onUnknownFields: (count) => stats.add(unknownFields, count),
    refuseUnknownFields: options.refuseUnknownFields,
  });
  lifecycle.defer('discovery', () => discovery.close());

  const readiness = (): Readiness => {
    const state = discovery.state();
    return judge({
      draining: draining !== undefined,
      hasIdentity: secrets.identity !== undefined,
      identityExpiresAt: secrets.identity?.expiresAt,
      now: clock.now(),
      configuration: discovery.waitingFor(),
      source: state.source,
      savedAt: state.savedAt,
      connected: state.client?.connected ?? false,
      lastError: state.client?.lastError,
      listeners: dataPath.listeners(),
    });
  };

  const drain = (ms: number): Promise<void> => {
    draining ??= (async () => {
      logger.info({ ms }, 'draining');
      const cutConnections = await dataPath.drain(clock.now() + ms);
      parent?.send({ type: 'drained', cutConnections });
      deps.onEnd('drained');
    })();
    return draining;
  };

  const begin = (): void => {
    reporter.start();
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
        void drain(message.deadlineMs);
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

  if (options.admin !== undefined) {
    const admin = await startAdminServer({
      ...options.admin,
      token: () => adminToken,
      logger,
      pages: adminPages({
        stats,
        readings: () => readings(),
        dataPath,
        readiness,
        configDump: async (query) =>
          (await deps.loadConfigDump()).configDump(
            {
              book: discovery.book(),
              nodeId: options.nodeId,
              metadata: options.metadata,
              secrets: publicSecrets(secrets),
            },
            query,
          ),
        certs: () => certsJson(secrets.identity, clock.now()),
        serverInfo: () => ({
          version: `weft/${deps.version}`,
          state: stateOf(readiness()),
          uptime_current_epoch: `${Math.floor((clock.now() - startedAt) / 1000)}s`,
          node: { id: options.nodeId, metadata: options.metadata },
          command_line_options: { concurrency: 1, log_level: logger.level() },
        }),
        logger,
        drain: (ms) => void drain(ms),
      }),
    });
    lifecycle.defer('admin', () => admin.close());
    logger.info({ address: admin.address }, 'admin page serves');
  }

  const readings = (): NamedStat[] => {
    const gauge = (name: string, value: number): NamedStat => ({ name, kind: 'gauge', value });
    const counter = (name: string, value: number): NamedStat => ({ name, kind: 'counter', value });
    const memory = process.memoryUsage();
    const clusters = dataPath.clusters().flatMap(({ name, hosts }) => {
      const sum = (of: (host: (typeof hosts)[number]) => number): number =>
        hosts.reduce((total, host) => total + of(host), 0);
      return [
        gauge(`cluster.${name}.membership_total`, hosts.length),
        gauge(`cluster.${name}.membership_healthy`, hosts.filter(({ healthy }) => healthy).length),
        gauge(
          `cluster.${name}.upstream_cx_active`,
          sum((host) => host.activeConnections),
        ),
        gauge(
          `cluster.${name}.upstream_rq_active`,
          sum((host) => host.activeRequests),
        ),
        counter(
          `cluster.${name}.upstream_cx_connect_fail`,
          sum((host) => host.connectFailures),
        ),
      ];
    });
    return [
      ...clusters,
      gauge(
        'listener_manager.total_listeners_active',
        dataPath.listeners().filter(({ state }) => state === 'active').length,
      ),
      gauge('server.live', stateOf(readiness()) === 'LIVE' ? 1 : 0),
      gauge('server.uptime', Math.floor((clock.now() - startedAt) / 1000)),
      gauge('server.concurrency', 1),
      gauge('server.memory_allocated', memory.rss),
      gauge('server.memory_heap_size', memory.heapTotal),
      gauge('server.total_connections', dataPath.activeConnections()),
      gauge('control_plane.connected_state', discovery.state().client?.connected === true ? 1 : 0),
      counter('weft.stats_overflow_total', stats.overflowed()),
      counter('weft.access_log_dropped_total', accessLogs.dropped()),
      counter('weft.report_dropped_spans_total', reporter.counters().droppedSpans),
      counter('weft.report_dropped_logs_total', reporter.counters().droppedLogs),
      gauge('weft.report_connected', reporter.counters().connected ? 1 : 0),
    ];
  };

  if (parent !== undefined) lifecycle.defer('readiness', reportReadiness(parent, readiness, clock));
  // Without an identity there is nobody to talk to: the first secret begins it.
  if (parent === undefined) begin();
  return { drain };
}

const stateOf = ({ draining, waitingFor }: Readiness): 'LIVE' | 'DRAINING' | 'INITIALIZING' =>
  draining ? 'DRAINING' : waitingFor.length === 0 ? 'LIVE' : 'INITIALIZING';

/** Tells the parent each time the answer changes. @returns what stops it. */
function reportReadiness(parent: ParentChannel, readiness: () => Readiness, clock: Clock): () => void {
  let told: string | undefined;
  let timer: Timer;
  const check = (): void => {
    const { waitingFor } = readiness();
    const now = JSON.stringify(waitingFor);
    if (now !== told) {
      told = now;
      parent.send(waitingFor.length === 0 ? { type: 'ready' } : { type: 'waiting', for: waitingFor });
    }
    timer = clock.after(CHECK_READY_EVERY_MS, check);
  };
  check();
  return () => timer.cancel();
}

function setLevel(logger: Logger, level: string): void {
  try {
    logger.setLevel(readLevel(level));
  } catch (error) {
    logger.warn({ error: errorMessage(error) }, 'log level was not changed');
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function publicSecrets(store: {
  get(name: string): { readonly certificateChain?: string; readonly trustedCa?: string } | undefined;
}) {
  return ['default', 'ROOTCA'].flatMap((name) => {
    const secret = store.get(name);
    if (secret === undefined) return [];
    const { certificateChain, trustedCa } = secret;
    return [
      {
        name,
        ...(certificateChain === undefined ? {} : { certificateChain }),
        ...(trustedCa === undefined ? {} : { trustedCa }),
      },
    ];
  });
}
