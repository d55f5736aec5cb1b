import { Socket } from 'node:net';
import type { ReasonCode } from '@weft/contracts';
import type { Random } from '@weft/kit';
import { localReply } from '../../failures.ts';
import type { ConnectionIds } from '../../http/connection-ids.ts';
import type { DownstreamConnection, UpstreamFailure } from '../../http/streams.ts';
import type { AccessLogger, StatsSink } from '../../ports.ts';
import { type Direction, RequestRecord } from '../../request-record.ts';
import { flagBit } from '../../response-flags.ts';
import { endedByReset } from '../../sockets/descriptor.ts';
import { type HeldClient, PausedClient } from '../../sockets/paused-client.ts';
import type { TellPeerState } from '../../sockets/peer-state.ts';
import { SocketWriter } from '../../sockets/socket-writer.ts';
import type { WriteSlabs } from '../../sockets/write-slabs.ts';
import { Deadline, type TimerQueue } from '../../timers/timer-queue.ts';
import type { Cluster } from '../../upstream/cluster.ts';
import type { Connecting } from '../../upstream/connector.ts';
import type { Host } from '../../upstream/host.ts';
import { Xxh64 } from '../../upstream/hash/xxh64.ts';
import { UpstreamLink } from '../../upstream/upstream-link.ts';
import { noteAttempt, noteLink } from '../http/router/log-notes.ts';
import { FIRST_ATTEMPT, type LbAttempt } from '../../upstream/lb/lb-policy.ts';
import { type TcpUpstream, Tunnel, type TunnelSettings } from './tunnel.ts';

export interface TcpProxySettings {
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  /** Nothing moved in either direction; 0 = no limit. */
  readonly idleTimeoutMs: number;
  readonly maxConnectAttempts: number;
  /** The client's address is the key of consistent hashing. */
  readonly hashSourceIp: boolean;
  /** TCP goes on inside HTTP; undefined = as it is. */
  readonly tunnel: TunnelSettings | undefined;
  /** However much moves; 0 = no limit. */
  readonly maxDurationMs: number;
  readonly accessLog: AccessLogger | undefined;
}

export interface TcpProxyDeps {
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly stats: StatsSink;
  readonly peerState: TellPeerState;
  readonly ids: ConnectionIds;
  readonly slabs: WriteSlabs;
}

/** One client connection joined to one host: bytes both ways, each direction ends on its own. */
export class TcpSession implements HeldClient {
  readonly #downstream: Socket;
  readonly #connection: DownstreamConnection;
  readonly #settings: TcpProxySettings;
  readonly #deps: TcpProxyDeps;
  readonly #record = new RequestRecord();
  readonly #idle: Deadline;
  readonly #onOver: () => void;
  readonly #direction: Direction;
  readonly #toDownstream: SocketWriter;
  #upstream: TcpUpstream | undefined;
  /** undefined for a tunnel. */
  #toUpstream: SocketWriter | undefined;
  #connecting: Connecting | undefined;
  #cluster: Cluster | undefined;
  #host: Host | undefined;
  #early: Buffer[] = [];
  #attempts = 0;
  #slot = -1;
  #downstreamEnded = false;
  #counted = false;
  #duration: Deadline | undefined;
  #pausedClient: PausedClient | undefined;
  #over = false;

