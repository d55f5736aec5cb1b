import type { Socket } from 'node:net';
import type { ReasonCode } from '@weft/contracts';
import type { Random } from '@weft/kit';
import type { HeadView } from '../../head/head-view.ts';
import { FieldsHead } from '../../head/fields-head.ts';
import type { ConnectionIds } from '../../http/connection-ids.ts';
import type { ConnectionEnd, ExchangeSource, ServerConnection, WeighExchange } from '../../http/connections.ts';
import { UndecidedConnection } from '../../http/undecided-connection.ts';
import { H1ServerConnection } from '../../http1/server-connection.ts';
import type { H2Counters } from '../../http2/connection/counters.ts';
import type { H2Shared } from '../../http2/connection/h2-connection.ts';
import { CARRIED_ALPN } from '../../http2/carried.ts';
import { forCarrier, forMesh } from '../../http2/connection/options.ts';
import type { BufferPool } from '../../sockets/buffer-pool.ts';
import type { WriteSlabs } from '../../sockets/write-slabs.ts';
import { H2ServerConnection } from '../../http2/connection/server-connection.ts';
import type { DownstreamConnection, DownstreamStream, RequestReceiver } from '../../http/streams.ts';
import { localReply } from '../../failures.ts';
import type { OverloadState } from '../../overload/overload.ts';
import type { AccessLogger, PeerExchange, StatsSink, Tracer } from '../../ports.ts';
import { RequestRecord } from '../../request-record.ts';
import type { TellPeerState } from '../../sockets/peer-state.ts';
import type { TimerQueue } from '../../timers/timer-queue.ts';
import type { Cluster } from '../../upstream/cluster.ts';
import type { HcmRoutes, HcmSettings } from './hcm-settings.ts';
import { HttpStream } from './http-stream.ts';
import type { ManagerContext } from './manager-context.ts';
import { RequestHash } from './router/request-hash.ts';
import type { Mirrors } from './mirror/mirrors.ts';

export interface ManagerDeps {
  readonly http2: H2Shared & { readonly random: Random };
  readonly http2Counters: H2Counters;
  readonly slabs: WriteSlabs;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly stats: StatsSink;
  readonly tracer: Tracer | undefined;
  readonly peers: PeerExchange | undefined;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly mirrors: Mirrors;
  readonly overload: OverloadState;
  readonly peerState: TellPeerState;
  readonly ids: ConnectionIds;
}

/** The HTTP side of one filter chain: makes connections of sockets, and requests of what comes over them. */
export class ConnectionManager implements ExchangeSource, ManagerContext {
  settings: HcmSettings;
  accessLog: AccessLogger | undefined;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly tracer: Tracer | undefined;
  readonly peers: PeerExchange | undefined;
  readonly requestHash = new RequestHash();
  readonly mirrors: Mirrors;
  readonly ids: ConnectionIds;
  /** Swapped whole by updates; each request keeps the one it began with. */
  routes: HcmRoutes;
  readonly overload: OverloadState;
  readonly #deps: ManagerDeps;
  readonly #connections = new Set<ServerConnection>();
  readonly #slots = new Map<string, number>();
  #draining = false;
  #activeRequests = 0;
  #pausedSlot: number | undefined;
  #whenIdle: (() => void) | undefined;
  #dateSecond = 0;
  #dateText = '';

  constructor(settings: HcmSettings, routes: HcmRoutes, accessLog: AccessLogger | undefined, deps: ManagerDeps) {
    this.settings = settings;
    this.accessLog = accessLog;
    this.routes = routes;
    this.#deps = deps;
    this.timers = deps.timers;
    this.random = deps.random;
    this.clusters = deps.clusters;
    this.tracer = deps.tracer;
    this.peers = deps.peers;
    this.mirrors = deps.mirrors;
    this.ids = deps.ids;
    this.overload = deps.overload;
  }

  /** Open connections go on under the new settings, from their next request. */
  update(settings: HcmSettings, routes: HcmRoutes, accessLog: AccessLogger | undefined): void {
    if (settings.statPrefix !== this.settings.statPrefix) this.#pausedSlot = undefined;
    this.settings = settings;
    this.routes = routes;
    this.accessLog = accessLog;
  }

  /** Every further answer should close its connection. */
  get draining(): boolean {
    return this.#draining || this.overload.closing;
  }
  get connections(): number {
    return this.#connections.size;
  }
  get activeRequests(): number {
    return this.#activeRequests;
  }

