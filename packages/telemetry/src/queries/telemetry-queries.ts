import type { RatesQuery, TelemetryQueries } from '@weft/contracts';
import type { Clock } from '@weft/kit';
import type { TelemetryStore } from '../store/telemetry-store.ts';
import { chart, trends } from './charts.ts';
import { concerns, createEdgeIndex } from './edge-groups.ts';
import { findLogs } from './logs.ts';
import { totals } from './totals.ts';
import { findTraces, traceTree } from './traces.ts';
import { coveredMs, edgeRates, preferredGroups, trafficRates, windowOf } from './traffic.ts';

export interface QueriesDeps {
  readonly store: TelemetryStore;
  readonly clock: Clock;
  /** Node ids with an open stream. */
  readonly connected: () => ReadonlySet<string>;
}

// Rough sizes of one object in memory, for the usage page.
const SPAN_BYTES = 800;
const LOG_BYTES = 1_000;

/** The read side over a store. Nothing here changes it. */
export function createQueries({ store, clock, connected }: QueriesDeps): TelemetryQueries {
  const { table } = store.metrics;
  const groups = createEdgeIndex(table);
  const covered = ({ windowMs, atMs = clock.now() }: RatesQuery): number =>
    coveredMs(store.metrics.sessions.values(), windowMs, atMs);
  const window = (query: RatesQuery) => {
    const now = clock.now();
    return windowOf(query.windowMs, query.atMs ?? now, now, covered(query));
  };
  return {
    covered,
    rates: (query) => edgeRates(groups(), window(query)),
    signals(subject, query) {
      const slots = window(query);
      const chosen = preferredGroups(groups(), slots).filter((group) => concerns(group, subject));
      return trafficRates(chosen, slots);
    },
    series: (query) => chart(groups(), query, clock.now()),
    trends: (query) => trends(groups(), query, clock.now()),
    totals: (query = {}) => totals(table, query),
    traces: (query = {}) => findTraces(store.spans, query),
    trace: (traceId) => traceTree(store.spans, traceId),
    logs: (query = {}) => findLogs(store.logs, query),
    proxies() {
      const open = connected();
      return [...store.metrics.sessions.values()]
        .sort((a, b) => b.lastMs - a.lastMs)
        .map((session) => ({
          proxy: session.proxy,
          startId: session.startId,
          workload: session.workload,
          namespace: session.namespace,
          connected: open.has(`${session.proxy}\n${session.startId}`),
          lastReportMs: session.lastMs,
          droppedSpans: session.droppedSpans,
          droppedLogs: session.droppedLogs,
        }));
    },
    usage() {
      let ringBytes = 0;
      let oldestSampleMs: number | undefined;
      for (const series of table.all()) {
        ringBytes += series.fine.bytes + series.coarse.bytes;
        const oldest = series.coarse.oldestMs();
        if (oldest !== undefined && oldest < (oldestSampleMs ?? Number.POSITIVE_INFINITY)) oldestSampleMs = oldest;
      }
      return {
        series: table.size,
        seriesLimit: table.limit,
        refusedSeries: table.refused,
        spans: store.spans.size,
        logs: store.logs.size,
        memoryBytes: ringBytes + store.spans.size * SPAN_BYTES + store.logs.size * LOG_BYTES,
        diskBytes: store.diskBytes(),
        oldestSampleMs,
      };
    },
    onChange: (listener) => store.onChange(listener),
  };
}