  constructor(
    downstream: Socket,
    connection: DownstreamConnection,
    settings: TcpProxySettings,
    where: { readonly listener: string; readonly direction: Direction },
    deps: TcpProxyDeps,
    onOver: () => void,
  ) {
    this.#downstream = downstream;
    this.#toDownstream = new SocketWriter(downstream, deps.slabs);
    this.#connection = connection;
    this.#settings = settings;
    this.#deps = deps;
    this.#direction = where.direction;
    this.#onOver = onOver;
    this.#idle = new Deadline(this, 0);
    const record = this.#record;
    record.protocol = 'TCP';
    record.startMs = deps.timers.now();
    record.direction = where.direction;
    record.listener = where.listener;
    record.downstreamRemoteAddress = `${connection.remoteAddress}:${connection.remotePort}`;
    record.downstreamLocalAddress = `${connection.localAddress}:${connection.localPort}`;
    record.connection = connection;
    record.sourcePrincipal = connection.peerPrincipal;
    record.requestedServerName = connection.requestedServerName;
    record.mutualTls = connection.peerPrincipal !== '';
    downstream.on('error', () => this.#end('downstream-closed'));
    downstream.on('close', () => this.#end('downstream-closed'));
    downstream.on('end', () => {
      if (endedByReset(downstream)) return this.#end('downstream-closed');
      this.#downstreamEnded = true;
      this.#toUpstream?.flushNow();
      this.#upstream?.end();
    });
    downstream.on('drain', () => this.#upstream?.resume());
  }

  start(): void {
    const name = this.#chooseCluster();
    this.#record.cluster = name;
    const cluster = this.#deps.clusters.get(name);
    if (cluster === undefined) return this.#end('cluster-not-found');
    this.#cluster = cluster;
    // A tunnel's connection is counted by its pool.
    this.#counted = this.#settings.tunnel === undefined;
    if (this.#counted && !cluster.circuit.tryConnection()) {
      this.#counted = false;
      return this.#end('upstream-overflow');
    }
    if (this.#settings.maxDurationMs > 0) {
      this.#duration = new Deadline(this, 0);
      this.#deps.timers.arm(this.#duration, this.#settings.maxDurationMs);
    }
    this.#connect();
  }

  /** Bytes of the client. */
  onBytes(buffer: Buffer, start: number, end: number): void {
    this.#record.requestBytes += end - start;
    const upstream = this.#upstream;
    if (upstream === undefined) {
      this.#early.push(Buffer.from(buffer.subarray(start, end)));
      this.#holdBack();
      return;
    }
    this.#touch();
    const writer = this.#toUpstream;
    const goesOn =
      writer === undefined ? upstream.write(Buffer.from(buffer.subarray(start, end))) : put(writer, buffer, start, end);
    if (!goesOn) this.#holdBack();
  }

  #holdBack(): void {
    this.#downstream.pause();
    this.#pausedClient ??= new PausedClient(this.#downstream, this.#deps.timers, this.#deps.peerState, this);
    this.#pausedClient.watch();
  }

  /** What it sent before its end may still be wanted. */
  mayStay(): boolean {
    return true;
  }

  onLeft(): void {
    this.#end('downstream-closed');
  }

  destroy(): void {
    this.#end('draining');
  }

  onDeadline(): void {
    this.#end('stream-idle-timeout');
  }

  #chooseCluster(): string {
    const { clusters } = this.#settings;
    const total = clusters.reduce((sum, { weight }) => sum + weight, 0);
    let drawn = this.#deps.random.next() * total;
    for (const { name, weight } of clusters) {
      drawn -= weight;
      if (drawn < 0) return name;
    }
    return clusters.at(-1)?.name ?? '';
  }

  #connect(): void {
    const cluster = this.#cluster;
    if (cluster === undefined) return;
    const host =
      cluster.original === undefined ? cluster.pick(this.#lbAttempt()) : cluster.original.hostFor(this.#connection, '');
    if (host === undefined) return this.#end('no-healthy-upstream');
    this.#attempts += 1;
    this.#record.attempts = this.#attempts;
    this.#record.upstreamHost = host.name;
    this.#record.upstreamHostName = host.facts.hostname;
    this.#record.destinationWorkload = host.facts.workload;
    const wants = this.#settings.accessLog?.wants;
    if (wants !== undefined) noteAttempt(this.#record, wants, { host, cluster, route: {} }, this.#deps.timers.now());
    this.#host = host;
    host.activeRequests += 1;
    this.#connecting = this.#begin(cluster, host);
  }

  #begin(cluster: Cluster, host: Host): Connecting {
    const { tunnel } = this.#settings;
    if (tunnel !== undefined) {
      const pool = cluster.poolOf(host, false, false, this.#connection, '');
      const made = new Tunnel(pool, tunnel, (buffer, start, end) => this.#onUpstreamBytes(buffer, start, end), {
        onConnected: (upstream, peer) => this.#onConnected(upstream, peer),
        onConnectFailed: (failure, detail) => this.#onConnectFailed(failure, detail),
      });
      // Not from within: an answer may be there at once.
      queueMicrotask(() => made.start());
      return made;
    }
    return cluster.openRaw(host, this.#connection, (buffer, start, end) => this.#onUpstreamBytes(buffer, start, end), {
      onConnected: (socket, peer) => this.#onConnected(socket, peer),
      onConnectFailed: (failure, detail) => this.#onConnectFailed(failure, detail),
    });
  }

