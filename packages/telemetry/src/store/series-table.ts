import { COARSE, FINE, type SavedRing, TimeRing } from './time-ring.ts';

/** A name with its labels and, for histograms, its bounds. Proxies of different age may have several of one name. */
export interface Metric {
  readonly name: string;
  readonly kind: 'counter' | 'histogram';
  readonly labelNames: readonly string[];
  /** Ascending, without infinity; empty for counters. */
  readonly bounds: readonly number[];
  /** Numbers in one sample. Counter: the value. Histogram: the sum, then each bucket alone, the last without a bound. */
  readonly width: number;
}

/** One set of label values: what all proxies together counted. */
export interface Series {
  readonly metric: Metric;
  readonly labelValues: readonly string[];
  /** Since the store was created. */
  readonly totals: Float64Array;
  /** Over time; of other histograms than those of durations only the sum, which is all that is charted of them. */
  readonly fine: TimeRing;
  readonly coarse: TimeRing;
  lastMs: number;
}

export interface SavedTable {
  readonly metrics: readonly Metric[];
  readonly series: readonly {
    readonly metric: number;
    readonly labelValues: readonly string[];
    readonly totals: Float64Array;
    readonly fine: SavedRing;
    readonly coarse: SavedRing;
    readonly lastMs: number;
  }[];
}

/** Observations of a histogram sample, or the value of a counter's. */
export function countOf(metric: Metric, sample: ArrayLike<number>): number {
  if (metric.kind === 'counter') return sample[0] ?? 0;
  let count = 0;
  for (let i = 1; i < metric.width; i += 1) count += sample[i] ?? 0;
  return count;
}

const ringWidth = ({ name, width }: Metric): number => (/_(milliseconds|seconds)$/.test(name) ? width : 1);

/** All series, bounded in number. */
export class SeriesTable {
  readonly limit: number;
  readonly #metrics = new Map<string, Metric>();
  readonly #series = new Map<string, Series>();
  // Label values repeat from series to series: one copy of each.
  readonly #texts = new Map<string, string>();
  #refused = 0;
  #version = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Grows when a series is added, so that what was derived from the list can be kept. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#series.size;
  }

  /** Series turned away at the limit. */
  get refused(): number {
    return this.#refused;
  }

  all(): Iterable<Series> {
    return this.#series.values();
  }

  metric(definition: Omit<Metric, 'width'>): Metric {
    const { name, kind, labelNames, bounds } = definition;
    const key = JSON.stringify([name, kind, labelNames, bounds]);
    let metric = this.#metrics.get(key);
    if (!metric) {
      const width = kind === 'counter' ? 1 : bounds.length + 2;
      metric = { name, kind, labelNames: [...labelNames], bounds: [...bounds], width };
      this.#metrics.set(key, metric);
    }
    return metric;
  }

  /** @returns undefined at the limit. */
  series(metric: Metric, labelValues: readonly string[]): Series | undefined {
    const key = JSON.stringify([metric.name, metric.kind, metric.labelNames, metric.bounds, labelValues]);
    const known = this.#series.get(key);
    if (known) return known;
    if (this.#series.size >= this.limit) {
      this.#refused += 1;
      return undefined;
    }
    const series: Series = {
      metric,
      labelValues: labelValues.map((value) => this.#intern(value)),
      totals: new Float64Array(metric.width),
      fine: new TimeRing(FINE, ringWidth(metric)),
      coarse: new TimeRing(COARSE, ringWidth(metric)),
      lastMs: 0,
    };
    this.#series.set(key, series);
    this.#version += 1;
    return series;
  }

  #intern(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }

  save(): SavedTable {
    const metrics = [...this.#metrics.values()];
    const index = new Map(metrics.map((metric, i) => [metric, i]));
    return {
      metrics,
      series: [...this.#series.values()].map((series) => ({
        metric: index.get(series.metric) ?? 0,
        labelValues: series.labelValues,
        totals: series.totals,
        fine: series.fine.save(),
        coarse: series.coarse.save(),
        lastMs: series.lastMs,
      })),
    };
  }

  restore(saved: SavedTable): void {
    const metrics = saved.metrics.map((metric) => this.metric(metric));
    for (const item of saved.series) {
      const metric = metrics[item.metric];
      const series = metric && this.series(metric, item.labelValues);
      if (!series) continue;
      series.totals.set(item.totals);
      series.fine.restore(item.fine);
      series.coarse.restore(item.coarse);
      series.lastMs = item.lastMs;
    }
  }
}

/** Adds an increase that happened between the two times. */
export function addIncrease(series: Series, fromMs: number, toMs: number, increase: Float64Array): void {
  for (let i = 0; i < increase.length; i += 1) series.totals[i] = (series.totals[i] ?? 0) + (increase[i] ?? 0);
  series.fine.add(fromMs, toMs, increase);
  series.coarse.add(fromMs, toMs, increase);
  series.lastMs = Math.max(series.lastMs, toMs);
}