  /**
   * @param agreed ALPN name; empty where nothing was agreed on.
   * @returns what takes the bytes of this socket. @param become another that takes them from now on.
   */
  open(
    socket: Socket,
    connection: DownstreamConnection,
    agreed: string,
    become: (next: ServerConnection) => void,
  ): ServerConnection {
    const { codec, idleTimeoutMs, headersTimeoutMs, maxConnectionMs } = this.settings;
    if (agreed === CARRIED_ALPN) return this.#openHttp2(socket, connection, true);
    if (codec === 'http2' || (codec === 'auto' && agreed === 'h2')) return this.#openHttp2(socket, connection, false);
    if (codec === 'http1' || agreed.startsWith('http/1.')) return this.#openHttp1(socket, connection);
    // Who says nothing is as old as it is idle.
    const old = maxConnectionMs > 0 && (idleTimeoutMs === 0 || maxConnectionMs < idleTimeoutMs);
    const undecided = new UndecidedConnection(socket, this.timers, {
      idleTimeoutMs: old ? maxConnectionMs : idleTimeoutMs,
      headersTimeoutMs,
      decide: (http2) => {
        this.#connections.delete(undecided);
        const chosen = http2 ? this.#openHttp2(socket, connection, false) : this.#openHttp1(socket, connection);
        become(chosen);
        return chosen;
      },
      onClosed: () => this.onConnectionClosed(undecided),
      onIdle: () => this.onLimit(old ? 'max_duration_reached' : 'idle_timeout'),
    });
    this.#connections.add(undecided);
    return undecided;
  }