  #lbAttempt(): LbAttempt {
    if (!this.#settings.hashSourceIp) return FIRST_ATTEMPT;
    const hash = new Xxh64();
    hash.text(this.#connection.remoteAddress);
    return { ...FIRST_ATTEMPT, hashed: true, hashHigh: hash.high, hashLow: hash.low };
  }

  #onConnectFailed(failure: UpstreamFailure, detail: string): void {
    if (this.#host !== undefined) this.#cluster?.outlier?.onLocalFailure(this.#host, 503);
    this.#connecting = undefined;
    this.#record.upstreamTransportFailure = detail;
    this.#leaveHost();
    if (this.#attempts < this.#settings.maxConnectAttempts) return this.#connect();
    if (this.#attempts > 1) this.#record.flags |= flagBit('URX');
    this.#end(failure);
  }

  #onConnected(socket: TcpUpstream, peer: string): void {
    this.#connecting = undefined;
    this.#upstream = socket;
    if (socket instanceof Socket) this.#toUpstream = new SocketWriter(socket, this.#deps.slabs);
    if (this.#host !== undefined) this.#cluster?.outlier?.onConnected(this.#host, true);
    const record = this.#record;
    record.destinationPrincipal = peer;
    record.upstreamLink = new UpstreamLink(this.#deps.ids.next(), '', socket instanceof Socket ? socket : undefined);
    const wants = this.#settings.accessLog?.wants;
    if (wants !== undefined) noteLink(record, wants, this.#deps.timers.now());
    record.upstreamLocalAddress = `${socket.localAddress ?? ''}:${socket.localPort ?? 0}`;
    if (this.#direction !== 'inbound') record.mutualTls = peer !== '';
    socket.on('error', (error) => {
      record.upstreamTransportFailure = error.message;
      this.#end('upstream-reset');
    });
    socket.on('close', () => this.#end(undefined));
    socket.on('end', () => {
      if (socket instanceof Socket && endedByReset(socket)) return this.#end('upstream-reset');
      this.#toDownstream.flushNow();
      this.#downstream.end();
    });
    socket.on('drain', () => this.#downstream.resume());
    this.#takeSlot(peer);
    this.#deps.stats.recordTcp(this.#slot, 1, 0, 0, 0);
    this.#touch();
    for (const chunk of this.#early.splice(0)) socket.write(chunk);
    if (this.#downstreamEnded) socket.end();
    else this.#downstream.resume();
  }

  #onUpstreamBytes(buffer: Buffer, start: number, end: number): void {
    this.#record.responseBytes += end - start;
    this.#touch();
    if (!put(this.#toDownstream, buffer, start, end)) this.#upstream?.pause();
  }

  #takeSlot(peer: string): void {
    const inbound = this.#direction === 'inbound';
    const { settings } = this.#cluster ?? {};
    this.#slot = this.#deps.stats.requestSlot({
      reporter: inbound ? 'destination' : 'source',
      sourcePrincipal: inbound ? this.#connection.peerPrincipal : '',
      destinationPrincipal: inbound ? this.#connection.ownPrincipal : peer,
      cluster: this.#record.cluster,
      destinationService: settings?.serviceHost ?? '',
      destinationServiceName: settings?.serviceName ?? '',
      destinationServiceNamespace: settings?.serviceNamespace ?? '',
      destinationWorkload: this.#record.destinationWorkload,
      sourceWorkload: '',
      protocol: 'tcp',
      mutualTls: this.#record.mutualTls,
      listener: this.#record.listener,
    });
  }

  #touch(): void {
    if (this.#settings.idleTimeoutMs > 0 && !this.#over)
      this.#deps.timers.arm(this.#idle, this.#settings.idleTimeoutMs);
  }

  #leaveHost(): void {
    if (this.#host !== undefined) this.#host.activeRequests -= 1;
    this.#host = undefined;
  }

  /** @param reason undefined when both sides ended in order. */
  #end(reason: ReasonCode | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#deps.timers.cancel(this.#idle);
    this.#pausedClient?.stop();
    this.#connecting?.cancel();
    this.#leaveHost();
    if (this.#counted) this.#cluster?.circuit.endConnection();
    if (this.#duration !== undefined) this.#deps.timers.cancel(this.#duration);
    const record = this.#record;
    const orderly = reason === 'downstream-closed' && this.#downstreamEnded && this.#upstream !== undefined;
    if (reason !== undefined && !orderly) {
      const row = localReply(reason);
      record.flags |= row.flags;
      record.details = row.details;
      record.reason = reason;
    }
    record.durationMs = this.#deps.timers.now() - record.startMs;
    this.#toUpstream?.flushNow();
    this.#toDownstream.flushNow();
    this.#upstream?.destroySoon();
    this.#downstream.destroySoon();
    if (this.#slot >= 0) this.#deps.stats.recordTcp(this.#slot, 0, 1, record.requestBytes, record.responseBytes);
    this.#settings.accessLog?.log(record);
    this.#onOver();
  }
}

/** @returns false when the socket should get no more for now. */
function put(writer: SocketWriter, buffer: Buffer, start: number, end: number): boolean {
  writer.bytes(buffer, start, end);
  writer.flush();
  return !writer.congested;
}
