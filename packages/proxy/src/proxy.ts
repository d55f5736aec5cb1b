import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import type { Clock, Logger, Random } from '@weft/kit';
import { NO_ROUTES, type HcmRoutes } from './filters/http/hcm-settings.ts';
import { Mirrors } from './filters/http/mirror/mirrors.ts';
import { ConnectionIds } from './http/connection-ids.ts';
import { H2Counters } from './http2/connection/counters.ts';
import { WriteTurn } from './http2/frames/write-turn.ts';
import { FieldTable } from './http2/hpack/field-table.ts';
import { InheritedSockets, type ListenerSockets } from './listeners/inherited-sockets.ts';
import { AcceptControl } from './listeners/accept-control.ts';
import { ConnectionGate } from './listeners/connection-gate.ts';
import { ListenerSet } from './listeners/listener-set.ts';
import { LiveListener, type LiveListenerDeps } from './listeners/live-listener.ts';
import { cutHeaviest } from './overload/heaviest.ts';
import { NOT_OVERLOADED, type OverloadState } from './overload/overload.ts';
import type {
  AccessLogs,
  ClusterStatus,
  DataPath,
  InheritedFds,
  PeerExchange,
  RejectedResource,
  ResourceSet,
  SecretSource,
  StatsSink,
  Tracer,
} from './ports.ts';
import { createCompiler } from './runtime/compiler.ts';
import type { CompiledHcm } from './runtime/http-connection-manager.ts';
import type { RuntimeConfig } from './runtime/runtime.ts';
import { buildChains, compileTable, type Table } from './runtime/routes.ts';
import { PRIVATE_CELLS, type SharedCells } from './shared/shared-cells.ts';
import { createReadBuffers } from './sockets/byte-reader.ts';
import { BufferPool } from './sockets/buffer-pool.ts';
import { WriteSlabs } from './sockets/write-slabs.ts';
import type { OpenMarked, TellOriginalDestination } from './sockets/native-sockets.ts';
import { peerStates, type TellPeerState } from './sockets/peer-state.ts';
import { TimerQueue } from './timers/timer-queue.ts';
import { HandshakeTurns } from './tls/handshake-turns.ts';
import { watchSecrets } from './tls/tls-material.ts';
import { ClusterSet } from './upstream/cluster-set.ts';
import { LOOKS_UP_ALONE, type NameAnswer, type NameSharing } from './upstream/dns.ts';
import { ALONE, type HostVerdict, type HostVerdicts } from './upstream/host-verdicts.ts';
import type { EjectionKind } from './upstream/outlier/outlier-settings.ts';

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
  /** Sockets that listeners take instead of making their own, where something else makes them. */
  readonly sockets?: ListenerSockets;
  readonly logger: Logger;
  /** "region/zone/subzone" where this proxy runs; default: not known. */
  readonly locality?: string;
  /** Client connections of the whole proxy. Default 10 000. */
  readonly maxConnections?: number;
  /** Clients whose TLS handshake has not begun yet, since others came before them. Default 1 024. */
  readonly maxWaitingHandshakes?: number;
  /** Default: never. */
  readonly overload?: OverloadState;
  /** No connection is let in on a descriptor of this number or above, and how to see whether some are free. Default: never. */
  readonly descriptors?: { readonly max: number; readonly left: (count: number) => boolean };
  /** Default: everywhere. */
  readonly hasAddress?: (address: string) => boolean;
  /** Called once, when a listener wants original destinations; without it such a listener is refused. @throws {WeftError} where they can not be told. */
  readonly loadOriginalDestinations?: () => TellOriginalDestination;
  /** How long connections of a listener that was removed may go on. Default 45 s. */
  readonly drainMs?: number;
  /** Nothing is accepted until `serve`. */
  readonly held?: boolean;
  /** Makes the sockets of connections to upstreams. Default: Node does. */
  readonly openMarked?: OpenMarked;
  /** Whether a client that nothing is read from is still there. Default: the system is asked, where it can be. */
  readonly peerState?: TellPeerState;
  /** Present where this is one of several workers. */
  readonly worker?: WorkerPart;
}

