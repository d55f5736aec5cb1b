import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ReasonCode } from '@weft/contracts';
import type { RegexEngine } from '@weft/evaluator';
import type { Random } from '@weft/kit';
import { ConnectionManager, type ManagerDeps } from '../filters/http/connection-manager.ts';
import type { HcmRoutes } from '../filters/http/hcm-settings.ts';
import { connectionAllowed } from '../filters/network/rbac.ts';
import { TcpSession } from '../filters/network/tcp-proxy.ts';
import { localReply } from '../failures.ts';
import type { ServerConnection, WeighExchange } from '../http/connections.ts';
import type { DownstreamConnection } from '../http/streams.ts';
import type { AccessLogger } from '../ports.ts';
import { RequestRecord } from '../request-record.ts';
import type { CompiledHcm } from '../runtime/http-connection-manager.ts';
import type { CompiledChain, CompiledListener, ConnectionLimit } from '../runtime/listeners.ts';
import type { SharedCells } from '../shared/shared-cells.ts';
import { takeBelow } from '../shared/take-below.ts';
import { readAccepted, type ReadBuffers, readSecured, type TakeBytes } from '../sockets/byte-reader.ts';
import type { TimerQueue } from '../timers/timer-queue.ts';
import { type PeerIdentity, type TlsRefusal, TlsTerminator } from '../tls/downstream-tls.ts';
import type { HandshakeTurns } from '../tls/handshake-turns.ts';
import type { LiveSecrets } from '../tls/tls-material.ts';
import { type ChainCriteria } from './chain-match.ts';
import type { ConnectionPlace } from './connection-gate.ts';
import { plainAddress, secured } from './described-connection.ts';

export interface ChainDeps extends ManagerDeps {
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly regex: RegexEngine;
  readonly secrets: LiveSecrets;
  readonly handshakes: HandshakeTurns;
  readonly readBuffers: ReadBuffers;
  /** Where workers count together. */
  readonly shared: SharedCells;
  /** The same for what each address has taken. */
  readonly addresses: SharedCells;
  routesOf(hcm: CompiledHcm): HcmRoutes;
}

interface Handshake {
  /** The client's address. */
  readonly key: string;
  readonly socket: Socket;
  readonly connection: DownstreamConnection;
  refusal: TlsRefusal;
  readonly place: ConnectionPlace;
}

/** One filter chain in force, with the connections it took. */
export class LiveChain {
  #compiled: CompiledChain;
  #listener: CompiledListener;
  readonly #deps: ChainDeps;
  readonly #manager: ConnectionManager | undefined;
  readonly #terminator: TlsTerminator | undefined;
  /** Connections, where there is a limit to them. */
  #limited: Int32Array | undefined;
  readonly #sessions = new Set<TcpSession>();
  readonly #handshaking = new Map<string, Handshake>();
  /** The same by accepted socket, until some time after its close. */
  readonly #handshakeOf = new WeakMap<Socket, Handshake>();
  #draining = false;

