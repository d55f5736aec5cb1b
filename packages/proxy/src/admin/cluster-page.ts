import type { ClusterStatus, HostStatus } from '../ports.ts';

const localityParts = (locality: string): readonly [string, string, string] => {
  const [region = '', zone = '', subZone = ''] = locality.split('/');
  return [region, zone, subZone];
};

// Envoy counts "no limit" as the largest number of 32 bits.
const shownLimit = (limit: number): number => Math.min(limit, 0xffff_ffff);

/** Envoy's text form: one fact a line, `cluster::host::name::value`. */
export function clustersText(clusters: readonly ClusterStatus[]): string {
  return clusters
    .map((cluster) => [...limitLines(cluster), ...cluster.hosts.flatMap((host) => hostLines(cluster.name, host))])
    .flat()
    .join('');
}

function limitLines({ name, maxConnections, maxPendingRequests, maxRequests, maxRetries }: ClusterStatus): string[] {
  const limits: readonly (readonly [string, number])[] = [
    ['max_connections', maxConnections],
    ['max_pending_requests', maxPendingRequests],
    ['max_requests', maxRequests],
    ['max_retries', maxRetries],
  ];
  return [
    `${name}::observability_name::${name}\n`,
    ...limits.map(([limit, value]) => `${name}::default_priority::${limit}::${shownLimit(value)}\n`),
    `${name}::added_via_api::true\n`,
  ];
}

function hostLines(cluster: string, host: HostStatus): string[] {
  const [region, zone, subZone] = localityParts(host.locality);
  const facts: readonly (readonly [string, string | number])[] = [
    ['cx_active', host.activeConnections],
    ['cx_connect_fail', host.connectFailures],
    ['cx_total', host.totalConnections],
    ['rq_active', host.activeRequests],
    ['rq_error', host.failedRequests],
    ['rq_pending_active', host.pendingRequests],
    ['rq_success', Math.max(0, host.totalRequests - host.failedRequests)],
    ['rq_timeout', host.timedOutRequests],
    ['rq_total', host.totalRequests],
    ['hostname', host.hostname],
    ['health_flags', host.healthFlags.length === 0 ? 'healthy' : host.healthFlags.map((flag) => `/${flag}`).join('')],
    ['weight', host.weight],
    ['region', region],
    ['zone', zone],
    ['sub_zone', subZone],
    ['canary', 'false'],
    ['priority', host.priority],
    ['success_rate', host.successRate],
    ['local_origin_success_rate', host.localOriginSuccessRate],
  ];
  return facts.map(([fact, value]) => `${cluster}::${host.name}::${fact}::${value}\n`);
}

/** Envoy's `envoy.admin.v3.Clusters` in JSON. */
export function clustersJson(clusters: readonly ClusterStatus[]): string {
  return `${JSON.stringify({ cluster_statuses: clusters.map(clusterJson) }, undefined, 1)}\n`;
}

function clusterJson(cluster: ClusterStatus): object {
  return {
    name: cluster.name,
    added_via_api: true,
    host_statuses: cluster.hosts.map(hostJson),
    circuit_breakers: {
      thresholds: [
        {
          max_connections: shownLimit(cluster.maxConnections),
          max_pending_requests: shownLimit(cluster.maxPendingRequests),
          max_requests: shownLimit(cluster.maxRequests),
          max_retries: shownLimit(cluster.maxRetries),
        },
      ],
    },
    observability_name: cluster.name,
  };
}

// Flags of the text form that the JSON form has fields for.
const JSON_FLAGS: ReadonlyMap<string, string> = new Map([
  ['failed_active_hc', 'failed_active_health_check'],
  ['failed_outlier_check', 'failed_outlier_check'],
  ['pending_active_hc', 'pending_active_hc'],
]);

function healthJson({ healthFlags, edsHealth }: HostStatus): object {
  const fields = healthFlags.flatMap((flag) => {
    const field = JSON_FLAGS.get(flag);
    return field === undefined ? [] : [[field, true] as const];
  });
  return { ...Object.fromEntries(fields), eds_health_status: edsHealth };
}

function hostJson(host: HostStatus): object {
  const [region, zone, subZone] = localityParts(host.locality);
  const counter = (name: string, value: number): object => ({ name, value: String(value) });
  const gauge = (name: string, value: number): object => ({ type: 'GAUGE', ...counter(name, value) });
  return {
    address: addressJson(host.name),
    stats: [
      counter('cx_connect_fail', host.connectFailures),
      counter('cx_total', host.totalConnections),
      counter('rq_error', host.failedRequests),
      counter('rq_success', Math.max(0, host.totalRequests - host.failedRequests)),
      counter('rq_timeout', host.timedOutRequests),
      counter('rq_total', host.totalRequests),
      gauge('cx_active', host.activeConnections),
      gauge('rq_active', host.activeRequests),
      gauge('rq_pending_active', host.pendingRequests),
    ],
    health_status: healthJson(host),
    ...(host.successRate < 0 ? {} : { success_rate: { value: host.successRate } }),
    ...(host.localOriginSuccessRate < 0 ? {} : { local_origin_success_rate: { value: host.localOriginSuccessRate } }),
    weight: host.weight,
    hostname: host.hostname,
    priority: host.priority,
    locality: { region, zone, sub_zone: subZone },
  };
}

/** `127.0.0.1:80`, `[::1]:80` or a path. */
export function addressJson(name: string): object {
  const match = /^(?:\[(.+)\]|([^:/]+)):(\d+)$/.exec(name);
  if (match === null) return { pipe: { path: name } };
  return { socket_address: { address: match[1] ?? match[2] ?? '', port_value: Number(match[3]) } };
}
