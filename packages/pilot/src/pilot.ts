/** The control plane: configuration and registry in, xDS out. */
import type { ConfigStore, Problem } from '@weft/config';
import type { Clock, Logger, Random } from '@weft/kit';
import { createAdsServer, type AdsServer } from '@weft/xds';
import { createAdsSource, type ConnectedProxy } from './ads/ads-source.ts';
import { proxyStatusOf, type ProxyStatus } from './ads/proxy-status.ts';
import { READ_KINDS } from './config-store/mesh-config.ts';
import type { SourceRef } from './config-store/config-object.ts';
import { configz, registryz, syncz, type RegistryRow, type SyncRow } from './debug/debug-data.ts';
import { createEncoder } from './generators/encoder.ts';
import { PUSH_ORDER, type ResourceKind } from './generators/resource.ts';
import { createMetrics } from './metrics.ts';
import {
  DEFAULT_MESH_OPTIONS,
  DEFAULT_PUSH_OPTIONS,
  parseAccessLogFormat,
  type MeshOptions,
  type PushOptions,
} from './options.ts';
import { affectedBy } from './push/affected.ts';
import { classOf } from './push/change-class.ts';
import { createDebouncer } from './push/debouncer.ts';
import { createPushQueue } from './push/push-queue.ts';
import { awaitReceipt, type PushedProxy, type Receipt } from './push/receipt.ts';
import type { ServiceRegistry } from './registries/service-registry.ts';
import { buildSnapshot, type MeshSnapshot } from './snapshot/mesh-snapshot.ts';

export interface PilotDeps {
  readonly configStore: ConfigStore;
  readonly registry: ServiceRegistry;
  readonly meshOptions?: Partial<MeshOptions>;
  readonly pushOptions?: Partial<PushOptions>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** Runs later, after waiting input and output; default `setImmediate`. */
  readonly later?: (run: () => void) => void;
}

export interface Pilot {
  /** Both methods of ADS, to be added to a gRPC server. */
  readonly ads: AdsServer;
  /** False until configuration and registry have both been read once; proxies are turned away before. */
  ready(): boolean;
  /** @returns undefined until ready. */
  snapshot(): MeshSnapshot | undefined;
  proxyStatus(): readonly ProxyStatus[];
  /**
   * What becomes of the configuration that the store holds now: resolves when every connected proxy that the changes
   * since that snapshot concern has answered, at the latest after `waitMs`.
   */
  receipt(since: number, waitMs: number): Promise<Receipt>;
  /** What is wrong with objects that are served, beyond what the store says of them. */
  diagnostics(): readonly Problem[];
  /** Which objects made a resource, for each connected proxy that has it. */
  explainSources(resourceName: string): readonly ResourceSources[];
  /** In Prometheus' text form. */
  metrics(): string;
  readonly debug: {
    syncz(): readonly SyncRow[];
    configz(): ReturnType<typeof configz>;
    registryz(): readonly RegistryRow[];
  };
  close(): void;
}

export interface ResourceSources {
  readonly proxy: string;
  readonly kind: ResourceKind;
  readonly name: string;
  readonly version: string;
  readonly sources: readonly SourceRef[];
}