  #openHttp1(socket: Socket, connection: DownstreamConnection): ServerConnection {
    const { limits, headersTimeoutMs, idleTimeoutMs, lingerMs, trailers, target } = this.settings;
    const { peerState, slabs, http2 } = this.#deps;
    const { maxConnectionMs, maxRequestsPerConnection: maxRequests } = this.settings;
    const ends = { headersTimeoutMs, idleTimeoutMs, lingerMs, maxConnectionMs, maxRequests };
    const options = { limits, trailers, target, peerState, slabs, buffers: http2.buffers, ...ends };
    const made = new H1ServerConnection(socket, connection, this, this.timers, options);
    this.#connections.add(made);
    return made;
  }

  #openHttp2(socket: Socket, connection: DownstreamConnection, carried: boolean): ServerConnection {
    const { http2, http2Counters } = this.#deps;
    const { headersTimeoutMs, idleTimeoutMs, lingerMs } = this.settings;
    const { maxConnectionMs, maxRequestsPerConnection: maxRequests } = this.settings;
    const { limits, connectProtocol } = this.settings.http2;
    // At the edge a certificate is a client's, inside it is another proxy's.
    const carrier = connection.peerPrincipal !== '' && !this.settings.useRemoteAddress;
    const options = {
      limits: carrier ? forMesh(forCarrier(limits)) : limits,
      headersTimeoutMs,
      idleTimeoutMs,
      lingerMs,
      maxConnectionMs,
      maxRequests,
      connectProtocol,
      connect: this.settings.target.connect,
      carried,
    };
    const made = new H2ServerConnection(socket, connection, this, http2, options, http2Counters);
    this.#connections.add(made);
    return made;
  }

  newExchange(stream: DownstreamStream): RequestReceiver {
    this.#activeRequests += 1;
    return new HttpStream(this, stream);
  }

  refuse(stream: DownstreamStream, reason: ReasonCode): void {
    const row = localReply(reason);
    const record = new RequestRecord();
    record.startMs = this.timers.now();
    record.direction = this.settings.direction;
    record.listener = this.settings.listener;
    record.protocol = stream.protocol;
    record.downstreamRemoteAddress = this.remoteOf(stream.connection);
    record.downstreamLocalAddress = this.localOf(stream.connection);
    record.sourcePrincipal = stream.connection.peerPrincipal;
    record.connection = stream.connection;
    record.code = row.status;
    record.flags = row.flags;
    record.details = row.details;
    record.reason = reason;
    if (row.status === 0) {
      this.#record(record, -1);
      return;
    }
    const body = Buffer.from(row.body);
    const head = FieldsHead.response(row.status);
    head.add('content-length', String(body.length));
    head.add('content-type', 'text/plain');
    head.add('x-weft-reason', reason);
    head.add('date', this.date());
    stream.sendHead(row.status, head, false);
    stream.sendData(body, 0, body.length, true);
    record.responseBytes = body.length;
    this.#record(record, -1);
  }

  /** Headers that every answer gets. */
  finishResponseHead(head: HeadView, record: RequestRecord): void {
    const { settings } = this;
    if (settings.serverHeader === 'overwrite') head.set('server', settings.serverName);
    else if (settings.serverHeader === 'append-if-absent' && !head.has('server'))
      head.set('server', settings.serverName);
    if (!head.has('date')) head.set('date', this.date());
    if (settings.requestIdInResponse && record.requestId !== '') head.set('x-request-id', record.requestId);
    if (settings.via !== '') head.add('via', settings.via);
  }

  exchangeOver(record: RequestRecord, statsSlot: number): void {
    this.#activeRequests -= 1;
    this.#record(record, statsSlot);
    this.#checkIdle();
  }

  onConnectionClosed(connection: ServerConnection): void {
    this.#connections.delete(connection);
    this.#checkIdle();
  }

  /** Answers say `Connection: close` from now on; idle connections are kept until used or until `close`. */
  drain(whenIdle?: () => void): void {
    this.#draining = true;
    this.#whenIdle = whenIdle;
    for (const connection of this.#connections) connection.onDraining();
    this.#checkIdle();
  }

  closeIdle(): void {
    for (const connection of this.#connections) if (connection.idle) connection.destroy();
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  remoteOf(connection: DownstreamConnection): string {
    return `${connection.remoteAddress}:${connection.remotePort}`;
  }
  localOf(connection: DownstreamConnection): string {
    return `${connection.localAddress}:${connection.localPort}`;
  }

  /** RFC 9110 §6.6.1; made anew once a second. */
  date(): string {
    const second = Math.floor(this.timers.now() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#dateText = new Date(second * 1000).toUTCString();
    }
    return this.#dateText;
  }

  #record(record: RequestRecord, slot: number): void {
    const { stats } = this.#deps;
    stats.recordRequest(
      slot >= 0 ? slot : this.#slotWithoutHost(record),
      record.code,
      record.flags,
      record.durationMs,
      record.requestBytes,
      record.responseBytes,
      record.grpcStatus,
      record.requestMessages,
      record.responseMessages,
    );
    if (record.reason !== '') this.count(`reason.${record.reason}`);
    this.accessLog?.log(record);
  }

  /** Requests that never reached a host are counted by cluster and peer. */
  #slotWithoutHost(record: RequestRecord): number {
    const key = `${record.cluster} ${record.sourcePrincipal} ${record.sourceWorkload}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      const inbound = this.settings.direction === 'inbound';
      const service = this.clusters.get(record.cluster)?.settings;
      slot = this.#deps.stats.requestSlot({
        reporter: inbound ? 'destination' : 'source',
        sourcePrincipal: inbound ? record.sourcePrincipal : '',
        destinationPrincipal: '',
        cluster: record.cluster === '' ? '-' : record.cluster,
        destinationService: service?.serviceHost ?? '',
        destinationServiceName: service?.serviceName ?? '',
        destinationServiceNamespace: service?.serviceNamespace ?? '',
        destinationWorkload: '',
        sourceWorkload: record.sourceWorkload,
        protocol: 'http',
        mutualTls: inbound && record.mutualTls,
        listener: this.settings.listener,
      });
      this.#slots.set(key, slot);
    }
    return slot;
  }

  onLimit(end: ConnectionEnd): void {
    this.count(`downstream_cx_${end}`);
  }

  /** A client is not read for a while, since its request goes on more slowly than it comes. */
  countPausedReading(): void {
    const { stats } = this.#deps;
    const { statPrefix } = this.settings;
    this.#pausedSlot ??= stats.counter(`http.${statPrefix}.downstream_flow_control_paused_reading_total`);
    stats.add(this.#pausedSlot, 1);
  }

  /** For what is rare: takes the counter by its name. */
  count(name: string): void {
    const { stats } = this.#deps;
    stats.add(stats.counter(`http.${this.settings.statPrefix}.${name}`), 1);
  }

  /** What each request in progress holds in memory. */
  weigh(take: WeighExchange): void {
    for (const connection of this.#connections) connection.weigh?.(take);
  }

  get stats(): StatsSink {
    return this.#deps.stats;
  }

  get buffers(): BufferPool {
    return this.#deps.http2.buffers;
  }

  #checkIdle(): void {
    if (this.#whenIdle === undefined || this.#activeRequests > 0) return;
    const whenIdle = this.#whenIdle;
    this.#whenIdle = undefined;
    whenIdle();
  }
}
