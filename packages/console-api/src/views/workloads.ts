/** Workloads as list rows and as one page. Pure. */
import type { RegisteredWorkload } from '@weft/contracts';
import type { CertificateView, ConfigRef, WorkloadDetails, WorkloadSummary } from '@weft/contracts/console-views';
import { workloadHealth } from '../health/health.ts';
import { codesOf, tallyOf, trafficOf } from '../health/traffic.ts';
import type { ProxyRecord } from '../ports.ts';
import { buildGraph, peersOf } from './graph.ts';
import { type CallIndex, indexCalls, keyOf, type Picture, proxiesByWorkload } from './picture.ts';
import { buildProxy, syncOf } from './proxies.ts';

type Trends = ReadonlyMap<string, readonly number[]>;

export function buildWorkloads(picture: Picture, trends: Trends): readonly WorkloadSummary[] {
  const index = indexCalls(picture.calls);
  const proxies = proxiesByWorkload(picture.proxies);
  return picture.workloads.map((workload) => {
    const key = keyOf(workload.namespace, workload.name);
    return summary(workload, picture, index, proxies.get(key), trends.get(key) ?? []);
  });
}

export function buildWorkloadDetails(
  workload: RegisteredWorkload,
  picture: Picture,
  trends: Trends,
  beside: { readonly config: readonly ConfigRef[]; readonly certificate: CertificateView | undefined },
): WorkloadDetails {
  const key = keyOf(workload.namespace, workload.name);
  const proxy = proxiesByWorkload(picture.proxies).get(key);
  const index = indexCalls(picture.calls);
  const neighbours = buildGraph(picture, { maxNodes: Infinity, maxEdges: Infinity });
  return {
    ...summary(workload, picture, index, proxy, trends.get(key) ?? []),
    labels: workload.labels,
    ports: workload.ports,
    callers: peersOf(neighbours, `workload/${key}`, 'callers'),
    callees: peersOf(neighbours, `workload/${key}`, 'callees'),
    codes: codesOf(tallyOf(index.toWorkload.get(key) ?? []), picture.measuredMs),
    ...(proxy ? { proxyDetails: buildProxy(proxy, picture.nowMs) } : {}),
    ...(beside.certificate ? { certificate: beside.certificate } : {}),
    config: beside.config,
  };
}

function summary(
  workload: RegisteredWorkload,
  picture: Picture,
  index: CallIndex,
  proxy: ProxyRecord | undefined,
  trend: readonly number[],
): WorkloadSummary {
  const { namespace, name, kind, service, labels, serviceAccount, address, health, startedAt } = workload;
  const key = keyOf(namespace, name);
  const inbound = tallyOf(index.toWorkload.get(key) ?? []);
  const outbound = tallyOf(index.fromWorkload.get(key) ?? []);
  const version = labels['version'];
  return {
    namespace,
    name,
    kind,
    ...(service === undefined ? {} : { service }),
    ...(version === undefined ? {} : { version }),
    serviceAccount,
    address,
    state: health,
    startedAt,
    health: workloadHealth(workload, proxy, inbound, outbound, picture.nowMs),
    inbound: trafficOf(inbound, picture.measuredMs),
    outbound: trafficOf(outbound, picture.measuredMs),
    proxy: syncOf(proxy),
    trend,
  };
}
