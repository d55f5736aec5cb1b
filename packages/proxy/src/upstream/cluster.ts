import type { Random } from '@weft/kit';
import type { StatsSink } from '../ports.ts';
import type { TimerQueue } from '../timers/timer-queue.ts';
import type { OpenMarked } from '../sockets/native-sockets.ts';
import type { ReadBuffers } from '../sockets/byte-reader.ts';
import type { WriteSlabs } from '../sockets/write-slabs.ts';
import type { TakeBytes } from '../sockets/byte-reader.ts';
import type { ConnectionIds } from '../http/connection-ids.ts';
import { H2Counters } from '../http2/connection/counters.ts';
import type { H2Shared } from '../http2/connection/h2-connection.ts';
import { PRIVATE_CELLS, type SharedCells } from '../shared/shared-cells.ts';
import { askedName } from './asked-name.ts';
import { Circuit, CIRCUIT_CELLS, type CircuitLimits } from './circuit.ts';
import type { ClusterSettings, TransportChoice } from './cluster-settings.ts';
import { type Connecting, type ConnectOutcome, openConnection } from './connector.ts';
import { HealthChecks } from './health/health-checks.ts';
import { Host } from './host.ts';
import { type HostVerdicts, type OutOfService, VerdictTeller } from './host-verdicts.ts';
import { DEFAULT_OVERPROVISIONING_PERCENT, type HostFacts, hostName } from './host-facts.ts';
import { Balancer, type OwnZone } from './lb/balancer.ts';
import type { LbAttempt } from './lb/lb-policy.ts';
import { OutlierDetection } from './outlier/outlier-detection.ts';
import type { EjectionKind } from './outlier/outlier-settings.ts';
import { OriginalHosts } from './original-hosts.ts';
import type { HostPool } from './pool/host-pool.ts';
import { writeProxyHeader } from '../proxy-protocol/header.ts';
import { type Caller, HostPools } from './pool/host-pools.ts';
import type { Speaks } from './pool/speaks.ts';

export interface ClusterDeps {
  /** Makes the sockets of connections; undefined leaves that to Node. */
  readonly openMarked: OpenMarked | undefined;
  /** True for addresses that this proxy listens on. */
  isOwnListener(address: string, port: number): boolean;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly readBuffers: ReadBuffers;
  readonly slabs: WriteSlabs;
  readonly stats: StatsSink;
  /** Where workers count together. */
  readonly shared: SharedCells;
  readonly verdicts: HostVerdicts;
  /** What who leads has found of a host, for those who follow. */
  verdictOn(cluster: string, host: string, checked: boolean): OutOfService;
  /** Where this proxy is, and its peers, as far as that is known. */
  own(): OwnZone | undefined;
  readonly http2: H2Shared;
  readonly ids: ConnectionIds;
}

/** One live upstream service: its hosts, their connections, the balancer's state and what is in flight. */
export class Cluster {
  settings: ClusterSettings;
  readonly circuit: Circuit;
  readonly #deps: ClusterDeps;
  #hosts = new Map<string, Host>();
  #balancer: Balancer;
  #overprovisioningPercent = DEFAULT_OVERPROVISIONING_PERCENT;
  #outlier: OutlierDetection | undefined;
  #checks: HealthChecks | undefined;
  #original: OriginalHosts | undefined;
  readonly #teller: VerdictTeller | undefined;
  #http2Counters: H2Counters | undefined;
  #closed = false;
  #pausedSlot: number | undefined;

  constructor(settings: ClusterSettings, deps: ClusterDeps) {
    this.settings = settings;
    this.#deps = deps;
    const { stats } = deps;
    this.circuit = new Circuit(
      settings.circuit,
      (counter) => stats.add(stats.counter(`cluster.${settings.name}.${counter}`), 1),
      deps.shared.open(`circuit ${settings.name}`, CIRCUIT_CELLS),
    );
    const { tell } = deps.verdicts;
    if (tell !== undefined) this.#teller = new VerdictTeller(settings.name, tell);
    this.#balancer = this.#balance();
    this.#updateOriginal();
  }

  get name(): string {
    return this.settings.name;
  }

  get hosts(): readonly Host[] {
    return this.#original === undefined ? [...this.#hosts.values()] : this.#original.hosts;
  }

