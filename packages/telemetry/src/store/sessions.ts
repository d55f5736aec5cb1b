import type { Hello } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import type { Metric, Series } from './series-table.ts';

/** One process of a proxy: what its ids mean and what it said last. */
export interface Session {
  readonly proxy: string;
  readonly startId: string;
  startMs: number;
  workload: string;
  namespace: string;
  service: string;
  version: string;
  readonly metrics: Map<number, Metric>;
  readonly series: Map<number, SessionSeries>;
  /** Of the last message whose metrics were taken. */
  metricsSequence: number;
  /** Of the last message whose spans and log entries were taken. */
  batchSequence: number;
  /** Receiver's clock, at the last message; 0 before. */
  lastMs: number;
  /** Epoch milliseconds up to which its counters were added; 0 before the first. */
  countedToMs: number;
  droppedSpans: number;
  droppedLogs: number;
}

export interface SessionSeries {
  /** Absent when the store was full. */
  readonly series: Series | undefined;
  readonly metric: Metric;
  readonly labelValues: readonly string[];
  /** The last cumulative sample. */
  readonly last: Float64Array;
}

export const sessionKey = (proxy: string, startId: string): string => `${proxy}\n${startId}`;

export function newSession(hello: Hello): Session {
  return {
    proxy: hello.proxy,
    startId: hello.startId,
    startMs: hello.startMs,
    workload: hello.workload,
    namespace: hello.namespace,
    service: hello.service,
    version: hello.version,
    metrics: new Map(),
    series: new Map(),
    metricsSequence: 0,
    batchSequence: 0,
    lastMs: 0,
    countedToMs: 0,
    droppedSpans: 0,
    droppedLogs: 0,
  };
}

const SUPERSEDED_AFTER_MS = 3_600_000;
const MAX_SESSIONS = 2_000;

/** Keys of the sessions that no longer need to be remembered: long silent and followed by another process, or too many. */
export function expiredSessions(sessions: ReadonlyMap<string, Session>, nowMs: number): readonly string[] {
  const newest = new Map<string, number>();
  for (const { proxy, startMs } of sessions.values()) newest.set(proxy, Math.max(newest.get(proxy) ?? 0, startMs));
  const expired = [...sessions].filter(
    ([, session]) => session.startMs < (newest.get(session.proxy) ?? 0) && nowMs - session.lastMs > SUPERSEDED_AFTER_MS,
  );
  const gone = new Set(expired.map(([key]) => key));
  const rest = [...sessions].filter(([key]) => !gone.has(key)).sort(([, a], [, b]) => b.lastMs - a.lastMs);
  return [...gone, ...rest.slice(MAX_SESSIONS).map(([key]) => key)];
}
