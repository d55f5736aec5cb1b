import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import { ConfigRejectedError, createRegexEngine } from '@weft/evaluator';
import { type Clock, errorMessage, type Logger, type Random } from '@weft/kit';
import { NO_ROUTES, type HcmRoutes } from './filters/http/hcm-settings.ts';
import type { FilterDeps } from './filters/http/http-filter.ts';
import { TokenBuckets } from './filters/http/local-rate-limit/token-bucket.ts';
import { Mirrors } from './filters/http/mirror/mirrors.ts';
import { H2Counters } from './http2/connection/counters.ts';
import { WriteTurn } from './http2/frames/write-turn.ts';
import { FieldTable } from './http2/hpack/field-table.ts';
import { InheritedSockets } from './listeners/inherited-sockets.ts';
import { LiveListener, type LiveListenerDeps } from './listeners/live-listener.ts';
import type {
  AccessLogs,
  ClusterStatus,
  DataPath,
  InheritedFds,
  ListenerStatus,
  PeerExchange,
  RejectedResource,
  ResourceSet,
  SecretSource,
  StatsSink,
  Tracer,
} from './ports.ts';
import type { CompiledHcm, ListenerDeps } from './runtime/http-connection-manager.ts';
import type { CompiledListener } from './runtime/listeners.ts';
import { createRuntime } from './runtime/runtime.ts';
import { buildChains, compileTable, type Table } from './runtime/routes.ts';
import { createReadBuffer } from './sockets/byte-reader.ts';
import type { OpenMarked, TellOriginalDestination } from './sockets/native-sockets.ts';
import { TimerQueue } from './timers/timer-queue.ts';
import { watchSecrets } from './tls/tls-material.ts';
import { ClusterSet } from './upstream/cluster-set.ts';

export interface ProxyOptions {
  readonly resources: ResourceSet;
  readonly secrets: SecretSource;
  readonly stats: StatsSink;
  readonly accessLogs?: AccessLogs;
  readonly tracer?: Tracer;
  readonly peers?: PeerExchange;
  readonly clock: Clock;
  readonly random: Random;
  readonly inheritedFds?: InheritedFds;
  readonly logger: Logger;
  /** "region/zone/subzone" where this proxy runs; default: not known. */
  readonly locality?: string;
  /** Client connections of the whole proxy. Default 10 000. */
  readonly maxConnections?: number;
  /** Default: everywhere. */
  readonly hasAddress?: (address: string) => boolean;
  /** Called once, when a listener wants original destinations; without it such a listener is refused. @throws {WeftError} where they can not be told. */
  readonly loadOriginalDestinations?: () => TellOriginalDestination;
  /** Makes the sockets of connections to upstreams. Default: Node does. */
  readonly openMarked?: OpenMarked;
}

const DEFAULT_MAX_CONNECTIONS = 10_000;
const DRAIN_POLL_MS = 50;
const ANY_ADDRESS = '0.0.0.0';
// Of a listener that was removed or moved; Istio's drain time.
const DRAIN_MS = 45_000;
const KEEP_IDLE_MS = 5_000;

