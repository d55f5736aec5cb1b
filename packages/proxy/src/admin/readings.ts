import type { DataPath } from '../ports.ts';
import type { NamedStat, Stats } from '../stats/stats.ts';

export interface ReadingsInput {
  readonly live: boolean;
  readonly uptimeMs: number;
  /** To the control plane. */
  readonly connected: boolean;
  readonly dataPath: Pick<DataPath, 'clusters' | 'listeners' | 'activeConnections' | 'activeRequests' | 'armedTimers'>;
  readonly stats: Pick<Stats, 'overflowed'>;
  readonly concurrency: number;
  readonly accessLogDropped: number;
  /** Limits that workers count each for itself, for want of room. */
  readonly unsharedLimits: number;
  readonly reports: { readonly droppedSpans: number; readonly droppedLogs: number; readonly connected: boolean };
}

const gauge = (name: string, value: number): NamedStat => ({ name, kind: 'gauge', value });
const counter = (name: string, value: number): NamedStat => ({ name, kind: 'counter', value });
const flag = (name: string, on: boolean): NamedStat => gauge(name, on ? 1 : 0);

/** Values that are read when somebody asks, under Envoy's names where it has them. */
export function readingsOf(input: ReadingsInput): NamedStat[] {
  const { dataPath, reports } = input;
  const memory = process.memoryUsage();
  const listeners = dataPath.listeners();
  const inState = (wanted: string): number => listeners.filter(({ state }) => state === wanted).length;
  return [
    ...clusterReadings(dataPath),
    gauge('listener_manager.total_listeners_active', inState('active')),
    gauge('listener_manager.total_listeners_draining', inState('draining')),
    gauge('listener_manager.total_listeners_warming', inState('warming')),
    flag('server.live', input.live),
    gauge('server.uptime', Math.floor(input.uptimeMs / 1000)),
    gauge('server.concurrency', input.concurrency),
    gauge('server.memory_allocated', memory.rss),
    gauge('server.memory_heap_size', memory.heapTotal),
    gauge('server.total_connections', dataPath.activeConnections()),
    gauge('weft.active_requests', dataPath.activeRequests()),
    gauge('weft.armed_timers', dataPath.armedTimers()),
    flag('control_plane.connected_state', input.connected),
    counter('weft.stats_overflow_total', input.stats.overflowed()),
    counter('weft.access_log_dropped_total', input.accessLogDropped),
    counter('weft.unshared_limits_total', input.unsharedLimits),
    counter('weft.report_dropped_spans_total', reports.droppedSpans),
    counter('weft.report_dropped_logs_total', reports.droppedLogs),
    flag('weft.report_connected', reports.connected),
  ];
}

function clusterReadings(dataPath: ReadingsInput['dataPath']): NamedStat[] {
  return dataPath.clusters().flatMap(({ name, hosts }) => {
    const sum = (of: (host: (typeof hosts)[number]) => number): number =>
      hosts.reduce((total, host) => total + of(host), 0);
    return [
      gauge(`cluster.${name}.membership_total`, hosts.length),
      gauge(`cluster.${name}.membership_healthy`, hosts.filter(({ healthy }) => healthy).length),
      gauge(
        `cluster.${name}.upstream_cx_active`,
        sum((host) => host.activeConnections),
      ),
      gauge(
        `cluster.${name}.upstream_rq_active`,
        sum((host) => host.activeRequests),
      ),
      gauge(
        `cluster.${name}.upstream_rq_pending_active`,
        sum((host) => host.pendingRequests),
      ),
      counter(
        `cluster.${name}.upstream_cx_connect_fail`,
        sum((host) => host.connectFailures),
      ),
    ];
  });
}
