import type { Random } from '@weft/kit';
import type { StatsSink } from '../../ports.ts';
import { Deadline, type TimerQueue } from '../../timers/timer-queue.ts';
import type { SharedCells } from '../../shared/shared-cells.ts';
import type { Host } from '../host.ts';
import { OUTLIER_CELLS, OutlierCounts } from './outlier-counts.ts';
import { EJECTION_KINDS, type EjectionKind, type OutlierSettings } from './outlier-settings.ts';
import { successRateThreshold } from './success-rate.ts';

export interface OutlierDeps {
  readonly cluster: string;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly stats: Pick<StatsSink, 'counter' | 'gauge' | 'add' | 'set'>;
  /** Where workers count together. */
  readonly shared: SharedCells;
  hosts(): readonly Host[];
  /** Where another worker decides: asks it to eject. */
  readonly suspect?: ((host: Host, kind: EjectionKind) => void) | undefined;
  /** Some host went out or came back. */
  onChange(): void;
}

const ANSWER_FAILED = 500;

/**
 * Takes hosts out that answer worse than they should, by Envoy's rules, and brings them back. Counting costs a few
 * additions; rates are looked at once an interval.
 */
export class OutlierDetection {
  readonly #deps: OutlierDeps;
  #settings: OutlierSettings;
  readonly #sweep = new Deadline(this, 0);
  readonly #slots: Slots;
  #ejected = 0;

