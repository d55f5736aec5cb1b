import type { Random } from '@weft/kit';
import type { StatsSink } from '../../ports.ts';
import type { TakeBytes } from '../../sockets/byte-reader.ts';
import { Deadline, type DeadlineOwner, type TimerQueue } from '../../timers/timer-queue.ts';
import type { Connecting, ConnectOutcome } from '../connector.ts';
import type { Host } from '../host.ts';
import type { HostPools } from '../pool/host-pools.ts';
import { afterProbe, type CheckState, jitterOf, UNKNOWN_STATE, waitAfterMs } from './check-state.ts';
import type { HealthCheckSettings } from './health-check-settings.ts';
import { GrpcProbe, HttpProbe } from './http-probe.ts';
import type { Probe, ProbeOwner, ProbeResult } from './probe.ts';
import { TcpProbe } from './tcp-probe.ts';

export interface HealthCheckDeps {
  readonly cluster: string;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly stats: Pick<StatsSink, 'counter' | 'gauge' | 'add' | 'set'>;
  hosts(): readonly Host[];
  /** Connections of the checks' own. @param port another port of the same host. */
  makePools(host: Host, port: number | undefined): HostPools;
  /** By which name a host is asked for this authority; empty = the one of its settings. */
  asks(authority: string): string;
  openRaw(host: Host, port: number | undefined, take: TakeBytes, outcome: ConnectOutcome): Connecting;
  /** Some host became healthy or ceased to be. */
  onChange(): void;
  onPassed(host: Host): void;
}

/**
 * Asks every host of a cluster whether it is well. As long as no host has answered, all are taken to be; then one that
 * joins has to answer first.
 */
export class HealthChecks {
  readonly #deps: HealthCheckDeps;
  #settings: HealthCheckSettings;
  readonly #checks = new Map<Host, HostCheck>();
  readonly #slots: Slots;
  #anyKnown = false;

  constructor(settings: HealthCheckSettings, deps: HealthCheckDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#slots = takeSlots(deps);
  }

