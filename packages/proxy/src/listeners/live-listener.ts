import type { Server, Socket } from 'node:net';
import { type Clock, errorMessage, type Logger } from '@weft/kit';
import type { WeighExchange } from '../http/connections.ts';
import type { DownstreamConnection } from '../http/streams.ts';
import type { ListenerSocket as BoundSocket, StatsSink } from '../ports.ts';
import type { CompiledListener } from '../runtime/listeners.ts';
import { Admission } from './admission.ts';
import { matchChain } from './chain-match.ts';
import { describe, plainAddress } from './described-connection.ts';
import { type FirstBytes, NOTHING_KNOWN } from './first-bytes.ts';
import { type ChainDeps, LiveChain } from './live-chain.ts';
import type { OriginalDestination, TellOriginalDestination } from '../sockets/native-sockets.ts';
import type { ConnectionGate, ConnectionPlace } from './connection-gate.ts';
import type { InheritedSocket } from './served-socket.ts';
import { type ListeningSocket, ownSocket, parentsSocket } from './listening-socket.ts';
import type { ProxyHeader } from '../proxy-protocol/header.ts';
import { peek } from './peek.ts';
import { readProxyHeader } from './read-proxy-header.ts';

export interface LiveListenerDeps extends ChainDeps {
  readonly stats: StatsSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly gate: ConnectionGate;
  /** undefined where there is one worker only. */
  readonly workerNumber: number | undefined;
  readonly originalOf: TellOriginalDestination;
  /** Who serves this address: the listener of exactly it, else that of the port on all addresses. */
  listenerAt(address: string, port: number): LiveListener | undefined;
}

/** One bound address, its filter chains, and the connections they took. */
export class LiveListener {
  readonly name: string;
  #compiled: CompiledListener;
  readonly #deps: LiveListenerDeps;
  readonly #admission: Admission;
  #listening: ListeningSocket | undefined;
  /** Who wants that nothing is accepted: the proxy's limits, or those of this listener. */
  readonly #holders = new Set<'proxy' | 'listener'>();
  #chains: readonly LiveChain[] = [];
  #default: LiveChain | undefined;
  readonly #drained = new Set<LiveChain>();
  readonly #inspecting = new Set<Socket>();
  #state: 'binding' | 'active' | 'failed' | 'draining' = 'binding';
  #failure = '';
  #bound = '';
  readonly #noChain: number;
  readonly #accepted: number;
  readonly #noProxyHeader: number;
  /** Envoy's count of what this worker took. */
  readonly #ofWorker: number | undefined;

