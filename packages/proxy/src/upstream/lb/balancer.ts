import type { Random } from '@weft/kit';
import { modulo64 } from '../hash/hash64.ts';
import type { Availability, Host } from '../host.ts';
import type { LbAlgorithm, LbAttempt, LbDeps, LbPolicy } from './lb-policy.ts';
import { byLocalityWeight, byZone, effectiveWeight, type LocalityHosts, zoneShares } from './locality-choice.ts';
import { inPanic, levelLoads, type LevelLoads } from './priority-load.ts';
import { type SlowStart, slowStartPart } from './slow-start.ts';

/** How a cluster chooses among its hosts, compiled. */
export interface LbSettings {
  readonly algorithm: LbAlgorithm;
  /** 0–100: below this share of available hosts all of a priority are used; 0 = never. */
  readonly panicThreshold: number;
  /** Localities by their weights, then a host in one. */
  readonly localityWeighted: boolean;
  readonly zoneAware: ZoneAware | undefined;
  readonly slowStart: SlowStart | undefined;
  /** States in which a host keeps the sessions bound to it. */
  readonly boundHealth: ReadonlySet<string>;
}

export interface ZoneAware {
  /** 0–1, of requests. */
  readonly routedPart: number;
  readonly minClusterSize: number;
  readonly failTrafficOnPanic: boolean;
}

/** The proxy's own place, and the instances of its own service, for zone-aware choice. */
export interface OwnZone {
  readonly locality: string;
  readonly peers: readonly Host[];
}

export interface BalancerInput {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly settings: LbSettings;
  /** 140 = a priority is taken to manage with 72 % of its hosts. */
  readonly overprovisioningPercent: number;
  readonly own: OwnZone | undefined;
  readonly random: Random;
  readonly now: () => number;
}

type Source = 'healthy' | 'degraded' | 'all';

interface Tier {
  readonly priority: number;
  readonly source: Source;
  readonly load: number;
  readonly policy: LbPolicy;
}

const NOBODY: LbPolicy = { pick: () => undefined };

/**
 * The choice of a host, in Envoy's order: priority, then healthy, degraded or (in a panic) all hosts, then locality, then
 * the algorithm. Made anew whenever hosts or their health change; algorithms go on from the former one's state.
 */
export class Balancer {
  readonly loads: LevelLoads;
  readonly #input: BalancerInput;
  readonly #levels: readonly Level[];
  readonly #tiers: readonly Tier[];
  /** By level and kind of hosts. */
  readonly #policies = new Map<string, LbPolicy>();
  /** The algorithms' own, also of single localities: what the next balancer goes on from. */
  readonly #parts = new Map<string, LbPolicy>();
  #former: Balancer | undefined;

