/** What each screen asks, and how often. */
import type {
  CertificatesView,
  ConfigDocument,
  ConfigList,
  ConfigRef,
  GraphView,
  LogPage,
  MeshView,
  MetricsView,
  ProxyPage,
  ServiceDetails,
  ServicePage,
  SessionView,
  TracePage,
  TraceView,
  WorkloadDetails,
  WorkloadPage,
} from '@weft/contracts/console-views';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { type Query, read } from './client.ts';

const REFRESH_MS = 5_000;
const SLOW_REFRESH_MS = 15_000;
const LIST_LIMIT = 500;

/** @param paused the user has stopped the refresh. */
function live<T>(name: string, path: string, query: Query, paused: boolean, everyMs = REFRESH_MS) {
  return queryOptions({
    queryKey: [name, path, query],
    queryFn: ({ signal }) => read<T>(path, query, signal),
    refetchInterval: paused ? false : everyMs,
    placeholderData: keepPreviousData,
  });
}

export const graphKey = (windowMs: number): readonly unknown[] => ['graph', '/graph', { windowMs }];

export const queries = {
  mesh: (windowMs: number, paused: boolean) => live<MeshView>('mesh', '/mesh', { windowMs }, paused),
  /** Kept fresh by the event stream; asked for once, and again when the stream is away. */
  graph: (windowMs: number, paused: boolean) =>
    live<GraphView>('graph', '/graph', { windowMs }, paused, SLOW_REFRESH_MS),
  services: (windowMs: number, paused: boolean) =>
    live<ServicePage>('services', '/services', { windowMs, limit: LIST_LIMIT }, paused),
  service: (namespace: string, name: string, windowMs: number, paused: boolean) =>
    live<ServiceDetails>('service', `/services/${namespace}/${name}`, { windowMs }, paused),
  workloads: (windowMs: number, paused: boolean) =>
    live<WorkloadPage>('workloads', '/workloads', { windowMs, limit: LIST_LIMIT }, paused),
  workload: (namespace: string, name: string, windowMs: number, paused: boolean) =>
    live<WorkloadDetails>('workload', `/workloads/${namespace}/${name}`, { windowMs }, paused),
  metrics: (
    subject: { readonly namespace?: string; readonly service?: string; readonly workload?: string },
    windowMs: number,
    paused: boolean,
  ) => live<MetricsView>('metrics', '/metrics', { ...subject, windowMs }, paused),
  traces: (filter: Query, paused: boolean) => live<TracePage>('traces', '/traces', filter, paused),
  trace: (traceId: string) => live<TraceView>('trace', `/traces/${traceId}`, {}, true),
  logs: (filter: Query, paused: boolean) => live<LogPage>('logs', '/logs', filter, paused),
  config: (paused: boolean) => live<ConfigList>('config', '/config', { limit: LIST_LIMIT }, paused, SLOW_REFRESH_MS),
  document: ({ group, kind, namespace, name }: ConfigRef, paused: boolean) =>
    live<ConfigDocument>(
      'config',
      `/config/${group === '' ? 'core' : group}/${kind}/${namespace}/${name}`,
      {},
      paused,
      SLOW_REFRESH_MS,
    ),
  proxies: (paused: boolean) => live<ProxyPage>('proxies', '/proxies', { limit: LIST_LIMIT }, paused),
  certificates: (paused: boolean) =>
    live<CertificatesView>('certificates', '/certificates', {}, paused, SLOW_REFRESH_MS),
  session: () => live<SessionView>('session', '/session', {}, false, 60_000),
};
