import type { LabelledTotal, TotalsQuery } from '@weft/contracts';
import { countOf, type Series, type SeriesTable } from '../store/series-table.ts';
import { METRIC } from './edge-groups.ts';

/** Exact counts since the store was created, by labels. */
export function totals(table: SeriesTable, query: TotalsQuery): readonly LabelledTotal[] {
  const { metric = METRIC.requests, match = {}, by } = query;
  const wanted = Object.entries(match);
  const sums = new Map<string, { labels: Record<string, string>; value: number }>();
  for (const series of table.all()) {
    if (series.metric.name !== metric) continue;
    const labels = labelsOf(series);
    if (!wanted.every(([name, value]) => (labels[name] ?? '') === value)) continue;
    const kept = by ? Object.fromEntries(by.map((name) => [name, labels[name] ?? ''])) : labels;
    const key = JSON.stringify(Object.entries(kept));
    const sum = sums.get(key);
    const count = countOf(series.metric, series.totals);
    if (sum) sum.value += count;
    else sums.set(key, { labels: kept, value: count });
  }
  return [...sums.values()].sort((a, b) => b.value - a.value);
}

function labelsOf({ metric, labelValues }: Series): Record<string, string> {
  return Object.fromEntries(metric.labelNames.map((name, i) => [name, labelValues[i] ?? '']));
}

/** All series in Prometheus' text form, as the sum over all proxies. */
export function exposition(table: SeriesTable): string {
  const byName = new Map<string, Series[]>();
  for (const series of table.all()) {
    const list = byName.get(series.metric.name);
    if (list) list.push(series);
    else byName.set(series.metric.name, [series]);
  }
  const lines: string[] = [];
  for (const [name, list] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const kind = list[0]?.metric.kind ?? 'counter';
    lines.push(`# TYPE ${name} ${kind}`);
    for (const series of list) {
      if (series.metric.kind === 'counter') lines.push(`${name}${labelText(series)} ${series.totals[0] ?? 0}`);
      else lines.push(...histogramLines(series));
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function histogramLines(series: Series): readonly string[] {
  const { name, bounds } = series.metric;
  let count = 0;
  const buckets = [...bounds, Number.POSITIVE_INFINITY].map((bound, i) => {
    count += series.totals[i + 1] ?? 0;
    return `${name}_bucket${labelText(series, bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound))} ${count}`;
  });
  const labels = labelText(series);
  return [...buckets, `${name}_sum${labels} ${series.totals[0] ?? 0}`, `${name}_count${labels} ${count}`];
}

function labelText(series: Series, le?: string): string {
  const pairs = series.metric.labelNames.map((name, i) => `${name}="${escape(series.labelValues[i] ?? '')}"`);
  if (le !== undefined) pairs.push(`le="${le}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escape = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