  constructor(input: BalancerInput, former?: Balancer) {
    this.#input = input;
    this.#former =
      former !== undefined && former.#input.settings.algorithm.name === input.settings.algorithm.name
        ? former
        : undefined;
    this.#levels = levelsOf([...input.hosts.values()]);
    this.loads = levelLoads(
      this.#levels.map(({ all, healthy, degraded }) => ({
        total: all.length,
        healthy: healthy.length,
        degraded: degraded.length,
      })),
      input.overprovisioningPercent,
      input.settings.panicThreshold,
    );
    this.#tiers = this.#levels.flatMap((_, priority) => this.#tiersOf(priority));
    // Kept no longer than needed: else each balancer would hold all before it.
    this.#former = undefined;
  }

  pick(attempt: LbAttempt): Host | undefined {
    if (attempt.boundTo !== '') {
      const bound = this.#input.hosts.get(attempt.boundTo);
      if (bound !== undefined && this.#input.settings.boundHealth.has(boundState(bound))) return bound;
      if (attempt.boundStrictly) return undefined;
    }
    if (attempt.otherPriorityEvery > 0 && attempt.failedAttempts >= attempt.otherPriorityEvery)
      return this.#pickElsewhere(attempt);
    const tiers = this.#tiers;
    const [first] = tiers;
    if (first === undefined || tiers.length === 1) return first?.policy.pick(attempt);
    let drawn = this.#draw(attempt);
    for (const tier of tiers) {
      drawn -= tier.load;
      if (drawn < 0) return tier.policy.pick(attempt);
    }
    return undefined;
  }

  /** Uniform below 100; by the hash where there is one, so that a key stays in its priority. */
  #draw(attempt: LbAttempt): number {
    return attempt.hashed && this.#input.settings.algorithm.byHash
      ? modulo64(attempt.hashHigh, attempt.hashLow, 100)
      : this.#input.random.int(100);
  }

  /** Priorities that were tried count as having nobody, until all were. */
  #pickElsewhere(attempt: LbAttempt): Host | undefined {
    const { overprovisioningPercent, settings } = this.#input;
    const tried = new Set([...attempt.tried].map((host) => host.facts.priority));
    const health = this.#levels.map(({ all, healthy, degraded, priority }) =>
      tried.has(priority)
        ? { total: 0, healthy: 0, degraded: 0 }
        : { total: all.length, healthy: healthy.length, degraded: degraded.length },
    );
    const anybody = health.some(({ healthy, degraded }) => healthy + degraded > 0);
    const loads = anybody ? levelLoads(health, overprovisioningPercent, settings.panicThreshold) : this.loads;
    let drawn = this.#draw(attempt);
    for (const source of ['healthy', 'degraded'] as const) {
      for (const [i, load] of loads[source].entries()) {
        drawn -= load;
        if (drawn >= 0) continue;
        return this.#policyOf(i, loads.panic[i] === true ? 'all' : source).pick(attempt);
      }
    }
    return undefined;
  }

  #tiersOf(level: number): Tier[] {
    const { healthy, degraded, panic } = this.loads;
    const tier = (source: Source, load: number): Tier[] =>
      load === 0 ? [] : [{ priority: level, source, load, policy: this.#policyOf(level, source) }];
    return [
      ...tier(panic[level] === true ? 'all' : 'healthy', healthy[level] ?? 0),
      ...tier('degraded', degraded[level] ?? 0),
    ];
  }

  #policyOf(index: number, source: Source): LbPolicy {
    const key = `${index} ${source}`;
    let policy = this.#policies.get(key);
    if (policy === undefined) {
      policy = this.#buildPolicy(index, source);
      this.#policies.set(key, policy);
    }
    return policy;
  }

  #buildPolicy(index: number, source: Source): LbPolicy {
    const { settings, random } = this.#input;
    const level = this.#levels[index];
    if (level === undefined) return NOBODY;
    const open = level[source];
    const key = `${index} ${source}`;
    // In a panic localities do not count any more.
    if (source === 'all') return this.#create(key, open, this.#weightOf());
    const localities = localitiesOf(level.all, source);
    if (settings.algorithm.byHash) return this.#create(key, open, this.#hashWeight(localities));
    if (settings.localityWeighted) {
      const weighted = localities
        .map((locality) => ({ locality, weight: effectiveWeight(locality, this.#input.overprovisioningPercent) }))
        .filter(({ weight }) => weight > 0)
        .map(({ locality, weight }) => ({
          weight,
          policy: this.#create(`${key} ${locality.name}`, locality.open, this.#weightOf()),
        }));
      const [only] = weighted;
      if (only !== undefined) return weighted.length === 1 ? only.policy : byLocalityWeight(weighted, random);
    }
    const plain = this.#create(key, open, this.#weightOf());
    return (
      (level.priority === 0 && source === 'healthy' ? this.#zoneAware(key, localities, plain) : undefined) ?? plain
    );
  }

  /** @returns undefined where zones do not decide. */
  #zoneAware(key: string, localities: readonly LocalityHosts[], plain: LbPolicy): LbPolicy | undefined {
    const { settings, own, random } = this.#input;
    const { zoneAware } = settings;
    if (zoneAware === undefined || own === undefined || zoneAware.routedPart === 0) return undefined;
    const here = localities.find(({ name }) => name === own.locality);
    const open = localities.reduce((sum, locality) => sum + locality.open.length, 0);
    if (here === undefined || here.open.length === 0 || localities.length < 2 || open < zoneAware.minClusterSize)
      return undefined;
    const healthyPeers = own.peers.filter((peer) => peer.availability === 'healthy');
    if (healthyPeers.length === 0) return undefined;
    if (inPanic({ total: own.peers.length, healthy: healthyPeers.length, degraded: 0 }, settings.panicThreshold))
      return zoneAware.failTrafficOnPanic ? NOBODY : undefined;
    const ordered = [here, ...localities.filter((locality) => locality !== here)];
    const callers = ordered.map(({ name }) => healthyPeers.filter((peer) => peer.facts.locality === name).length);
    const shares = zoneShares(
      callers,
      ordered.map((locality) => locality.open.length),
    );
    const zoned = byZone(
      ordered.map((locality) => this.#create(`${key} ${locality.name}`, locality.open, this.#weightOf())),
      shares,
      random,
    );
    if (zoneAware.routedPart >= 1) return zoned;
    return { pick: (attempt) => (random.next() < zoneAware.routedPart ? zoned : plain).pick(attempt) };
  }

  #create(key: string, hosts: readonly Host[], weightOf: LbDeps['weightOf']): LbPolicy {
    const { settings, random } = this.#input;
    const nowMs = this.#input.now();
    const { slowStart } = settings;
    const weightsMove =
      slowStart !== undefined && hosts.some((host) => nowMs - host.inServiceSinceMs < slowStart.windowMs);
    const former = this.#former;
    const state = former === undefined ? undefined : former.#parts.get(key);
    const policy = settings.algorithm.create(hosts, { random, weightOf, weightsMove }, state);
    this.#parts.set(key, policy);
    return policy;
  }

  #weightOf(): LbDeps['weightOf'] {
    const { settings, now } = this.#input;
    const { slowStart } = settings;
    if (slowStart === undefined || settings.algorithm.byHash) return (host) => host.facts.weight;
    return (host) => host.facts.weight * slowStartPart(slowStart, now() - host.inServiceSinceMs);
  }

  /** In one table over all localities, a host has its part of its locality's weight. */
  #hashWeight(localities: readonly LocalityHosts[]): LbDeps['weightOf'] {
    if (!this.#input.settings.localityWeighted || localities.every(({ weight }) => weight === 0))
      return (host) => host.facts.weight;
    const perWeight = new Map(
      localities.map(({ name, weight, open }) => [
        name,
        weight / open.reduce((sum, host) => sum + host.facts.weight, 0),
      ]),
    );
    return (host) => host.facts.weight * (perWeight.get(host.facts.locality) ?? 0);
  }
}

interface Level {
  readonly priority: number;
  readonly all: readonly Host[];
  readonly healthy: readonly Host[];
  readonly degraded: readonly Host[];
}

function levelsOf(hosts: readonly Host[]): Level[] {
  const priorities = [...new Set(hosts.map((host) => host.facts.priority))].sort((a, b) => a - b);
  return priorities.map((priority) => {
    const all = hosts.filter((host) => host.facts.priority === priority);
    const of = (availability: Availability): Host[] => all.filter((host) => host.availability === availability);
    return { priority, all, healthy: of('healthy'), degraded: of('degraded') };
  });
}

function localitiesOf(all: readonly Host[], source: Availability): LocalityHosts[] {
  const names = [...new Set(all.map((host) => host.facts.locality))];
  return names.map((name) => {
    const hosts = all.filter((host) => host.facts.locality === name);
    return {
      name,
      weight: hosts[0]?.facts.localityWeight ?? 0,
      total: hosts.length,
      open: hosts.filter((host) => host.availability === source),
    };
  });
}

/** A host that drains takes no new callers, but may keep those it has. */
const boundState = (host: Host): string =>
  host.availability === 'unhealthy' && host.facts.health === 'draining' && !host.ejected && !host.checkFailed
    ? 'draining'
    : host.availability;
