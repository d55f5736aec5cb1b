/** The control plane's own numbers, under Istio's names, in Prometheus' text form. */

export interface Metrics {
  count(name: CounterName, label?: string, by?: number): void;
  observe(name: HistogramName, seconds: number): void;
  /** @param gauges values of this moment. */
  render(gauges: Readonly<Record<string, GaugeValue>>): string;
}

export interface GaugeValue {
  readonly help: string;
  readonly value: number;
}

const COUNTERS = {
  pilot_xds_pushes: { help: 'Pushes to proxies, by type of resource.', label: 'type' },
  pilot_total_xds_rejects: { help: 'Responses that a proxy refused, by type of resource.', label: 'type' },
  pilot_push_triggers: { help: 'What made the control plane build a snapshot.', label: 'type' },
} as const;
export type CounterName = keyof typeof COUNTERS;

const HISTOGRAMS = {
  pilot_debounce_time: 'Seconds from the first change to the push that carries it.',
  pilot_snapshot_build_time: 'Seconds to build a snapshot.',
  pilot_xds_push_time: 'Seconds to build what one proxy gets.',
} as const;
export type HistogramName = keyof typeof HISTOGRAMS;

const BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 3, 5, 10] as const;

interface Histogram {
  readonly buckets: number[];
  sum: number;
  count: number;
}

export function createMetrics(): Metrics {
  const counters = new Map<CounterName, Map<string, number>>();
  const histograms = new Map<HistogramName, Histogram>();
  return {
    count(name, label = '', by = 1) {
      const series = counters.get(name) ?? new Map<string, number>();
      counters.set(name, series.set(label, (series.get(label) ?? 0) + by));
    },
    observe(name, seconds) {
      const histogram = histograms.get(name) ?? { buckets: BUCKETS_S.map(() => 0), sum: 0, count: 0 };
      histograms.set(name, histogram);
      histogram.sum += seconds;
      histogram.count += 1;
      BUCKETS_S.forEach((limit, index) => {
        if (seconds <= limit) histogram.buckets[index] = (histogram.buckets[index] ?? 0) + 1;
      });
    },
    render(gauges) {
      const lines: string[] = [];
      for (const [name, { help, value }] of Object.entries(gauges))
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`);
      for (const [name, { help, label }] of Object.entries(COUNTERS) as [
        CounterName,
        (typeof COUNTERS)[CounterName],
      ][]) {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`);
        for (const [value, count] of [...(counters.get(name) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))
          lines.push(`${name}{${label}="${value}"} ${count}`);
      }
      for (const [name, help] of Object.entries(HISTOGRAMS) as [HistogramName, string][]) {
        const histogram = histograms.get(name);
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`);
        if (!histogram) continue;
        BUCKETS_S.forEach((limit, index) =>
          lines.push(`${name}_bucket{le="${limit}"} ${histogram.buckets[index] ?? 0}`),
        );
        lines.push(
          `${name}_bucket{le="+Inf"} ${histogram.count}`,
          `${name}_sum ${histogram.sum}`,
          `${name}_count ${histogram.count}`,
        );
      }
      return `${lines.join('\n')}\n`;
    },
  };
}