  constructor(settings: OutlierSettings, deps: OutlierDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#slots = takeSlots(deps);
    if (deps.suspect === undefined) deps.timers.arm(this.#sweep, settings.intervalMs);
  }

  get ejected(): number {
    return this.#ejected;
  }

  /** After hosts or settings changed. Hosts that stay keep what is known of them. */
  update(settings: OutlierSettings): void {
    const { timers, suspect } = this.#deps;
    if (suspect === undefined && settings.intervalMs !== this.#settings.intervalMs)
      timers.arm(this.#sweep, settings.intervalMs);
    this.#settings = settings;
    this.#setEjected(this.#deps.hosts().filter((host) => host.ejected).length);
  }

  /** Another worker saw it fail as often as it may. */
  suspected(host: Host, kind: EjectionKind): void {
    this.#found(host, kind);
  }

  close(): void {
    this.#deps.timers.cancel(this.#sweep);
    for (const host of this.#deps.hosts()) {
      host.ejected = false;
      host.outlier = undefined;
    }
    this.#setEjected(0);
  }

  /** A host answered. */
  onStatus(host: Host, status: number): void {
    const counts = this.#countsOf(host);
    const success = status < ANSWER_FAILED;
    counts.answers.add(success);
    if (success) return counts.succeeded();
    const { consecutive5xx, consecutiveGateway } = this.#settings;
    if (status < 502 || status > 504) counts.noGatewayFailure();
    else if (counts.anotherGateway(consecutiveGateway)) this.#found(host, 'consecutive_gateway_failure');
    if (counts.another5xx(consecutive5xx)) this.#found(host, 'consecutive_5xx');
  }

  /** No answer came. @param status what it counts as when such failures are not kept apart. */
  onLocalFailure(host: Host, status: 503 | 504): void {
    if (!this.#settings.splitLocal) return this.onStatus(host, status);
    const counts = this.#countsOf(host);
    counts.local.add(false);
    if (counts.anotherLocal(this.#settings.consecutiveLocal)) this.#found(host, 'consecutive_local_origin_failure');
  }

  /** A connection was there for a request. @param final nothing more will tell of success (TCP). */
  onConnected(host: Host, final: boolean): void {
    if (this.#settings.splitLocal) {
      const counts = this.#countsOf(host);
      counts.local.add(true);
      counts.connected();
    } else if (final) this.onStatus(host, 200);
  }

  /** An active health check was passed. */
  onCheckPassed(host: Host): void {
    if (!host.ejected || !this.#settings.checkBringsBack) return;
    this.#bringBack(host);
    this.#deps.onChange();
  }

  onDeadline(): void {
    const { timers } = this.#deps;
    timers.arm(this.#sweep, this.#settings.intervalMs);
    const nowMs = timers.now();
    let changed = false;
    for (const host of this.#deps.hosts()) {
      const counts = this.#countsOf(host);
      if (this.#isDue(host, counts, nowMs)) {
        this.#bringBack(host);
        changed = true;
      } else if (!host.ejected && counts.backoff > 0) counts.backoff -= 1;
      counts.answers.turn();
      counts.local.turn();
    }
    this.#compare('answers', 'success_rate', 'failure_percentage');
    if (this.#settings.splitLocal)
      this.#compare('local', 'local_origin_success_rate', 'local_origin_failure_percentage');
    if (changed) this.#deps.onChange();
  }

  #isDue(host: Host, { backoff, ejectedAtMs, jitterMs }: OutlierCounts, nowMs: number): boolean {
    const { baseEjectionMs, maxEjectionMs } = this.#settings;
    return host.ejected && Math.min(baseEjectionMs * backoff, maxEjectionMs) + jitterMs <= nowMs - ejectedAtMs;
  }

  #bringBack(host: Host): void {
    host.ejected = false;
    host.outlier?.resetConsecutive();
    this.#setEjected(this.#ejected - 1);
  }

  /** Hosts among each other, by the calls of the last interval. */
  #compare(window: 'answers' | 'local', rateKind: EjectionKind, percentKind: EjectionKind): void {
    const { successRate, failurePercentage } = this.#settings;
    const rated = this.#deps.hosts().filter((host) => !host.ejected && this.#countsOf(host)[window].lastTotal > 0);
    const withVolume = (volume: number): Host[] =>
      rated.filter((host) => this.#countsOf(host)[window].lastTotal >= volume);
    for (const host of withVolume(Math.min(successRate.volume, failurePercentage.volume))) {
      const one = this.#countsOf(host)[window];
      one.shownRate = one.lastRate;
    }
    const rateOf = (host: Host): number => this.#countsOf(host)[window].lastRate;
    const comparable = withVolume(successRate.volume);
    if (comparable.length >= Math.max(1, successRate.minHosts)) {
      const { threshold } = successRateThreshold(comparable.map(rateOf), successRate.factor);
      for (const host of comparable) if (rateOf(host) < threshold) this.#found(host, rateKind);
    }
    const counted = withVolume(failurePercentage.volume);
    if (counted.length < Math.max(1, failurePercentage.minHosts)) return;
    for (const host of counted) if (100 - rateOf(host) >= failurePercentage.threshold) this.#found(host, percentKind);
  }

  #found(host: Host, kind: EjectionKind): void {
    if (host.ejected) return;
    const { stats, random, timers, suspect } = this.#deps;
    if (suspect !== undefined) return suspect(host, kind);
    const slots = this.#slots;
    stats.add(slots.detected[kind], 1);
    const { maxEjectionPercent, alwaysEjectOne, enforcing, jitterMs } = this.#settings;
    const percent = (100 * (this.#ejected + 1)) / this.#deps.hosts().length;
    if (percent > maxEjectionPercent && !(alwaysEjectOne && this.#ejected === 0)) {
      stats.add(slots.overflow, 1);
      return;
    }
    if (random.next() * 100 >= enforcing[kind]) return;
    const counts = this.#countsOf(host);
    host.ejected = true;
    counts.backoff += 1;
    counts.ejectedAtMs = timers.now();
    counts.jitterMs = jitterMs === 0 ? 0 : Math.floor(random.next() * jitterMs);
    stats.add(slots.enforced[kind], 1);
    stats.add(slots.enforcedTotal, 1);
    this.#setEjected(this.#ejected + 1);
    this.#deps.onChange();
  }

  #setEjected(count: number): void {
    this.#ejected = count;
    if (this.#deps.suspect === undefined) this.#deps.stats.set(this.#slots.active, count);
  }

  #countsOf(host: Host): OutlierCounts {
    const { cluster, shared } = this.#deps;
    host.outlier ??= new OutlierCounts(shared.open(`outlier ${cluster} ${host.name}`, OUTLIER_CELLS));
    return host.outlier;
  }
}

interface Slots {
  readonly active: number;
  readonly overflow: number;
  readonly enforcedTotal: number;
  readonly detected: Readonly<Record<EjectionKind, number>>;
  readonly enforced: Readonly<Record<EjectionKind, number>>;
}

function takeSlots({ cluster, stats }: OutlierDeps): Slots {
  const prefix = `cluster.${cluster}.outlier_detection.ejections_`;
  const each = (verb: string): Record<EjectionKind, number> => {
    const slots: Partial<Record<EjectionKind, number>> = {};
    for (const kind of EJECTION_KINDS) slots[kind] = stats.counter(`${prefix}${verb}_${kind}`);
    return slots as Record<EjectionKind, number>;
  };
  return {
    active: stats.gauge(`${prefix}active`),
    overflow: stats.counter(`${prefix}overflow`),
    enforcedTotal: stats.counter(`${prefix}enforced_total`),
    detected: each('detected'),
    enforced: each('enforced'),
  };
}
