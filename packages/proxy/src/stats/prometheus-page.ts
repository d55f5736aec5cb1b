import {
  BUCKET_BOUNDS,
  hasMessages,
  MESSAGE_COUNTERS,
  REQUEST_COUNTER,
  REQUEST_HISTOGRAMS,
  REQUEST_LABELS,
  TCP_COUNTERS,
  TCP_LABELS,
} from './standard-metrics.ts';
import { HISTOGRAM_CELLS, MESSAGE_CELLS, type NamedStat, type Stats } from './stats.ts';

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const escapeValue = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');

const labelText = (names: readonly string[], values: readonly string[], more = ''): string => {
  const pairs = names.map((name, i) => `${name}="${escapeValue(values[i] ?? '')}"`);
  if (more !== '') pairs.push(more);
  return `{${pairs.join(',')}}`;
};

const number = (value: number): string => (Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : 'NaN');

/** The page of `/stats/prometheus`: Istio's standard metrics, then Envoy's names. `extra` is what is only known when asked. */
export function prometheusPage(
  stats: Stats,
  extra: readonly NamedStat[] = [],
  filter?: (name: string) => boolean,
): string {
  const lines: string[] = [];
  stats.refresh();
  requestLines(stats, lines);
  messageLines(stats, lines);
  tcpLines(stats, lines);
  namedLines([...stats.named(), ...extra], lines, filter);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function requestLines({ requestSeries, requestCells }: Stats, lines: string[]): void {
  if (requestSeries.length === 0) return;
  lines.push(`# TYPE ${REQUEST_COUNTER} counter`);
  for (const { labels, base } of requestSeries) {
    lines.push(`${REQUEST_COUNTER}${labelText(REQUEST_LABELS, labels)} ${number(requestCells[base] ?? 0)}`);
  }
  REQUEST_HISTOGRAMS.forEach((name, i) => {
    lines.push(`# TYPE ${name} histogram`);
    for (const { labels, base } of requestSeries) {
      const at = base + 1 + i * HISTOGRAM_CELLS;
      let below = 0;
      for (let bucket = 0; bucket <= BUCKET_BOUNDS.length; bucket += 1) {
        below += requestCells[at + 1 + bucket] ?? 0;
        const bound = BUCKET_BOUNDS[bucket];
        const le = `le="${bound === undefined ? '+Inf' : bound}"`;
        lines.push(`${name}_bucket${labelText(REQUEST_LABELS, labels, le)} ${number(below)}`);
      }
      lines.push(`${name}_sum${labelText(REQUEST_LABELS, labels)} ${number(requestCells[at] ?? 0)}`);
      lines.push(`${name}_count${labelText(REQUEST_LABELS, labels)} ${number(below)}`);
    }
  });
}

function messageLines({ requestSeries, requestCells }: Stats, lines: string[]): void {
  const series = requestSeries.filter(({ labels }) => hasMessages(labels));
  if (series.length === 0) return;
  MESSAGE_COUNTERS.forEach((name, i) => {
    lines.push(`# TYPE ${name} counter`);
    for (const { labels, base } of series)
      lines.push(`${name}${labelText(REQUEST_LABELS, labels)} ${number(requestCells[base + MESSAGE_CELLS + i] ?? 0)}`);
  });
}

function tcpLines({ tcpSeries, tcpCells }: Stats, lines: string[]): void {
  if (tcpSeries.length === 0) return;
  TCP_COUNTERS.forEach((name, i) => {
    lines.push(`# TYPE ${name} counter`);
    for (const { labels, base } of tcpSeries) {
      lines.push(`${name}${labelText(TCP_LABELS, labels)} ${number(tcpCells[base + i] ?? 0)}`);
    }
  });
}

function namedLines(all: readonly NamedStat[], lines: string[], filter?: (name: string) => boolean): void {
  const byMetric = new Map<string, { readonly kind: string; readonly lines: string[] }>();
  for (const { name, kind, value } of all) {
    if (filter !== undefined && !filter(name)) continue;
    const { metric, tags } = prometheusName(name);
    const group = byMetric.get(metric) ?? { kind, lines: [] };
    byMetric.set(metric, group);
    const pairs = tags.map(([tag, text]) => `${tag}="${escapeValue(text)}"`);
    group.lines.push(`${metric}{${pairs.join(',')}} ${number(value)}`);
  }
  for (const [metric, group] of [...byMetric].sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`# TYPE ${metric} ${group.kind}`, ...group.lines);
  }
}

// Statistics of a cluster, listener or connection manager whose own name has a dot.
const DOTTED = /\.((?:circuit_breakers|outlier_detection|ssl|http|rbac|fault|tracing|rds|lds|cds)\..+|[^.]+)$/;
const REFUSED = /^listener\.(.+)\.refused\.([a-z-]+)$/;
const SCOPES: readonly (readonly [prefix: string, tag: string])[] = [
  ['cluster.', 'envoy_cluster_name'],
  ['listener.', 'envoy_listener_address'],
  ['http.', 'envoy_http_conn_manager_prefix'],
  ['tcp.', 'envoy_tcp_prefix'],
];

/** `cluster.x.upstream_rq_2xx` → `envoy_cluster_upstream_rq_xx` with the cluster and the class of the code as labels. */
export function prometheusName(name: string): {
  readonly metric: string;
  readonly tags: readonly (readonly [string, string])[];
} {
  const [, listener, reason] = REFUSED.exec(name) ?? [];
  if (listener !== undefined && reason !== undefined) {
    return {
      metric: 'envoy_listener_refused_total',
      tags: [
        ['envoy_listener_address', listener],
        ['reason', reason],
      ],
    };
  }
  const tags: (readonly [string, string])[] = [];
  let rest = name;
  for (const [prefix, tag] of SCOPES) {
    if (!name.startsWith(prefix)) continue;
    const suffix = DOTTED.exec(name.slice(prefix.length));
    if (suffix === null) break;
    tags.push([tag, name.slice(prefix.length, prefix.length + suffix.index)]);
    rest = `${prefix}${suffix[1] ?? ''}`;
    break;
  }
  const digit = /_([1-5])xx$/.exec(rest);
  if (digit !== null) {
    tags.unshift(['envoy_response_code_class', digit[1] ?? '']);
    rest = rest.replace(/_[1-5]xx$/, '_xx');
  }
  const code = /_rq_(\d{3})$/.exec(rest);
  if (code !== null) {
    tags.unshift(['envoy_response_code', code[1] ?? '']);
    rest = rest.replace(/_rq_\d{3}$/, '_rq');
  }
  const prefix = rest.startsWith('weft.') ? '' : 'envoy_';
  return { metric: `${prefix}${rest.replaceAll(/[^A-Za-z0-9_]/g, '_')}`, tags };
}
