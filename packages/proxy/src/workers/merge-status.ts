import type { ClusterStatus, HostStatus } from '../ports.ts';

/** Several workers' view of the same clusters: what the first one says of their health, and everybody's numbers. */
export function mergeClusters(views: readonly (readonly ClusterStatus[])[]): ClusterStatus[] {
  const [first = [], ...others] = views;
  const known = others.map(
    (clusters) => new Map(clusters.map(({ name, hosts }) => [name, new Map(hosts.map((host) => [host.name, host]))])),
  );
  return first.map((cluster) => {
    const elsewhere = known.flatMap((clusters) => clusters.get(cluster.name) ?? []);
    const names = new Set(cluster.hosts.map(({ name }) => name));
    // Where callers say where to go, workers have different hosts.
    const more = new Map(elsewhere.flatMap((hosts) => [...hosts]).filter(([name]) => !names.has(name)));
    const missing = [...more.values()].map(idle);
    return {
      ...cluster,
      hosts: [...cluster.hosts, ...missing].map((host) =>
        elsewhere.reduce((sum, hosts) => plus(sum, hosts.get(host.name)), host),
      ),
    };
  });
}

const NUMBERS = [
  'activeConnections',
  'totalConnections',
  'activeRequests',
  'totalRequests',
  'failedRequests',
  'connectFailures',
  'timedOutRequests',
  'pendingRequests',
] as const;

const plus = (host: HostStatus, other: HostStatus | undefined): HostStatus =>
  other === undefined
    ? host
    : { ...host, ...Object.fromEntries(NUMBERS.map((name) => [name, host[name] + other[name]])) };

const idle = (host: HostStatus): HostStatus => ({ ...host, ...Object.fromEntries(NUMBERS.map((name) => [name, 0])) });
