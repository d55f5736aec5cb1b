/** Applies reports to series. Deterministic in (state, report, time), so that a journal of reports rebuilds the state. */
import { WeftError } from '@weft/kit';
import {
  type Hello,
  type MetricDefinition,
  MetricDefinition_Kind,
  type ReportRequest,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { addIncrease, type SavedTable, SeriesTable } from './series-table.ts';
import { expiredSessions, newSession, type Session, sessionKey, type SessionSeries } from './sessions.ts';

/** A report that does not keep to the contract. The message names the field. */
export class ReportRejectedError extends WeftError {
  override readonly name = 'ReportRejectedError';

  constructor(where: string, message: string) {
    super('WEFT_REPORT_REJECTED', `${where}: ${message}`, { where });
  }
}

const MAX_LABELS = 64;
const MAX_BOUNDS = 200;
const MAX_TEXT = 4_096;
const MAX_SERIES_PER_SESSION = 20_000;

interface SavedSession extends Omit<Session, 'metrics' | 'series'> {
  readonly metrics: readonly (readonly [id: number, definition: SavedDefinition])[];
  readonly series: readonly (readonly [
    id: number,
    metric: SavedDefinition,
    values: readonly string[],
    last: Float64Array,
  ])[];
}

interface SavedDefinition {
  readonly name: string;
  readonly kind: 'counter' | 'histogram';
  readonly labelNames: readonly string[];
  readonly bounds: readonly number[];
}

export interface SavedMetrics {
  readonly table: SavedTable;
  readonly sessions: readonly SavedSession[];
}

export class MetricsStore {
  readonly table: SeriesTable;
  readonly sessions = new Map<string, Session>();

  constructor(seriesLimit: number) {
    this.table = new SeriesTable(seriesLimit);
  }

  /** The state of the process that says hello, new or known. @throws {ReportRejectedError} */
  session(hello: Hello, nowMs: number): Session {
    if (hello.proxy === '' || hello.proxy.length > MAX_TEXT)
      throw new ReportRejectedError('hello.proxy', 'is empty or too long');
    if (hello.startId.length < 8 || hello.startId.length > 128) {
      throw new ReportRejectedError('hello.start_id', 'must have 8 to 128 characters');
    }
    const key = sessionKey(hello.proxy, hello.startId);
    let session = this.sessions.get(key);
    if (!session) {
      for (const expired of expiredSessions(this.sessions, nowMs)) this.sessions.delete(expired);
      session = newSession(hello);
      this.sessions.set(key, session);
    }
    session.workload = hello.workload;
    session.namespace = hello.namespace;
    session.service = hello.service;
    session.version = hello.version;
    return session;
  }

  /**
   * Takes definitions and values. A message seen before changes nothing. No value is taken of a message that is refused.
   * @throws {ReportRejectedError}
   */
  apply(session: Session, report: ReportRequest, nowMs: number): void {
    this.#define(session, report);
    const samples = checkedSamples(session, report);
    session.lastMs = Math.max(session.lastMs, nowMs);
    session.droppedSpans = Math.max(session.droppedSpans, report.droppedSpans);
    session.droppedLogs = Math.max(session.droppedLogs, report.droppedLogs);
    if (report.sequence <= session.metricsSequence) return;
    session.metricsSequence = report.sequence;
    const toMs = Math.max(session.countedToMs, report.timeMs > 0 ? Math.min(report.timeMs, nowMs) : nowMs);
    const fromMs = session.countedToMs || Math.min(session.startMs || toMs, toMs);
    for (const { target, sample } of samples) {
      const increase = increaseOf(target.last, sample);
      if (!increase) continue;
      target.last.set(sample);
      if (target.series) addIncrease(target.series, fromMs, toMs, increase);
    }
    session.countedToMs = toMs;
  }

  #define(session: Session, report: ReportRequest): void {
    for (const definition of report.metrics) {
      const metric = this.table.metric(checkedDefinition(definition));
      const known = session.metrics.get(definition.id);
      if (known && known !== metric) {
        throw new ReportRejectedError(`metrics[id ${definition.id}]`, `means ${known.name} already`);
      }
      session.metrics.set(definition.id, metric);
    }
    for (const { id, metric: metricId, labelValues } of report.series) {
      const where = `series[id ${id}]`;
      const metric = session.metrics.get(metricId);
      if (!metric) throw new ReportRejectedError(`${where}.metric`, `${metricId} is not defined`);
      if (labelValues.length !== metric.labelNames.length) {
        throw new ReportRejectedError(
          `${where}.label_values`,
          `has ${labelValues.length} values for the ${metric.labelNames.length} labels of ${metric.name}`,
        );
      }
      if (labelValues.some((value) => value.length > MAX_TEXT)) {
        throw new ReportRejectedError(`${where}.label_values`, `has a value longer than ${MAX_TEXT}`);
      }
      const known = session.series.get(id);
      if (known) {
        const same = known.metric === metric && known.labelValues.every((value, i) => value === labelValues[i]);
        if (!same) throw new ReportRejectedError(where, 'has another meaning already');
        continue;
      }
      if (session.series.size >= MAX_SERIES_PER_SESSION) {
        throw new ReportRejectedError(where, `more than ${MAX_SERIES_PER_SESSION} series from one proxy`);
      }
      const series = this.table.series(metric, labelValues);
      const values = series?.labelValues ?? labelValues;
      session.series.set(id, { series, metric, labelValues: values, last: new Float64Array(metric.width) });
    }
  }

  save(): SavedMetrics {
    const sessions = [...this.sessions.values()].map(({ metrics, series, ...rest }) => ({
      ...rest,
      metrics: [...metrics].map(([id, metric]) => [id, metric] as const),
      series: [...series].map(([id, item]) => [id, item.metric, item.labelValues, item.last] as const),
    }));
    return { table: this.table.save(), sessions };
  }

  restore(saved: SavedMetrics): void {
    this.table.restore(saved.table);
    for (const { metrics, series, ...rest } of saved.sessions) {
      const session: Session = { ...rest, metrics: new Map(), series: new Map() };
      for (const [id, definition] of metrics) session.metrics.set(id, this.table.metric(definition));
      for (const [id, definition, labelValues, last] of series) {
        const metric = this.table.metric(definition);
        session.series.set(id, { series: this.table.series(metric, labelValues), metric, labelValues, last });
      }
      this.sessions.set(sessionKey(session.proxy, session.startId), session);
    }
  }
}

