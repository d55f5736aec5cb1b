/** What each proxy has, and the worst of it in one word. Pure. */
import type { ProxyView, SyncState, WorkloadSummary } from '@weft/contracts/console-views';
import { proxyHealth } from '../health/health.ts';
import type { ProxyRecord } from '../ports.ts';

const SYNC_ORDER: readonly SyncState[] = ['rejected', 'stale', 'not-sent', 'synced'];

export function buildProxy(proxy: ProxyRecord, nowMs: number): ProxyView {
  const { id, namespace, name, kind, version, connected, connectedAt, adminAddress, sync } = proxy;
  return {
    id,
    namespace,
    name,
    kind,
    ...(version === undefined ? {} : { version }),
    connected,
    ...(connectedAt === undefined ? {} : { connectedAt }),
    ...(adminAddress === undefined ? {} : { adminAddress }),
    sync,
    health: proxyHealth(proxy, nowMs),
  };
}

/** `not-sent` alone is normal: a proxy that needs no routes gets none. */
export function syncOf(proxy: ProxyRecord | undefined): WorkloadSummary['proxy'] {
  if (!proxy?.connected) return 'disconnected';
  const states = new Set(proxy.sync.map(({ state }) => state));
  const worst = SYNC_ORDER.find((state) => states.has(state)) ?? 'not-sent';
  return worst === 'not-sent' && states.has('synced') ? 'synced' : worst;
}
