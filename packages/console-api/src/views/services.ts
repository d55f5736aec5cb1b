/** Services as list rows and as one page. Pure. */
import type { ConfigRef, EndpointView, PeerView, ServiceDetails, ServiceSummary } from '@weft/contracts/console-views';
import { serviceHealth } from '../health/health.ts';
import { codesOf, mtlsOf, tallyOf, trafficOf } from '../health/traffic.ts';
import { edgeHealth } from '../health/health.ts';
import type { ServiceRecord } from '../ports.ts';
import type { CallStats } from './calls.ts';
import { endpointCount, workloadsOf } from './endpoints.ts';
import { groupBy, indexCalls, keyOf, type Picture } from './picture.ts';

type Trends = ReadonlyMap<string, readonly number[]>;

export function buildServices(picture: Picture, trends: Trends): readonly ServiceSummary[] {
  const { toService } = indexCalls(picture.calls);
  return picture.services.map((service) => {
    const key = keyOf(service.namespace, service.name);
    return summary(service, picture, toService.get(key) ?? [], trends.get(key) ?? []);
  });
}

export function buildServiceDetails(
  service: ServiceRecord,
  picture: Picture,
  trends: Trends,
  config: readonly ConfigRef[],
): ServiceDetails {
  const index = indexCalls(picture.calls);
  const key = keyOf(service.namespace, service.name);
  const calls = index.toService.get(key) ?? [];
  return {
    ...summary(service, picture, calls, trends.get(key) ?? []),
    endpointList: endpoints(service, picture, index.toWorkload),
    callers: callers(calls, picture),
    codes: codesOf(tallyOf(calls), picture.measuredMs),
    config,
  };
}

function summary(
  service: ServiceRecord,
  picture: Picture,
  calls: readonly CallStats[],
  trend: readonly number[],
): ServiceSummary {
  const { namespace, name, hostname, ports, internal } = service;
  const tally = tallyOf(calls);
  const endpoints = endpointCount(service, picture.workloads);
  const versions = new Set(workloadsOf(service, picture.workloads).flatMap(({ labels }) => labels['version'] ?? []));
  return {
    namespace,
    name,
    hostname,
    ports,
    versions: [...versions].toSorted(),
    endpoints,
    health: serviceHealth(endpoints, tally, internal),
    traffic: trafficOf(tally, picture.measuredMs),
    trend,
  };
}

function endpoints(
  service: ServiceRecord,
  picture: Picture,
  toWorkload: ReadonlyMap<string, readonly CallStats[]>,
): readonly EndpointView[] {
  return workloadsOf(service, picture.workloads).flatMap((workload) =>
    workload.ports.map((port): EndpointView => {
      const version = workload.labels['version'];
      const calls = toWorkload.get(keyOf(workload.namespace, workload.name)) ?? [];
      return {
        workload: workload.name,
        namespace: workload.namespace,
        ...(version === undefined ? {} : { version }),
        address: workload.address,
        port: port.meshPort,
        state: workload.health,
        traffic: trafficOf(tallyOf(calls), picture.measuredMs),
      };
    }),
  );
}

function callers(calls: readonly CallStats[], picture: Picture): readonly PeerView[] {
  const gateways = new Set(
    picture.workloads.flatMap(({ kind, namespace, name }) => (kind === 'gateway' ? keyOf(namespace, name) : [])),
  );
  const groups = groupBy(calls, ({ source: { namespace, workload }, protocol }) =>
    [namespace, workload ?? '', protocol].join('/'),
  );
  return [...groups.values()]
    .flatMap((group): PeerView[] => {
      const [first] = group;
      if (!first) return [];
      const { namespace, workload, version } = first.source;
      const tally = tallyOf(group);
      const key = workload && keyOf(namespace, workload);
      return [
        {
          id: key ? `workload/${key}` : 'unknown',
          kind: key === undefined ? 'unknown' : gateways.has(key) ? 'gateway' : 'workload',
          namespace,
          name: workload ?? 'unknown',
          ...(version === undefined ? {} : { version }),
          protocol: first.protocol,
          traffic: trafficOf(tally, picture.measuredMs),
          mtls: mtlsOf(tally).mtls,
          health: edgeHealth(tally),
        },
      ];
    })
    .toSorted((a, b) => b.traffic.requestsPerSecond - a.traffic.requestsPerSecond);
}
