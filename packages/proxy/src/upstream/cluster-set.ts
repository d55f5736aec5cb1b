import { LOCAL_CLUSTER } from '@weft/contracts';
import type { Logger } from '@weft/kit';
import type { ClusterStatus, HostStatus } from '../ports.ts';
import { Cluster, type ClusterDeps } from './cluster.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { createResolver, type NameAnswer, type NameSharing, type Resolver } from './dns.ts';
import type { Host } from './host.ts';
import { type HostVerdict, VerdictBook } from './host-verdicts.ts';
import type { OwnZone } from './lb/balancer.ts';
import { DEFAULT_OVERPROVISIONING_PERCENT, type Endpoints, type HostFacts } from './host-facts.ts';

export interface ClusterSetDeps extends Omit<ClusterDeps, 'own' | 'verdictOn'> {
  readonly logger: Logger;
  /** "region/zone/subzone" of this proxy; empty when it is not known. */
  readonly locality: string;
  /** Who looks up names. */
  readonly names: NameSharing;
}

/** All live clusters by name. A cluster lives as long as its name; hosts, connections and balancer state with it. */
export class ClusterSet {
  readonly live: ReadonlyMap<string, Cluster>;
  readonly #clusters = new Map<string, Cluster>();
  readonly #deps: ClusterDeps;
  readonly #resolver: Resolver;
  #settings: ReadonlyMap<string, ClusterSettings> = new Map();
  #endpoints: ReadonlyMap<string, Endpoints> = new Map();
  /** What each cluster was last given, so that an unchanged one is left alone. */
  readonly #applied = new Map<string, { readonly settings: ClusterSettings; readonly facts: readonly HostFacts[] }>();

  readonly #verdicts = new VerdictBook();

  constructor(deps: ClusterSetDeps) {
    this.live = this.#clusters;
    this.#deps = {
      ...deps,
      own: () => this.#ownZone(deps.locality),
      verdictOn: (cluster, host, checked) => this.#verdicts.of(cluster, host, checked),
    };
    this.#resolver = createResolver({
      timers: deps.timers,
      sharing: deps.names,
      onChange: (name) => this.#refresh(name),
    });
  }

  /** Adds and changes; what is no longer named stays until `removeUnused`, so that routes never point into a gap. */
  apply(settings: ReadonlyMap<string, ClusterSettings>, endpoints: ReadonlyMap<string, Endpoints>): void {
    this.#settings = settings;
    this.#endpoints = endpoints;
    for (const name of settings.keys()) this.#refresh(name);
  }

  removeUnused(): void {
    for (const [name, cluster] of this.#clusters) {
      if (this.#settings.has(name)) continue;
      this.#clusters.delete(name);
      this.#applied.delete(name);
      this.#resolver.forget(name);
      cluster.retire();
    }
  }

  /** Who leads has found something of a host. */
  follow(verdict: HostVerdict): void {
    this.#verdicts.take(verdict);
    if (verdict.out !== undefined) this.#clusters.get(verdict.cluster)?.follow(verdict.host, verdict.out);
  }

  /** Another worker has looked up a name. */
  learn(answer: NameAnswer): void {
    this.#resolver.learn(answer);
  }

  status(): ClusterStatus[] {
    return [...this.#clusters.values()].map((cluster) => {
      const { limits } = cluster.circuit;
      return {
        name: cluster.name,
        maxConnections: limits.maxConnections,
        maxPendingRequests: limits.maxPending,
        maxRequests: limits.maxRequests,
        maxRetries: limits.maxRetries,
        hosts: cluster.hosts.map((host) => ({
          name: host.name,
          hostname: host.facts.hostname,
          healthy: host.availability === 'healthy',
          ...healthStatus(host),
          weight: host.facts.weight,
          priority: host.facts.priority,
          locality: host.facts.locality,
          activeConnections: host.pool?.connections ?? 0,
          totalConnections: host.totalConnections,
          activeRequests: host.activeRequests,
          totalRequests: host.totalRequests,
          failedRequests: host.failedRequests,
          connectFailures: host.connectFailures,
          timedOutRequests: host.timedOutRequests,
          pendingRequests: host.pool?.waiting ?? 0,
        })),
      };
    });
  }

  close(): void {
    this.#resolver.close();
    for (const cluster of this.#clusters.values()) cluster.close();
  }

  #refresh(name: string): void {
    const settings = this.#settings.get(name);
    if (settings === undefined) return;
    const facts = this.#factsOf(settings);
    const applied = this.#applied.get(name);
    if (applied !== undefined && applied.settings === settings && applied.facts === facts) return;
    let cluster = this.#clusters.get(name);
    if (cluster === undefined) {
      cluster = new Cluster(settings, this.#deps);
      this.#clusters.set(name, cluster);
    }
    cluster.update(settings, facts, this.#overprovisioningOf(settings));
    this.#applied.set(name, { settings, facts });
    if (name !== LOCAL_CLUSTER) return;
    for (const other of this.#clusters.values()) if (other.settings.lb.zoneAware !== undefined) other.rebalance();
  }

  #ownZone(locality: string): OwnZone | undefined {
    const peers = this.#clusters.get(LOCAL_CLUSTER)?.hosts;
    return peers === undefined || locality === '' ? undefined : { locality, peers };
  }

  #overprovisioningOf(settings: ClusterSettings): number {
    const known = settings.discovery === 'eds' ? this.#endpoints.get(settings.edsName) : undefined;
    return known?.overprovisioningPercent ?? DEFAULT_OVERPROVISIONING_PERCENT;
  }

  #factsOf(settings: ClusterSettings): readonly HostFacts[] {
    switch (settings.discovery) {
      case 'eds':
        return this.#endpoints.get(settings.edsName)?.hosts ?? NO_HOSTS;
      case 'static':
        return settings.staticHosts;
      case 'dns':
        return this.#resolver.resolve(settings);
      case 'original-dst':
        return NO_HOSTS;
    }
  }
}

type Health = Pick<HostStatus, 'healthFlags' | 'edsHealth' | 'successRate' | 'localOriginSuccessRate'>;

const EDS_HEALTH: Readonly<Record<HostFacts['health'], HostStatus['edsHealth']>> = {
  healthy: 'HEALTHY',
  degraded: 'DEGRADED',
  unhealthy: 'UNHEALTHY',
  draining: 'DRAINING',
};

function healthStatus({ facts, checkFailed, checkPending, ejected, outlier }: Host): Health {
  const { health } = facts;
  const flags: readonly (readonly [string, boolean])[] = [
    ['failed_active_hc', checkFailed],
    ['failed_outlier_check', ejected],
    ['failed_eds_health', health === 'unhealthy' || health === 'draining'],
    ['degraded_eds_health', health === 'degraded'],
    ['pending_active_hc', checkPending],
  ];
  return {
    healthFlags: flags.filter(([, set]) => set).map(([flag]) => flag),
    edsHealth: EDS_HEALTH[health],
    successRate: outlier?.answers.shownRate ?? -1,
    localOriginSuccessRate: outlier?.local.shownRate ?? -1,
  };
}

const NO_HOSTS: readonly HostFacts[] = [];
