/** Everything a view needs, read once, so that one answer never mixes two moments. */
import type { RegisteredWorkload } from '@weft/contracts';
import type { ConsoleSources, ProxyRecord, ServiceRecord } from '../ports.ts';
import { type CallStats, callsOf } from './calls.ts';

export interface Picture {
  readonly nowMs: number;
  readonly windowMs: number;
  /** How much of the window was measured: what counts are divided by. */
  readonly measuredMs: number;
  readonly calls: readonly CallStats[];
  readonly services: readonly ServiceRecord[];
  readonly workloads: readonly RegisteredWorkload[];
  readonly proxies: readonly ProxyRecord[];
}

export function takePicture(
  sources: Pick<ConsoleSources, 'telemetry' | 'registry' | 'proxies'>,
  nowMs: number,
  windowMs: number,
): Picture {
  return {
    nowMs,
    windowMs,
    measuredMs: sources.telemetry.covered({ windowMs, atMs: nowMs }),
    calls: callsOf(sources.telemetry.rates({ windowMs, atMs: nowMs })),
    services: sources.registry.services(),
    workloads: sources.registry.workloads(),
    proxies: sources.proxies.list(),
  };
}

/** Namespace and name in one key; neither can hold a slash. */
export const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;

export function groupBy<T>(
  items: readonly T[],
  key: (item: T) => string | undefined,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    if (name === undefined) continue;
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}

/** The calls of a picture by who made and who got them. */
export interface CallIndex {
  readonly toWorkload: ReadonlyMap<string, readonly CallStats[]>;
  readonly fromWorkload: ReadonlyMap<string, readonly CallStats[]>;
  readonly toService: ReadonlyMap<string, readonly CallStats[]>;
}

export function indexCalls(calls: readonly CallStats[]): CallIndex {
  return {
    toWorkload: groupBy(calls, ({ destination: { namespace, workload } }) => workload && keyOf(namespace, workload)),
    fromWorkload: groupBy(calls, ({ source: { namespace, workload } }) => workload && keyOf(namespace, workload)),
    toService: groupBy(calls, ({ destination: { namespace, service } }) => service && keyOf(namespace, service)),
  };
}

export const proxiesByWorkload = (proxies: readonly ProxyRecord[]): ReadonlyMap<string, ProxyRecord> =>
  new Map(proxies.map((proxy) => [keyOf(proxy.namespace, proxy.name), proxy]));