export function createPilot(deps: PilotDeps): Pilot {
  const { configStore, registry, clock, logger, random } = deps;
  const mesh: MeshOptions = { ...DEFAULT_MESH_OPTIONS, ...deps.meshOptions };
  // Said now, not at the first push.
  parseAccessLogFormat(mesh.accessLogEncoding, mesh.accessLogFormat);
  const later = deps.later ?? ((run: () => void) => void setImmediate(run));
  const metrics = createMetrics();
  const seconds = <T>(name: 'pilot_snapshot_build_time' | 'pilot_xds_push_time', run: () => T): T => {
    const startMs = clock.now();
    const result = run();
    metrics.observe(name, (clock.now() - startMs) / 1000);
    return result;
  };
  let snapshot: MeshSnapshot | undefined;
  // Changes seen, and those of them that the snapshot holds.
  let seen = 0;
  let held = 0;

  const source = createAdsSource({
    snapshot: () => snapshot,
    encoder: createEncoder(),
    queue: (push) =>
      createPushQueue({
        later,
        push: (session, affected) => seconds('pilot_xds_push_time', () => push(session, affected)),
      }),
    logger,
    onPushed: (kinds) => kinds.forEach((kind) => metrics.count('pilot_xds_pushes', kind)),
    onRejected: (typeUrl) => metrics.count('pilot_total_xds_rejects', typeUrl.slice(typeUrl.lastIndexOf('.') + 1)),
  });
  const ads = createAdsServer({
    source,
    authorize: (node, peer) => source.authorize(node, peer),
    clock,
    random,
    logger,
  });

  const ready = (): boolean => configStore.status().ready && registry.synced();
  const rebuild = (): void => {
    if (!ready()) return;
    held = seen;
    const former = snapshot;
    const version = (former?.version ?? 0) + 1;
    const next = seconds('pilot_snapshot_build_time', () =>
      buildSnapshot({ version, objects: configStore.list(), registry: registry.state(), mesh }),
    );
    const affected = affectedBy(former, next);
    // Nothing that a proxy can see: the former snapshot and its version stand.
    if (former && affected.kinds.size === 0 && affected.workloads.size === 0) {
      snapshot = { ...next, version: former.version };
      return;
    }
    snapshot = next;
    logger.debug({ version, kinds: [...affected.kinds], proxies: source.proxies().length }, 'snapshot');
    source.snapshotChanged(next, affected);
  };
  const debouncer = createDebouncer({
    clock,
    options: { ...DEFAULT_PUSH_OPTIONS, ...deps.pushOptions },
    push(waitedMs) {
      metrics.observe('pilot_debounce_time', waitedMs / 1000);
      rebuild();
    },
  });
  const endConfig = configStore.subscribe(({ changes }) => {
    if (snapshot && changes.length > 0 && !changes.some(({ object }) => READ_KINDS.has(object.kind))) return;
    metrics.count('pilot_push_triggers', 'config');
    seen += 1;
    debouncer.changed(classOf(changes));
  });
  const endRegistry = registry.subscribe(() => {
    metrics.count('pilot_push_triggers', 'endpoints');
    seen += 1;
    debouncer.changed('endpoints');
  });
  rebuild();

  const byConnection = (id: string): ConnectedProxy | undefined =>
    source.proxies().find((proxy) => proxy.facts.id === id);
  const proxyStatus = (): readonly ProxyStatus[] =>
    ads
      .connections()
      .map((connection) =>
        proxyStatusOf(connection, (kind) => byConnection(connection.node.id)?.resources.of(kind).keys() ?? []),
      )
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const pushed = (): readonly PushedProxy[] =>
    proxyStatus().map((status): PushedProxy => {
      const proxy = byConnection(status.id);
      return {
        status,
        changedVersion: proxy?.changedVersion ?? 0,
        queued: proxy !== undefined && source.queued(proxy),
      };
    });
  const built = (): (() => number | undefined) => {
    const wanted = seen;
    let version: number | undefined;
    return () => (version ??= held >= wanted ? snapshot?.version : undefined);
  };
  return {
    ads,
    ready: () => snapshot !== undefined,
    snapshot: () => snapshot,
    proxyStatus,
    receipt: (since, waitMs) => awaitReceipt({ clock, built, proxies: pushed }, since, waitMs),
    diagnostics: () => snapshot?.diagnostics ?? [],
    explainSources: (resourceName) =>
      source.proxies().flatMap(({ facts, resources }) =>
        PUSH_ORDER.flatMap((kind): readonly ResourceSources[] => {
          const resource = resources.of(kind).get(resourceName);
          return resource
            ? [{ proxy: facts.id, kind, name: resource.name, version: resource.version, sources: resource.sources }]
            : [];
        }),
      ),
    metrics: () =>
      metrics.render({
        pilot_xds: { help: 'Connected proxies.', value: ads.connections().length },
        pilot_services: { help: 'Services known.', value: snapshot?.services.length ?? 0 },
        pilot_virt_services: { help: 'Virtual services known.', value: snapshot?.config.virtualServices.length ?? 0 },
        pilot_snapshot_version: { help: 'Version of the current snapshot.', value: snapshot?.version ?? 0 },
      }),
    debug: {
      syncz: () => syncz(proxyStatus(), mesh.clusterId),
      configz: () => configz(configStore.list()),
      registryz: () => (snapshot ? registryz(snapshot) : []),
    },
    close() {
      endConfig();
      endRegistry();
      debouncer.close();
      ads.close();
    },
  };
}