  /** After hosts or settings changed. A host that stays keeps its state, also under other settings. */
  update(settings: HealthCheckSettings): void {
    const hosts = new Set(this.#deps.hosts());
    const changed = JSON.stringify(settings) !== JSON.stringify(this.#settings);
    this.#settings = settings;
    for (const [host, check] of this.#checks) {
      if (!hosts.has(host)) {
        check.close();
        this.#checks.delete(host);
      } else if (changed) check.restart(settings);
    }
    for (const host of hosts) {
      if (this.#checks.has(host)) continue;
      host.checkPending = this.#anyKnown;
      const check = new HostCheck(host, settings, this.#deps, this.#slots, () => this.#onState(host, check));
      this.#checks.set(host, check);
      check.start();
    }
    this.#countHealthy();
  }

  close(): void {
    for (const [host, check] of this.#checks) {
      check.close();
      host.checkFailed = false;
      host.checkPending = false;
    }
    this.#checks.clear();
    this.#deps.stats.set(this.#slots.healthy, 0);
  }

  #onState(host: Host, { state }: HostCheck): void {
    this.#anyKnown = true;
    const wasOut = host.checkFailed || host.checkPending;
    host.checkPending = false;
    host.checkFailed = !state.healthy;
    if (wasOut === host.checkFailed) return;
    if (wasOut) host.inServiceSinceMs = this.#deps.timers.now();
    this.#countHealthy();
    this.#deps.onChange();
  }

  #countHealthy(): void {
    let healthy = 0;
    for (const { state } of this.#checks.values()) if (state.healthy) healthy += 1;
    this.#deps.stats.set(this.#slots.healthy, healthy);
  }
}

const WAIT = 0;
const TIMEOUT = 1;

/** The questions to one host, one after the other. */
class HostCheck implements DeadlineOwner, ProbeOwner {
  state: CheckState = UNKNOWN_STATE;
  readonly #host: Host;
  readonly #deps: HealthCheckDeps;
  readonly #slots: Slots;
  readonly #onState: () => void;
  readonly #wait = new Deadline(this, WAIT);
  readonly #timeout = new Deadline(this, TIMEOUT);
  #settings: HealthCheckSettings;
  #pools: HostPools | undefined;
  #probe: Probe | undefined;

  constructor(host: Host, settings: HealthCheckSettings, deps: HealthCheckDeps, slots: Slots, onState: () => void) {
    this.#host = host;
    this.#settings = settings;
    this.#deps = deps;
    this.#slots = slots;
    this.#onState = onState;
  }

  start(): void {
    const { timers, random } = this.#deps;
    const waitMs = Math.round(jitterOf(this.#settings.initialJitterMs, random));
    if (waitMs > 0) timers.arm(this.#wait, waitMs);
    else this.#ask();
  }

  /** With other settings; the state stays. */
  restart(settings: HealthCheckSettings): void {
    this.#stop();
    this.#settings = settings;
    this.start();
  }

  close(): void {
    this.#stop();
  }

  onDeadline(kind: number): void {
    if (kind === WAIT) {
      this.#ask();
      return;
    }
    this.#probe?.cancel();
    this.onProbed('no-answer');
  }

  onProbed(result: ProbeResult): void {
    const { timers, random, stats, hosts } = this.#deps;
    this.#probe = undefined;
    timers.cancel(this.#timeout);
    if (!this.#settings.reuseConnection) this.#dropPools();
    stats.add(result === 'passed' ? this.#slots.success : this.#slots.failure, 1);
    if (result === 'no-answer') stats.add(this.#slots.networkFailure, 1);
    this.state = afterProbe(this.state, result, this.#settings);
    const hasTraffic = hosts().some(({ totalRequests }) => totalRequests > 0);
    timers.arm(this.#wait, waitAfterMs(this.state, this.#settings, hasTraffic, random));
    this.#onState();
    if (result === 'passed') this.#deps.onPassed(this.#host);
  }

  #ask(): void {
    const { timers, stats } = this.#deps;
    const { probe, timeoutMs, port } = this.#settings;
    stats.add(this.#slots.attempt, 1);
    timers.arm(this.#timeout, timeoutMs);
    if (probe.kind === 'tcp') {
      const tcp = new TcpProbe(probe, this);
      this.#probe = tcp;
      tcp.start((take, outcome) => this.#deps.openRaw(this.#host, port, take, outcome));
      return;
    }
    this.#pools ??= this.#deps.makePools(this.#host, port);
    const exchange =
      probe.kind === 'http'
        ? new HttpProbe(probe, this.#pools.choose(false, false, undefined, this.#deps.asks(probe.host)), this)
        : new GrpcProbe(probe, this.#pools.choose(true, false, undefined, this.#deps.asks(probe.authority)), this);
    this.#probe = exchange;
    exchange.start();
  }

  #stop(): void {
    const { timers } = this.#deps;
    timers.cancel(this.#wait);
    timers.cancel(this.#timeout);
    this.#probe?.cancel();
    this.#probe = undefined;
    this.#dropPools();
  }

  #dropPools(): void {
    this.#pools?.close();
    this.#pools = undefined;
  }
}

interface Slots {
  readonly attempt: number;
  readonly success: number;
  readonly failure: number;
  readonly networkFailure: number;
  readonly healthy: number;
}

function takeSlots({ cluster, stats }: HealthCheckDeps): Slots {
  const prefix = `cluster.${cluster}.health_check.`;
  return {
    attempt: stats.counter(`${prefix}attempt`),
    success: stats.counter(`${prefix}success`),
    failure: stats.counter(`${prefix}failure`),
    networkFailure: stats.counter(`${prefix}network_failure`),
    healthy: stats.gauge(`${prefix}healthy`),
  };
}
