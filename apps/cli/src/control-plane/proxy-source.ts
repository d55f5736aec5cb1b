/** Pilot's record of connected proxies behind the console API's port; those that should be connected and are not count too. */
import { kindInfo, isKindName } from '@weft/contracts/config';
import { nodeId, type RegisteredWorkload } from '@weft/contracts';
import type { ProxyTypeSync } from '@weft/contracts/console-views';
import type { ProxyRecord, ProxySource } from '@weft/console-api';
import type { Pilot, ProxyStatus, TypeStatus } from '@weft/pilot';
import type { Clock } from '@weft/kit';
import type { FollowedRegistry } from './registry-source.ts';

const STATES = {
  SYNCED: 'synced',
  STALE: 'stale',
  'NOT SENT': 'not-sent',
  ERROR: 'rejected',
} as const satisfies Record<TypeStatus['state'], string>;
/** By the names that mesh people use. */
export const TYPE_NAMES = { cluster: 'CDS', endpoint: 'EDS', listener: 'LDS', route: 'RDS', nameTable: 'NDS' } as const;
const POLL_MS = 500;

export function createProxySource(pilot: Pilot, registry: FollowedRegistry, clock: Clock): ProxySource {
  const list = (): readonly ProxyRecord[] => {
    const connected = new Map(pilot.proxyStatus().map((status) => [status.id, status]));
    const known = registry.state().workloads.map((workload): ProxyRecord => {
      const id = nodeOf(workload);
      const status = connected.get(id);
      connected.delete(id);
      return {
        id,
        namespace: workload.namespace,
        name: workload.name,
        kind: workload.kind,
        adminAddress: workload.adminAddress,
        connected: status !== undefined,
        ...(status ? { connectedAt: status.connectedAt } : {}),
        sync: status ? syncOf(pilot, status) : [],
      };
    });
    // A real Envoy in place of a sidecar, or a gRPC client: connected without being registered.
    const others = [...connected.values()].map((status): ProxyRecord => ({
      id: status.id,
      namespace: status.namespace,
      name: status.workload,
      kind: status.id.startsWith('router~') ? 'gateway' : 'sidecar',
      connected: true,
      connectedAt: status.connectedAt,
      sync: syncOf(pilot, status),
    }));
    return [...known, ...others];
  };
  return {
    list,
    subscribe(changed) {
      let last = '';
      let over = false;
      const look = (): void => {
        if (over) return;
        const now = JSON.stringify(list());
        if (now !== last && last !== '') changed();
        last = now;
        clock.after(POLL_MS, look);
      };
      look();
      return () => {
        over = true;
      };
    },
  };
}

function nodeOf(workload: RegisteredWorkload): string {
  const { name, namespace, address, kind } = workload;
  return nodeId({ type: kind === 'gateway' ? 'router' : 'sidecar', ip: address, name, namespace });
}

function syncOf(pilot: Pilot, status: ProxyStatus): ProxyTypeSync[] {
  const types = Object.keys(status.types) as (keyof typeof TYPE_NAMES)[];
  return types.flatMap((type): ProxyTypeSync[] => {
    const record = status.types[type];
    if (!record) return [];
    const { nack, state, resources, ackedVersion } = record;
    return [
      {
        type: TYPE_NAMES[type],
        state: STATES[state],
        resources,
        ...(ackedVersion === undefined ? {} : { version: ackedVersion }),
        ...(nack
          ? { rejection: { message: nack.reason, at: nack.at, config: configOf(pilot, status.id, nack.resource) } }
          : {}),
      },
    ];
  });
}

/** The objects that a refused resource was made from. */
function configOf(pilot: Pilot, proxy: string, resource: string) {
  return pilot
    .explainSources(resource)
    .filter((item) => item.proxy === proxy)
    .flatMap((item) => item.sources)
    .map(({ kind, namespace, name }) => ({
      group: isKindName(kind) ? kindInfo(kind).group : '',
      kind,
      namespace,
      name,
    }));
}
