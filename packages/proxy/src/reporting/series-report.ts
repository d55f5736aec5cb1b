import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type HistogramValueSchema,
  MetricDefinition_Kind as Kind,
  type MetricDefinitionSchema,
  type SeriesDefinitionSchema,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import {
  BUCKET_BOUNDS,
  hasMessages,
  MESSAGE_COUNTERS,
  REQUEST_COUNTER,
  REQUEST_HISTOGRAMS,
  REQUEST_LABELS,
  TCP_COUNTERS,
  TCP_LABELS,
} from '../stats/standard-metrics.ts';
import { HISTOGRAM_CELLS, MESSAGE_CELLS, type Stats } from '../stats/stats.ts';

export interface SeriesReport {
  readonly metrics: MessageInitShape<typeof MetricDefinitionSchema>[];
  readonly series: MessageInitShape<typeof SeriesDefinitionSchema>[];
  readonly counterSeries: number[];
  readonly counterValues: number[];
  readonly histograms: MessageInitShape<typeof HistogramValueSchema>[];
}

/** What of the statistics a stream has been told. A new stream begins with nothing. */
export interface SeriesCursor {
  /** What is new and what changed since the last call; everything on the first. */
  next(): SeriesReport;
  /** Makes the next call give all values again; what was defined stays defined. */
  repeatValues(): void;
}

const FIRST_MESSAGE_METRIC = 6;
const FIRST_TCP_METRIC = 10;
const PER_REQUEST_SERIES = 1 + REQUEST_HISTOGRAMS.length;
const PER_TCP_SERIES = TCP_COUNTERS.length;
/** Series of messages and of TCP are numbered from here, so that all kinds can grow. */
const FIRST_MESSAGE_SERIES = 0x2000_0000;
const FIRST_TCP_SERIES = 0x4000_0000;

const DEFINITIONS: readonly MessageInitShape<typeof MetricDefinitionSchema>[] = [
  { id: 1, name: REQUEST_COUNTER, kind: Kind.COUNTER, labelNames: [...REQUEST_LABELS] },
  ...REQUEST_HISTOGRAMS.map((name, i) => ({
    id: 2 + i,
    name,
    kind: Kind.HISTOGRAM,
    labelNames: [...REQUEST_LABELS],
    bounds: [...BUCKET_BOUNDS],
  })),
  ...MESSAGE_COUNTERS.map((name, i) => ({
    id: FIRST_MESSAGE_METRIC + i,
    name,
    kind: Kind.COUNTER,
    labelNames: [...REQUEST_LABELS],
  })),
  ...TCP_COUNTERS.map((name, i) => ({
    id: FIRST_TCP_METRIC + i,
    name,
    kind: Kind.COUNTER,
    labelNames: [...TCP_LABELS],
  })),
];

export function createSeriesCursor(stats: Stats): SeriesCursor {
  let defined = false;
  let requestsDefined = 0;
  let tcpDefined = 0;
  // Values as they were told last; NaN differs from all.
  let toldRequests: number[] = [];
  let toldTcp: number[] = [];
  return {
    next() {
      stats.refresh();
      const report: SeriesReport = {
        metrics: defined ? [] : [...DEFINITIONS],
        series: [],
        counterSeries: [],
        counterValues: [],
        histograms: [],
      };
      defined = true;
      for (; requestsDefined < stats.requestSeries.length; requestsDefined += 1) {
        const labelValues = [...(stats.requestSeries[requestsDefined]?.labels ?? [])];
        for (let i = 0; i < PER_REQUEST_SERIES; i += 1) {
          report.series.push({ id: requestsDefined * PER_REQUEST_SERIES + i, metric: 1 + i, labelValues });
        }
        if (!hasMessages(labelValues)) continue;
        MESSAGE_COUNTERS.forEach((_, i) => {
          const id = FIRST_MESSAGE_SERIES + requestsDefined * MESSAGE_COUNTERS.length + i;
          report.series.push({ id, metric: FIRST_MESSAGE_METRIC + i, labelValues });
        });
      }
      for (; tcpDefined < stats.tcpSeries.length; tcpDefined += 1) {
        const labelValues = [...(stats.tcpSeries[tcpDefined]?.labels ?? [])];
        for (let i = 0; i < PER_TCP_SERIES; i += 1) {
          report.series.push({
            id: FIRST_TCP_SERIES + tcpDefined * PER_TCP_SERIES + i,
            metric: FIRST_TCP_METRIC + i,
            labelValues,
          });
        }
      }
      addRequests(stats, toldRequests, report);
      addTcp(stats, toldTcp, report);
      return report;
    },
    repeatValues() {
      toldRequests = [];
      toldTcp = [];
    },
  };
}

function addRequests({ requestSeries, requestCells }: Stats, told: number[], report: SeriesReport): void {
  requestSeries.forEach(({ base, labels }, number) => {
    const count = requestCells[base] ?? 0;
    // Every request raises the count, so it tells whether anything in the series changed.
    if (told[number] === count) return;
    told[number] = count;
    const id = number * PER_REQUEST_SERIES;
    report.counterSeries.push(id);
    report.counterValues.push(count);
    if (hasMessages(labels)) {
      MESSAGE_COUNTERS.forEach((_, i) => {
        report.counterSeries.push(FIRST_MESSAGE_SERIES + number * MESSAGE_COUNTERS.length + i);
        report.counterValues.push(requestCells[base + MESSAGE_CELLS + i] ?? 0);
      });
    }
    for (let i = 0; i < REQUEST_HISTOGRAMS.length; i += 1) {
      const at = base + 1 + i * HISTOGRAM_CELLS;
      report.histograms.push({
        series: id + 1 + i,
        sum: requestCells[at] ?? 0,
        buckets: [...requestCells.subarray(at + 1, at + HISTOGRAM_CELLS)],
      });
    }
  });
}

function addTcp({ tcpSeries, tcpCells }: Stats, told: number[], report: SeriesReport): void {
  tcpSeries.forEach(({ base }, number) => {
    for (let i = 0; i < PER_TCP_SERIES; i += 1) {
      const value = tcpCells[base + i] ?? 0;
      const at = number * PER_TCP_SERIES + i;
      if (told[at] === value) continue;
      told[at] = value;
      report.counterSeries.push(FIRST_TCP_SERIES + at);
      report.counterValues.push(value);
    }
  });
}