/** The data path: listeners, filters, upstreams, all from one set of resources that can be replaced at any time. */
export function createProxy(options: ProxyOptions): DataPath {
  const { clock, random, logger, stats } = options;
  const timers = new TimerQueue(clock);
  const regex = createRegexEngine();
  const readBuffer = createReadBuffer();
  const secrets = watchSecrets(options.secrets, () => {
    for (const listener of listeners.values()) listener.refreshSecrets();
  });
  const hasAddress = options.hasAddress ?? (() => true);
  const isOwnListener = (address: string, port: number): boolean =>
    [...listeners.values()].some(
      ({ compiled }) =>
        compiled.bind &&
        compiled.port === port &&
        (compiled.address === address || (compiled.address === ANY_ADDRESS && hasAddress(address))),
    );
  const http2 = { known: new FieldTable(), turn: new WriteTurn(), timers, random };
  const clusters = new ClusterSet({
    timers,
    random,
    readBuffer,
    stats,
    http2,
    locality: options.locality ?? '',
    logger,
    openMarked: options.openMarked,
    isOwnListener,
  });
  let tellOriginal: TellOriginalDestination | undefined;
  const filterDeps: FilterDeps = { clock, timers, random, regex, stats, buckets: new TokenBuckets() };
  const listenerDeps: ListenerDeps = {
    ...filterDeps,
    accessLogs: options.accessLogs,
    hasAddress,
    needOriginalDestinations(resource) {
      try {
        tellOriginal ??= options.loadOriginalDestinations?.();
      } catch (error) {
        throw new ConfigRejectedError(resource, `original destinations: ${errorMessage(error)}`);
      }
      if (tellOriginal === undefined)
        throw new ConfigRejectedError(resource, 'original destinations can not be told here');
    },
  };
  const runtime = createRuntime({ filters: filterDeps, listeners: listenerDeps, clusters: { secrets, regex } });
  const inherited = new InheritedSockets(options.inheritedFds ?? new Map());
  const listeners = new Map<string, LiveListener>();
  let byAddress: ReadonlyMap<string, LiveListener> = new Map();
  /** Removed or replaced, with connections left. */
  const leaving = new Set<LiveListener>();
  const total = { connections: 0 };
  let tables: ReadonlyMap<string, Table> = new Map();
  let draining = false;

  /** What filters remember of a route lives as long as its message. */
  const inlineTables = new WeakMap<RouteConfiguration, Table>();
  const inlineTable = (message: RouteConfiguration): Table => {
    const known = inlineTables.get(message) ?? compileTable(message, filterDeps);
    inlineTables.set(message, known);
    return known;
  };
  const routesOf = (hcm: CompiledHcm): HcmRoutes => {
    const deps = { ...filterDeps, statPrefix: hcm.settings.statPrefix };
    if (hcm.inlineRoutes !== undefined) return buildChains(inlineTable(hcm.inlineRoutes), hcm.filters, deps);
    const table = hcm.rdsName === undefined ? undefined : tables.get(hcm.rdsName);
    return table === undefined
      ? { ...NO_ROUTES, unroutedChain: buildChains(undefined, hcm.filters, deps).unroutedChain }
      : buildChains(table, hcm.filters, deps);
  };
  const liveDeps: LiveListenerDeps = {
    timers,
    random,
    regex,
    stats,
    tracer: options.tracer,
    peers: options.peers,
    clusters: clusters.live,
    mirrors: new Mirrors({ clusters: clusters.live, timers, random, stats, peers: options.peers }),
    secrets,
    readBuffer,
    http2,
    http2Counters: new H2Counters(stats, 'http2.'),
    routesOf,
    logger,
    total,
    maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
    originalOf: (socket) => tellOriginal?.(socket),
    listenerAt: (address, port) => byAddress.get(`${address}:${port}`) ?? byAddress.get(`${ANY_ADDRESS}:${port}`),
  };

  /** Idle connections stay for a while, since their client may be about to write; then requests may still finish. */
  const retire = (listener: LiveListener): void => {
    listener.drain();
    if (listener.connections === 0) return;
    leaving.add(listener);
    clock.after(KEEP_IDLE_MS, () => listener.closeIdle());
    clock.after(DRAIN_MS, () => {
      listener.close();
      leaving.delete(listener);
    });
  };

  const applyListeners = (compiled: ReadonlyMap<string, CompiledListener>): void => {
    for (const [name, listener] of listeners) {
      const next = compiled.get(name);
      if (next !== undefined && sameAddress(next, listener.compiled)) continue;
      listeners.delete(name);
      retire(listener);
    }
    for (const [name, next] of compiled) {
      const listener = listeners.get(name);
      if (listener === undefined) {
        const made = new LiveListener(next, liveDeps);
        listeners.set(name, made);
        made.listen(inherited.get(`${next.address}:${next.port}`));
      } else if (listener.compiled === next) listener.refreshRoutes();
      else listener.update(next);
    }
    byAddress = new Map(
      [...listeners.values()].map((listener) => [`${listener.compiled.address}:${listener.compiled.port}`, listener]),
    );
    for (const listener of leaving) if (listener.connections === 0) leaving.delete(listener);
  };

  const update = (resources: ResourceSet): readonly RejectedResource[] => {
    const compiled = runtime.compile(resources);
    tables = compiled.tables;
    clusters.apply(compiled.clusters, compiled.endpoints);
    if (!draining) applyListeners(compiled.listeners);
    clusters.removeUnused();
    for (const { type, name, reason } of compiled.rejected) logger.warn({ type, name, reason }, 'resource refused');
    return compiled.rejected;
  };

  const everyListener = (): LiveListener[] => [...listeners.values(), ...leaving];
  const activeConnections = (): number => everyListener().reduce((sum, listener) => sum + listener.connections, 0);

  update(options.resources);
  return {
    update,
    activeConnections,
    armedTimers: () => timers.size,
    listeners: (): ListenerStatus[] => everyListener().map((listener) => ({ name: listener.name, ...listener.state })),
    clusters: (): ClusterStatus[] => clusters.status(),
    async drain(deadlineMs) {
      draining = true;
      for (const listener of everyListener()) listener.drain();
      inherited.close();
      // Idle connections are kept until used or until the deadline: a client may be about to write.
      while (activeConnections() > 0 && clock.now() < deadlineMs) {
        await new Promise<void>((resolve) => clock.after(DRAIN_POLL_MS, resolve));
      }
      for (const listener of everyListener()) listener.closeIdle();
      const cut = activeConnections();
      for (const listener of everyListener()) listener.close();
      return cut;
    },
    async close() {
      draining = true;
      for (const listener of everyListener()) listener.close();
      inherited.close();
      clusters.close();
      secrets.close();
      timers.close();
      await Promise.resolve();
    },
  };
}

const sameAddress = (a: CompiledListener, b: CompiledListener): boolean =>
  a.address === b.address && a.port === b.port && a.bind === b.bind;