/** A data path in this thread, with what the workers of a process say to each other. */
export interface ProxyPath extends DataPath {
  /** Who leads has found something of a host. */
  follow(verdict: HostVerdict): void;
  /** A follower saw a host fail as often as it may. */
  suspected(cluster: string, host: string, kind: EjectionKind): void;
  /** Another worker has looked up a name. */
  learn(answer: NameAnswer): void;
}

/** What a worker has in common with the others. */
export interface WorkerPart {
  /** From 0. */
  readonly number: number;
  /** Where all count together. */
  readonly shared: SharedCells;
  /** The same for what each address has taken. */
  readonly addresses: SharedCells;
  readonly verdicts: HostVerdicts;
  readonly names: NameSharing;
}

const DEFAULT_MAX_CONNECTIONS = 10_000;
const DEFAULT_MAX_WAITING_HANDSHAKES = 1_024;
const ANY_ADDRESS = '0.0.0.0';
// Istio's.
const DEFAULT_DRAIN_MS = 45_000;

/** The data path: listeners, filters, upstreams, all from one set of resources that can be replaced at any time. */
export function createProxy(options: ProxyOptions): ProxyPath {
  const { clock, random, logger, stats, worker } = options;
  const shared = worker?.shared ?? PRIVATE_CELLS;
  const timers = new TimerQueue(clock);
  const readBuffers = createReadBuffers();
  const slabs = new WriteSlabs();
  const secrets = watchSecrets(options.secrets, () => {
    for (const listener of listeners.live()) listener.refreshSecrets();
  });
  const hasAddress = options.hasAddress ?? (() => true);
  const isOwnListener = (address: string, port: number): boolean =>
    [...listeners.live()].some(
      ({ compiled }) =>
        compiled.bind &&
        compiled.port === port &&
        (compiled.address === address || (compiled.address === ANY_ADDRESS && hasAddress(address))),
    );
  const http2 = { known: new FieldTable(), turn: new WriteTurn(), buffers: new BufferPool(timers), timers, random };
  const ids = new ConnectionIds(options.worker?.number);
  const clusters = new ClusterSet({
    ids,
    timers,
    random,
    readBuffers,
    slabs,
    stats,
    shared,
    verdicts: worker?.verdicts ?? ALONE,
    names: worker?.names ?? LOOKS_UP_ALONE,
    http2,
    locality: options.locality ?? '',
    logger,
    openMarked: options.openMarked,
    isOwnListener,
  });
  const {
    runtime,
    filters: filterDeps,
    originalOf,
  } = createCompiler({
    clock,
    timers,
    random,
    stats,
    shared,
    secrets,
    accessLogs: options.accessLogs,
    hasAddress,
    loadOriginalDestinations: options.loadOriginalDestinations,
  });
  const overload = options.overload ?? NOT_OVERLOADED;
  const inherited = options.sockets ?? new InheritedSockets(options.inheritedFds ?? new Map());
  let tables: ReadonlyMap<string, Table> = new Map();
  let applied: RuntimeConfig['listeners'] | undefined;

  /** What filters remember of a route lives as long as its message. */
  const inlineTables = new WeakMap<RouteConfiguration, Table>();
  const inlineTable = (message: RouteConfiguration): Table => {
    const known = inlineTables.get(message) ?? compileTable(message, filterDeps);
    inlineTables.set(message, known);
    return known;
  };
  const buildRoutes = (hcm: CompiledHcm, table: Table | undefined): HcmRoutes => {
    const deps = { ...filterDeps, statPrefix: hcm.settings.statPrefix };
    return table === undefined
      ? { ...NO_ROUTES, unroutedChain: buildChains(undefined, hcm.filters, deps).unroutedChain }
      : buildChains(table, hcm.filters, deps);
  };
  /** Built once for each connection manager and table: an update that concerns neither changes nothing. */
  const built = new WeakMap<CompiledHcm, { readonly table: Table | undefined; readonly routes: HcmRoutes }>();
  const routesOf = (hcm: CompiledHcm): HcmRoutes => {
    const { inlineRoutes, rdsName } = hcm;
    const table =
      inlineRoutes === undefined
        ? rdsName === undefined
          ? undefined
          : tables.get(rdsName)
        : inlineTable(inlineRoutes);
    const known = built.get(hcm);
    if (known !== undefined && known.table === table) return known.routes;
    const routes = buildRoutes(hcm, table);
    built.set(hcm, { table, routes });
    return routes;
  };
  const gate = new ConnectionGate({
    max: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
    overload,
    cells: shared.open('connections', 1),
    maxDescriptor: options.descriptors?.max ?? Infinity,
    descriptorsLeft: options.descriptors?.left ?? (() => true),
  });
  const accepting = new AcceptControl({
    name: 'listener_manager',
    hold: () => listeners.hold(),
    open: () => listeners.open(),
    stillShut: (cause) => gate.stillShut(cause),
    stats,
    clock,
    logger,
  });
  gate.onShut = (cause) => accepting.shut(cause);
  gate.onLeft = () => accepting.look();
  const liveDeps: LiveListenerDeps = {
    timers,
    random,
    regex: filterDeps.regex,
    stats,
    shared,
    addresses: worker?.addresses ?? PRIVATE_CELLS,
    workerNumber: worker?.number,
    tracer: options.tracer,
    peers: options.peers,
    clusters: clusters.live,
    mirrors: new Mirrors({ clusters: clusters.live, timers, random, stats, peers: options.peers }),
    secrets,
    handshakes: new HandshakeTurns({
      maxWaiting: options.maxWaitingHandshakes ?? DEFAULT_MAX_WAITING_HANDSHAKES,
      stats,
      timers,
    }),
    readBuffers,
    ids,
    slabs,
    http2,
    http2Counters: new H2Counters(stats, 'http2.'),
    routesOf,
    logger,
    gate,
    peerState: options.peerState ?? peerStates(),
    overload,
    originalOf,
    listenerAt: (address, port) => listeners.at(address, port),
    clock,
  };

  const listeners = new ListenerSet({
    create: (compiled) => new LiveListener(compiled, liveDeps),
    inherited,
    drainMs: options.drainMs ?? DEFAULT_DRAIN_MS,
    held: options.held ?? false,
    stats,
    clock,
    logger,
  });

  const update = (resources: ResourceSet): readonly RejectedResource[] => {
    const compiled = runtime.compile(resources);
    const rerouted = compiled.tables !== tables || compiled.listeners !== applied;
    tables = compiled.tables;
    applied = compiled.listeners;
    clusters.apply(compiled.clusters, compiled.endpoints);
    if (rerouted) listeners.apply(compiled.listeners);
    clusters.removeUnused();
    for (const { type, name, reason } of compiled.rejected) logger.warn({ type, name, reason }, 'resource refused');
    return compiled.rejected;
  };

  update(options.resources);
  return {
    update,
    activeConnections: () => listeners.connections(),
    activeRequests: () => listeners.activeRequests(),
    armedTimers: () => timers.size,
    listeners: () => listeners.statuses(),
    clusters: (): ClusterStatus[] => clusters.status(),
    relieve: (bytes) => cutHeaviest(bytes, (take) => listeners.weigh(take)),
    refresh: () => {},
    follow: (verdict) => clusters.follow(verdict),
    learn: (answer) => clusters.learn(answer),
    suspected: (cluster, host, kind) => clusters.live.get(cluster)?.suspected(host, kind),
    serve: () => listeners.serve(),
    sockets: () => listeners.sockets(),
    drainListeners: (plan) => listeners.drainSome(plan),
    drain: (deadlineMs) => listeners.drain(deadlineMs),
    async close() {
      accepting.close();
      listeners.close();
      clusters.close();
      secrets.close();
      timers.close();
      await Promise.resolve();
    },
  };
}