  /** A host is not read for a while, since a client takes its answer more slowly than it comes. */
  countPausedReading(): void {
    const { stats } = this.#deps;
    this.#pausedSlot ??= stats.counter(`cluster.${this.name}.upstream_flow_control_paused_reading_total`);
    stats.add(this.#pausedSlot, 1);
  }

  /** Present when callers say where to go, so that there is nothing to balance. */
  get original(): OriginalHosts | undefined {
    return this.#original;
  }

  /** Hosts of the same address keep their connections; pools end where the way to speak changed. */
  update(
    settings: ClusterSettings,
    facts: readonly HostFacts[],
    overprovisioningPercent: number = DEFAULT_OVERPROVISIONING_PERCENT,
  ): void {
    const transportChanged = settings.transportFingerprint !== this.settings.transportFingerprint;
    this.settings = settings;
    this.circuit.limits = settings.circuit;
    const former = this.#hosts;
    const hosts = new Map<string, Host>();
    for (const one of facts) {
      const name = hostName(one);
      const host = former.get(name) ?? this.#newHost(one);
      const speaksOtherwise =
        transportChanged || JSON.stringify(host.facts.transportMatch) !== JSON.stringify(one.transportMatch);
      host.facts = one;
      if (speaksOtherwise) dropPool(host);
      hosts.set(name, host);
    }
    for (const [name, host] of former) if (!hosts.has(name)) dropPool(host);
    this.#hosts = hosts;
    this.#overprovisioningPercent = overprovisioningPercent;
    this.#updateOutlier();
    this.#updateChecks();
    this.rebalance();
    if (transportChanged) for (const host of this.#original?.hosts ?? []) dropPool(host);
    this.#updateOriginal();
  }

  #newHost(facts: HostFacts): Host {
    const host = new Host(facts, this.#deps.timers.now());
    const { verdicts, verdictOn } = this.#deps;
    if (!verdicts.leads) Object.assign(host, verdictOn(this.name, host.name, this.settings.healthCheck !== undefined));
    return host;
  }

  /** Who leads has found something of a host. */
  follow(hostName: string, out: OutOfService): void {
    const host = this.#hosts.get(hostName);
    if (host === undefined) return;
    const wasOut = host.checkFailed || host.checkPending;
    Object.assign(host, out);
    if (wasOut && !host.checkFailed && !host.checkPending) host.inServiceSinceMs = this.#deps.timers.now();
    this.rebalance();
  }

  /** A follower saw a host fail as often as it may. */
  suspected(hostName: string, kind: EjectionKind): void {
    const host = this.#hosts.get(hostName);
    if (host !== undefined) this.#outlier?.suspected(host, kind);
  }

  #updateOriginal(): void {
    const { original } = this.settings;
    if (original === undefined) {
      for (const host of this.#original?.hosts ?? []) dropPool(host);
      this.#original?.close();
      this.#original = undefined;
    } else if (this.#original === undefined) {
      const { timers, isOwnListener } = this.#deps;
      this.#original = new OriginalHosts(original, { timers, isOwnListener, onForgotten: dropPool });
    } else this.#original.options = original;
  }

  /** Where to tell how hosts behave; undefined where nobody asks. */
  get outlier(): OutlierDetection | undefined {
    return this.#outlier;
  }

  #updateOutlier(): void {
    const { outlier, name } = this.settings;
    if (outlier === undefined) {
      this.#outlier?.close();
      this.#outlier = undefined;
    } else if (this.#outlier === undefined) {
      const { timers, random, stats, shared, verdicts } = this.#deps;
      // Where callers say where to go, each worker has hosts of its own, and decides on them.
      const alone = this.settings.original !== undefined;
      this.#outlier = new OutlierDetection(outlier, {
        cluster: name,
        timers,
        random,
        stats,
        shared: alone ? PRIVATE_CELLS : shared,
        suspect: alone || verdicts.leads ? undefined : (host, kind) => verdicts.suspect(name, host.name, kind),
        hosts: () => this.hosts,
        onChange: () => this.rebalance(),
      });
    } else this.#outlier.update(outlier);
  }

  #updateChecks(): void {
    const { healthCheck, name } = this.settings;
    if (healthCheck === undefined || !this.#deps.verdicts.leads) {
      this.#checks?.close();
      this.#checks = undefined;
      return;
    }
    if (this.#checks === undefined) {
      const { timers, random, stats } = this.#deps;
      const circuit = new Circuit(UNLIMITED);
      this.#checks = new HealthChecks(healthCheck, {
        cluster: name,
        timers,
        random,
        stats,
        hosts: () => [...this.#hosts.values()],
        makePools: (host, port) => this.#makePools(host, circuit, port),
        asks: (authority) => (this.settings.http.autoSni ? askedName(authority) : ''),
        openRaw: (host, port, take, outcome) =>
          this.#open(atPort(host.facts, port), 'tcp', undefined, '', take, outcome),
        onChange: () => this.rebalance(),
        onPassed: (host) => this.#outlier?.onCheckPassed(host),
      });
    }
    this.#checks.update(healthCheck);
  }

  /** After hosts changed, or their health. */
  rebalance(): void {
    this.#balancer = this.#balance(this.#balancer);
    this.#teller?.tell(this.#hosts);
  }

  #balance(former?: Balancer): Balancer {
    const { timers, random } = this.#deps;
    return new Balancer(
      {
        hosts: this.#hosts,
        settings: this.settings.lb,
        overprovisioningPercent: this.#overprovisioningPercent,
        own: this.#deps.own(),
        random,
        now: () => timers.now(),
      },
      former,
    );
  }

  pick(attempt: LbAttempt): Host | undefined {
    return this.#balancer.pick(attempt);
  }

  /**
   * @param upgrade whether the request wants to become a tunnel.
   * @param caller who is told of, where hosts are told.
   * @param asked see `askedBy`.
   */
  poolOf(
    host: Host,
    callerSpeaksHttp2: boolean,
    upgrade: boolean,
    caller: Caller | undefined,
    asked: string,
  ): HostPool {
    host.pool ??= this.#makePools(host, this.circuit);
    return host.pool.choose(callerSpeaksHttp2, upgrade, caller, asked);
  }

  /** @param port for checks: another port of the host, where a check's failure is no failure of a request. */
  #makePools(host: Host, circuit: Circuit, port?: number): HostPools {
    const checks = circuit !== this.circuit;
    return new HostPools({
      circuit,
      timers: this.#deps.timers,
      ids: this.#deps.ids,
      http: () => this.settings.http,
      http2: this.#deps.http2,
      slabs: this.#deps.slabs,
      http2Counters: () => (this.#http2Counters ??= new H2Counters(this.#deps.stats, `cluster.${this.name}.http2.`)),
      secure: this.isSecure(host),
      perCaller: this.#transport(host.facts)?.proxyProtocol !== undefined,
      connect: (speaks, caller, asked, take, outcome) => {
        if (!checks) host.totalConnections += 1;
        return this.#open(atPort(host.facts, port), speaks, caller, asked, take, outcome);
      },
      onConnectFailed: () => {
        if (!checks) host.connectFailures += 1;
      },
    });
  }

  /** A connection of its own, for the raw TCP path. Its caller counts it in the circuit. */
  openRaw(host: Host, caller: Caller, take: TakeBytes, outcome: ConnectOutcome): Connecting {
    const { keepalive } = this.settings.http;
    const kept: ConnectOutcome =
      keepalive === undefined
        ? outcome
        : {
            onConnected: (socket, peer) => {
              keepalive(socket);
              outcome.onConnected(socket, peer);
            },
            onConnectFailed: (failure, detail) => outcome.onConnectFailed(failure, detail),
          };
    return this.#open(host.facts, 'tcp', caller, '', take, kept);
  }

  /** Whether connections to this host are encrypted. */
  isSecure(host: Host): boolean {
    return this.#transport(host.facts)?.tls !== undefined;
  }

  /** No new requests; those in flight finish. */
  retire(): void {
    this.#checks?.close();
    this.#checks = undefined;
    this.#outlier?.close();
    this.#outlier = undefined;
    for (const host of this.hosts) dropPool(host);
    this.#original?.close();
    this.#teller?.tell(new Map());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#checks?.close();
    this.#outlier?.close();
    for (const host of this.hosts) host.pool?.close();
    this.#original?.close();
  }

  #transport(facts: HostFacts): TransportChoice | undefined {
    return this.settings.transports.find(({ match }) =>
      Object.entries(match).every(([key, value]) => facts.transportMatch[key] === value),
    );
  }

  #open(
    facts: HostFacts,
    speaks: Speaks | 'tcp',
    caller: Caller | undefined,
    asked: string,
    take: TakeBytes,
    outcome: ConnectOutcome,
  ): Connecting {
    const transport = this.#transport(facts);
    const version = transport?.proxyProtocol;
    return openConnection(
      {
        facts,
        asked,
        tls: transport?.tls?.[speaks],
        preamble: version === undefined ? undefined : proxyHeaderFor(version, caller),
        timeoutMs: this.settings.connectTimeoutMs,
        sourceAddress: this.settings.sourceAddress,
        openMarked: this.#deps.openMarked,
        bufferBytes: this.settings.bufferBytes,
        readBuffer: speaks === 'tcp' ? this.#deps.readBuffers.raw : this.#deps.readBuffers.http,
        timers: this.#deps.timers,
      },
      take,
      outcome,
    );
  }
}

// Checks must get through when the cluster is busiest.
const UNLIMITED: CircuitLimits = {
  maxConnections: Infinity,
  maxPending: Infinity,
  maxRequests: Infinity,
  maxRetries: Infinity,
  retryBudget: undefined,
};

/** Connections of our own have no caller, and say so. */
function proxyHeaderFor(version: 1 | 2, caller: Caller | undefined): Buffer {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = caller ?? {};
  return writeProxyHeader(
    version,
    { address: remoteAddress, port: remotePort },
    { address: localAddress, port: localPort },
  );
}

const atPort = (facts: HostFacts, port: number | undefined): HostFacts =>
  port === undefined ? facts : { ...facts, port };

function dropPool(host: Host): void {
  host.pool?.retire();
  host.pool = undefined;
}