function checkedDefinition(definition: MetricDefinition): SavedDefinition {
  const { id, name, labelNames, bounds } = definition;
  const where = `metrics[id ${id}]`;
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]{0,255}$/.test(name))
    throw new ReportRejectedError(`${where}.name`, `${JSON.stringify(name)} is no metric name`);
  if (labelNames.length > MAX_LABELS || !labelNames.every((label) => /^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/.test(label))) {
    throw new ReportRejectedError(`${where}.label_names`, 'has too many or malformed names');
  }
  const histogram = definition.kind === MetricDefinition_Kind.HISTOGRAM;
  const ascending = bounds.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > (bounds[i - 1] ?? 0)));
  if (bounds.length > MAX_BOUNDS || !ascending || (!histogram && bounds.length > 0)) {
    throw new ReportRejectedError(`${where}.bounds`, 'must be finite and ascending, and only on histograms');
  }
  return { name, kind: histogram ? 'histogram' : 'counter', labelNames, bounds };
}

interface Sample {
  readonly target: SessionSeries;
  readonly sample: Float64Array;
}

function checkedSamples(session: Session, report: ReportRequest): readonly Sample[] {
  const { series: ids = [], values = [] } = report.counters ?? {};
  if (ids.length !== values.length) throw new ReportRejectedError('counters', 'has columns of different length');
  const target = (where: string, id: number, width: number): SessionSeries => {
    const found = session.series.get(id);
    if (!found) throw new ReportRejectedError(where, `series ${id} is not defined`);
    if (found.metric.width !== width) throw new ReportRejectedError(where, `does not fit ${found.metric.name}`);
    return found;
  };
  const check = (where: string, sample: Float64Array): Float64Array => {
    if (!sample.every((value) => Number.isFinite(value) && value >= 0)) {
      throw new ReportRejectedError(where, 'must be finite and not negative');
    }
    return sample;
  };
  const counters = ids.map((id, i) => {
    const where = `counters[${i}]`;
    return { target: target(where, id, 1), sample: check(where, Float64Array.of(values[i] ?? 0)) };
  });
  const histograms = report.histograms.map((value, i) => {
    const where = `histograms[${i}]`;
    const sample = check(where, Float64Array.of(value.sum, ...value.buckets));
    return { target: target(where, value.series, sample.length), sample };
  });
  return [...counters, ...histograms];
}

/** @returns undefined when nothing grew. Counters of one process do not shrink; what does is taken as no growth. */
function increaseOf(last: Float64Array, sample: Float64Array): Float64Array | undefined {
  const increase = new Float64Array(sample.length);
  let grew = false;
  for (let i = 0; i < sample.length; i += 1) {
    const by = (sample[i] ?? 0) - (last[i] ?? 0);
    if (by < 0) return undefined;
    increase[i] = by;
    grew ||= by > 0;
  }
  return grew ? increase : undefined;
}