  constructor(compiled: CompiledListener, deps: LiveListenerDeps) {
    this.name = compiled.name;
    this.#compiled = compiled;
    this.#deps = deps;
    this.#noChain = deps.stats.counter(`listener.${compiled.name}.no_filter_chain_match`);
    this.#noProxyHeader = deps.stats.counter(`listener.${compiled.name}.downstream_proxy_proto_error`);
    this.#accepted = deps.stats.counter(`listener.${compiled.name}.downstream_cx_total`);
    this.#admission = new Admission(compiled.name, compiled.limits, {
      ...deps,
      hold: () => this.hold('listener'),
      open: () => this.open('listener'),
    });
    if (deps.workerNumber !== undefined)
      this.#ofWorker = deps.stats.counter(`listener.${compiled.name}.worker_${deps.workerNumber}.downstream_cx_total`);
    this.#build(compiled);
  }

  get compiled(): CompiledListener {
    return this.#compiled;
  }
  get state(): {
    readonly state: 'active' | 'warming' | 'draining' | 'failed';
    readonly reason: string;
    readonly address: string;
  } {
    const state = this.#state === 'binding' ? 'warming' : this.#state;
    return { state, reason: this.#failure, address: this.#bound };
  }
  get chains(): readonly LiveChain[] {
    return this.#default === undefined ? this.#chains : [...this.#chains, this.#default];
  }
  get activeRequests(): number {
    return [...this.chains, ...this.#drained].reduce((sum, chain) => sum + chain.activeRequests, 0);
  }
  weigh(take: WeighExchange): void {
    for (const chain of [...this.chains, ...this.#drained]) chain.weigh(take);
  }
  /** undefined when it is not bound. */
  get socket(): BoundSocket | undefined {
    const { address, port } = this.#compiled;
    const fd = this.#state === 'active' ? (this.#listening?.descriptor ?? -1) : -1;
    return fd < 0 ? undefined : { address, port, fd };
  }
  get connections(): number {
    let count = this.#inspecting.size;
    for (const chain of [...this.chains, ...this.#drained]) count += chain.connections;
    return count;
  }

  /** Binds, or serves a socket that the parent bound. */
  listen(inherited: InheritedSocket | undefined): void {
    const { address, port, bind, backlog } = this.#compiled;
    if (!bind) {
      // Connections come from the listener that they were redirected to.
      this.#state = 'active';
      return;
    }
    const events = {
      onConnection: (socket: Socket) => this.#accept(socket),
      onListening: (server: Server) => this.#onListening(server),
      onError: (error: Error) => this.#onServerError(error),
    };
    this.#listening =
      inherited === undefined
        ? ownSocket({ address, port, backlog }, this.#deps.clock, events)
        : parentsSocket(inherited, backlog, events);
    if (this.#holders.size > 0) this.#listening.hold();
  }

  #onListening(server: Server): void {
    const { address, port } = this.#compiled;
    if (this.#state === 'draining') return;
    const former = this.#bound;
    this.#state = 'active';
    this.#failure = '';
    const actual = server.address();
    this.#bound =
      typeof actual === 'object' && actual !== null ? `${actual.address}:${actual.port}` : `${address}:${port}`;
    if (former !== this.#bound) this.#deps.logger.info({ listener: this.name, address: this.#bound }, 'listening');
  }

  /** Accepts nothing for a while. Connections that are there go on. */
  hold(holder: 'proxy' | 'listener'): void {
    if (this.#holders.size === 0) this.#listening?.hold();
    this.#holders.add(holder);
  }

  open(holder: 'proxy' | 'listener'): void {
    if (!this.#holders.delete(holder) || this.#holders.size > 0) return;
    this.#listening?.open();
  }

  /** New chains for connections to come; those of unchanged chains go on. @returns the chains that drain now. */
  update(compiled: CompiledListener): readonly LiveChain[] {
    this.#compiled = compiled;
    this.#admission.update(compiled.limits);
    return this.#build(compiled);
  }

  /** Routes changed: chains look theirs up again. */
  refreshRoutes(): void {
    for (const chain of this.chains) chain.refreshRoutes();
    for (const chain of this.#drained) chain.refreshRoutes();
  }

  refreshSecrets(): void {
    for (const chain of this.chains) chain.refreshSecrets();
  }

  /** Goes on accepting, but answers say close. */
  sayClose(): void {
    for (const chain of this.chains) chain.drain();
  }

  /** Stops accepting; answers say close. */
  drain(): void {
    if (this.#state === 'draining') return;
    this.#state = 'draining';
    this.#stopListening();
    for (const chain of this.chains) chain.drain();
  }

  /** Connections without a request in flight. */
  closeIdle(): void {
    for (const chain of [...this.chains, ...this.#drained]) chain.closeIdle();
  }

  close(): void {
    this.#state = 'draining';
    this.#stopListening();
    for (const socket of this.#inspecting) socket.destroy();
    for (const chain of [...this.chains, ...this.#drained]) chain.close();
  }

  #stopListening(): void {
    this.#admission.close();
    this.#listening?.close();
    this.#listening = undefined;
  }

  /** Ends what is left on chains that were removed. @returns what that was. */
  closeDrained(chains: readonly LiveChain[]): { readonly connections: number; readonly requests: number } {
    let [connections, requests] = [0, 0];
    for (const chain of chains) {
      chain.closeIdle();
      connections += chain.connections;
      requests += chain.activeRequests;
      chain.close();
      this.#drained.delete(chain);
    }
    return { connections, requests };
  }

  /** @returns chains that were removed while they had connections. */
  #build(compiled: CompiledListener): readonly LiveChain[] {
    const former = new Map(this.chains.map((chain) => [chain.fingerprint, chain]));
    const build = (one: CompiledListener['chains'][number]): LiveChain => {
      const kept = former.get(one.transportFingerprint);
      former.delete(one.transportFingerprint);
      if (kept === undefined) return new LiveChain(one, compiled, this.#deps);
      kept.update(one, compiled);
      return kept;
    };
    this.#chains = compiled.chains.map(build);
    this.#default = compiled.defaultChain === undefined ? undefined : build(compiled.defaultChain);
    for (const chain of this.#drained) if (chain.connections === 0) this.#drained.delete(chain);
    const draining: LiveChain[] = [];
    for (const chain of former.values()) {
      chain.drain();
      if (chain.connections === 0) continue;
      this.#drained.add(chain);
      draining.push(chain);
    }
    return draining;
  }

  #accept(socket: Socket): void {
    // Before anything else: an error without a handler ends the process.
    socket.on('error', ignore);
    const { original: wanted } = this.#compiled;
    if (wanted === 'ignored') {
      this.#take(socket, undefined);
      return;
    }
    const original = this.#deps.originalOf(socket);
    const next =
      original === undefined || wanted === 'known' ? undefined : this.#deps.listenerAt(original.address, original.port);
    (next ?? this).#take(socket, original);
  }

  /** @param original where the client was going, when that is not here. */
  #take(socket: Socket, original: OriginalDestination | undefined): void {
    const { stats } = this.#deps;
    stats.add(this.#accepted, 1);
    if (this.#ofWorker !== undefined) stats.add(this.#ofWorker, 1);
    const place = this.#admission.enter(socket);
    if (place === undefined) return;
    const { proxyProtocol, inspectTimeoutMs } = this.#compiled;
    if (proxyProtocol === undefined) {
      if (this.#admission.know(socket, place, plainAddress(socket.remoteAddress)))
        this.#inspect(socket, EMPTY, { original, client: undefined, place });
      return;
    }
    this.#inspecting.add(socket);
    readProxyHeader(
      socket,
      { rules: proxyProtocol, timers: this.#deps.timers, timeoutMs: inspectTimeoutMs },
      (client, rest) => {
        this.#inspecting.delete(socket);
        if (rest !== undefined) {
          const address = client?.source.address ?? plainAddress(socket.remoteAddress);
          if (this.#admission.know(socket, place, address)) this.#inspect(socket, rest, { original, client, place });
          return;
        }
        // Nobody is told why: who can not say where a connection comes from is not who should be in front.
        stats.add(this.#noProxyHeader, 1);
        place.leave();
        socket.destroy();
      },
    );
  }

  #inspect(socket: Socket, read: Buffer, told: Told): void {
    const { inspectTimeoutMs, continueOnTimeout, inspectionAt } = this.#compiled;
    const inspect = inspectionAt(told.original?.port ?? socket.localPort ?? 0);
    if (!inspect.tls) {
      this.#hand(socket, NOTHING_KNOWN, read, told);
      return;
    }
    this.#inspecting.add(socket);
    peek(
      socket,
      { timers: this.#deps.timers, timeoutMs: inspectTimeoutMs, continueOnTimeout, http: inspect.http, bytes: read },
      (facts, bytes) => {
        this.#inspecting.delete(socket);
        if (facts === undefined) {
          told.place.leave();
          socket.destroy();
        } else this.#hand(socket, facts, bytes, told);
      },
    );
  }

  #hand(socket: Socket, facts: FirstBytes, bytes: Buffer, { original, client, place }: Told): void {
    const connection = describe(this.#deps.ids.next(), socket, facts, { original, client, abuse: place.onAbuse });
    const chain =
      matchChain(this.#chains, {
        ...facts,
        destinationIp: connection.localAddress,
        destinationPort: connection.localPort,
        sourceIp: connection.remoteAddress,
      }) ?? this.#default;
    if (chain === undefined) {
      this.#deps.stats.add(this.#noChain, 1);
      this.#refuse(connection, facts);
      place.leave();
      socket.destroy();
      return;
    }
    connection.filterChain = chain.name;
    chain.take(socket, connection, bytes, place);
  }

  /** Plain bytes at a port that wants mutual TLS, or nothing that fits: no answer, but a log line. */
  #refuse(connection: DownstreamConnection, { transport }: FirstBytes): void {
    const reason = transport === 'tls' ? 'downstream-tls-failure' : 'plaintext-refused';
    (this.#chains[0] ?? this.#default)?.logRefused(connection, reason, 'no filter chain matches');
  }

  #onServerError(error: Error): void {
    this.#failure = errorMessage(error);
    if (this.#state === 'binding') this.#state = 'failed';
    this.#deps.logger.error({ listener: this.name, error: this.#failure }, 'listener failed');
  }
}

/** What others said of a connection. */
interface Told {
  /** Where it was going, when something redirected it here. */
  readonly original: OriginalDestination | undefined;
  readonly client: ProxyHeader['client'];
  readonly place: ConnectionPlace;
}

const EMPTY = Buffer.alloc(0);
const ignore = (): void => {};