  constructor(compiled: CompiledChain, listener: CompiledListener, deps: ChainDeps) {
    this.#compiled = compiled;
    this.#listener = listener;
    this.#deps = deps;
    const { terminal, tls } = compiled;
    if (terminal.kind === 'http') {
      this.#manager = new ConnectionManager(
        terminal.hcm.settings,
        deps.routesOf(terminal.hcm),
        terminal.hcm.accessLog,
        deps,
      );
    }
    if (tls !== undefined) {
      this.#terminator = new TlsTerminator(
        tls,
        {
          http1Only: terminal.kind === 'http' && terminal.hcm.settings.codec === 'http1',
          carries: terminal.kind === 'http' && terminal.hcm.settings.codec === 'auto',
          handshakeTimeoutMs: compiled.handshakeTimeoutMs,
        },
        deps,
        `Listener "${listener.name}"`,
        {
          wantsTransport: () => this.#accessLog?.wants?.downstreamTls === true,
          onSecure: (socket, peer, accepted) => this.#onSecure(socket, peer, accepted),
          onRefused: (socket, refusal) => this.#onRefused(socket, refusal),
        },
      );
    }
  }

  get name(): string {
    return this.#compiled.name;
  }
  get #accessLog(): AccessLogger | undefined {
    const { terminal } = this.#compiled;
    return terminal.kind === 'http' ? terminal.hcm.accessLog : terminal.proxy.accessLog;
  }
  get #readBuffer(): Buffer {
    const { raw, http } = this.#deps.readBuffers;
    return this.#compiled.terminal.kind === 'tcp' ? raw : http;
  }
  get criteria(): ChainCriteria {
    return this.#compiled.criteria;
  }
  get fingerprint(): string {
    return this.#compiled.transportFingerprint;
  }
  get connections(): number {
    return (this.#manager?.connections ?? 0) + this.#sessions.size + this.#handshaking.size;
  }
  get activeRequests(): number {
    return (this.#manager?.activeRequests ?? 0) + this.#sessions.size;
  }

  weigh(take: WeighExchange): void {
    this.#manager?.weigh(take);
  }

  /** Same criteria, TLS and kind of filter: everything else may change under open connections. */
  update(compiled: CompiledChain, listener: CompiledListener): void {
    this.#compiled = compiled;
    this.#listener = listener;
    const { terminal } = compiled;
    if (terminal.kind === 'http')
      this.#manager?.update(terminal.hcm.settings, this.#deps.routesOf(terminal.hcm), terminal.hcm.accessLog);
  }

  refreshRoutes(): void {
    const { terminal } = this.#compiled;
    if (terminal.kind === 'http' && this.#manager !== undefined)
      this.#manager.routes = this.#deps.routesOf(terminal.hcm);
  }

  refreshSecrets(): void {
    this.#terminator?.refresh();
  }

  /** @param bytes already read from the socket. */
  take(socket: Socket, connection: DownstreamConnection, bytes: Buffer, place: ConnectionPlace): void {
    if (this.#terminator === undefined) {
      const { bufferBytes } = this.#compiled;
      this.#serve(connection, bytes, place, (taker) => readAccepted(socket, this.#readBuffer, taker, bufferBytes));
      return;
    }
    if (bytes.length > 0) socket.unshift(bytes);
    const key = addressOf(socket);
    const handshake: Handshake = { key, socket, connection, refusal: UNFINISHED, place };
    this.#handshaking.set(key, handshake);
    this.#handshakeOf.set(socket, handshake);
    socket.once('close', () => {
      if (!this.#handshaking.delete(key)) return;
      place.leave();
      // Probes that connect and leave were refused nothing.
      if (socket.bytesRead === 0 && handshake.refusal === UNFINISHED) return;
      // What was wrong with a certificate is told right after the close.
      setImmediate(() => this.logRefused(connection, handshake.refusal.reason, handshake.refusal.detail));
    });
    this.#terminator.accept(socket);
  }

  #onSecure(socket: TLSSocket, peer: PeerIdentity, accepted: Socket): void {
    const handshake = this.#handshakeOf.get(accepted) ?? this.#handshaking.get(addressOf(socket));
    socket.on('error', ignore);
    if (handshake === undefined || !this.#handshaking.delete(handshake.key)) {
      socket.destroy();
      return;
    }
    const connection = secured(handshake.connection, peer, this.#terminator?.ownPrincipal ?? '', socket);
    this.#serve(connection, EMPTY, handshake.place, (taker) => readSecured(socket, this.#readBuffer, taker));
  }

  /** The log line follows when the socket has closed. */
  #onRefused(socket: Socket, refusal: TlsRefusal): void {
    const handshake = this.#handshakeOf.get(socket) ?? this.#handshaking.get(addressOf(socket));
    if (handshake === undefined) return;
    handshake.refusal = refusal;
    // Not at once: this may run inside OpenSSL's callback, and Node then frees what OpenSSL still uses.
    setImmediate(() => handshake.socket.destroy());
  }

  #serve(
    connection: DownstreamConnection,
    bytes: Buffer,
    place: ConnectionPlace,
    open: (take: TakeBytes) => Socket,
  ): void {
    const { networkRbac, connectionLimit, terminal } = this.#compiled;
    let take: TakeBytes = ignore;
    const socket = open((buffer, start, end) => take(buffer, start, end));
    socket.once('close', place.leave);
    if (connectionLimit !== undefined && !this.#enter(connectionLimit, socket)) {
      const { stats } = this.#deps;
      stats.add(stats.counter(`connection_limit.${connectionLimit.statPrefix}.limited_connections`), 1);
      socket.on('error', ignore);
      socket.destroy();
      return;
    }
    if (!connectionAllowed(networkRbac, connection)) {
      socket.on('error', ignore);
      this.logRefused(connection, 'rbac-denied', 'network policy');
      socket.destroy();
      return;
    }
    if (this.#manager !== undefined) {
      const takeBy = (one: ServerConnection): void => {
        take = (buffer, start, end) => one.onBytes(buffer, start, end);
      };
      takeBy(this.#manager.open(socket, connection, alpnOf(socket), takeBy));
    } else if (terminal.kind === 'tcp') {
      const session = new TcpSession(
        socket,
        connection,
        terminal.proxy,
        { listener: this.#listener.name, direction: this.#listener.direction },
        this.#deps,
        () => this.#sessions.delete(session),
      );
      this.#sessions.add(session);
      take = (buffer, start, end) => session.onBytes(buffer, start, end);
      session.start();
    }
    socket.resume();
    if (bytes.length > 0) take(bytes, 0, bytes.length);
  }

  /** @returns false when the chain has as many connections as it may, in all workers. */
  #enter({ statPrefix, max }: ConnectionLimit, socket: Socket): boolean {
    const count = (this.#limited ??= this.#deps.shared.open(
      `connection_limit ${this.#listener.name} ${statPrefix}`,
      1,
    ));
    if (takeBelow(count, 0, max) < 0) return false;
    socket.once('close', () => Atomics.sub(count, 0, 1));
    return true;
  }

  /** A connection that got no answer leaves a line in the log. */
  logRefused(connection: DownstreamConnection, reason: ReasonCode, detail: string): void {
    const logger = this.#accessLog;
    const record = new RequestRecord();
    const row = localReply(reason);
    record.startMs = this.#deps.timers.now();
    record.direction = this.#listener.direction;
    record.listener = this.#listener.name;
    record.protocol = 'TCP';
    record.flags = row.flags;
    record.details = row.details;
    record.reason = reason;
    record.connection = connection;
    record.connectionTermination = detail;
    if (reason === 'downstream-tls-failure') record.downstreamTransportFailure = detail;
    record.sourcePrincipal = connection.peerPrincipal;
    record.downstreamRemoteAddress = `${connection.remoteAddress}:${connection.remotePort}`;
    record.downstreamLocalAddress = `${connection.localAddress}:${connection.localPort}`;
    record.requestedServerName = connection.requestedServerName;
    const { stats } = this.#deps;
    stats.add(stats.counter(`listener.${this.#listener.name}.refused.${reason}`), 1);
    logger?.log(record);
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#manager?.drain();
  }

  closeIdle(): void {
    this.#manager?.closeIdle();
  }

  close(): void {
    this.#manager?.close();
    for (const session of this.#sessions) session.destroy();
    for (const { socket } of this.#handshaking.values()) socket.destroy();
    this.#terminator?.close();
  }
}

const addressOf = (socket: Socket): string => `${plainAddress(socket.remoteAddress)}:${socket.remotePort ?? 0}`;

const alpnOf = (socket: Socket): string =>
  socket instanceof TLSSocket && typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '';

const UNFINISHED: TlsRefusal = { reason: 'downstream-tls-failure', detail: 'the handshake was not finished' };
const EMPTY = Buffer.alloc(0);
const ignore = (): void => {};
