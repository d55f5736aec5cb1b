/** Which priority and weight the places of endpoints have for one client: Istio's locality load balancing. */
import { localityName, localityOf, REGION_LABEL, SUBZONE_LABEL, ZONE_LABEL, type Locality } from '@weft/contracts';
import type { LoadBalancer } from '../config-store/kinds.ts';
import { compareText } from '../model/hostname.ts';
import type { Labels } from '../model/labels.ts';
import { inLocality } from '../model/locality.ts';
import type { Endpoint, Service } from '../model/service.ts';
import type { EffectivePolicy } from '../snapshot/destination-rules.ts';

/** Endpoints of one place and priority. */
export interface LocalityGroup {
  readonly locality: Locality;
  readonly priority: number;
  readonly weight: number;
  readonly endpoints: readonly Endpoint[];
}

/** How a client looks at places. Two clients for which `key` is equal see the same. */
export interface LocalityView {
  readonly key: string;
  group(endpoints: readonly Endpoint[]): readonly LocalityGroup[];
}

export interface LocalityClient {
  readonly labels: Labels;
  readonly clusterId: string;
}

type Setting = NonNullable<LoadBalancer['localityLbSetting']>;
type Failover = NonNullable<Setting['failover']>;

/** All places alike, a place weighing what its endpoints weigh. */
export const ALIKE: LocalityView = { key: '', group: (endpoints) => groupBy(endpoints, () => 0) };

/** A rule's own setting, else what the service prefers, else the mesh's, which is on. */
export function localityView(
  client: LocalityClient,
  policy: EffectivePolicy,
  { prefer }: Pick<Service, 'prefer'>,
): LocalityView {
  const { localityLbSetting: setting, zoneAwareLbSetting: zones } = policy.loadBalancer ?? {};
  if (zones?.enabled === true) {
    return failoverView(client, zones.failover ?? [], zones.failoverPriority ?? [], policy);
  }
  if (!setting && prefer) return preferView(client, prefer);
  if (setting?.enabled === false) return ALIKE;
  const own = localityOf(client.labels);
  if (setting?.distribute && setting.distribute.length > 0) return distributeView(own, setting.distribute);
  return failoverView(client, setting?.failover ?? [], setting?.failoverPriority ?? [], policy);
}

/** Places in the order in which they are used. Without outlier detection nobody would notice that the near ones fail. */
function failoverView(
  client: LocalityClient,
  failover: Failover,
  labels: readonly string[],
  { outlierDetection }: EffectivePolicy,
): LocalityView {
  if (!outlierDetection) return ALIKE;
  const own = localityOf(client.labels);
  if (labels.length > 0) return byLabels(client, labels);
  if (own.region === '') return ALIKE;
  const target = failover.find(({ from }) => from === own.region)?.to;
  return {
    key: `${localityName(own)} ${target ?? ''}`,
    group: (endpoints) => groupBy(endpoints, ({ locality }) => distance(own, locality, target)),
  };
}

/** So many of the first labels as an endpoint shares: the more, the sooner it is used. */
function byLabels(client: LocalityClient, labels: readonly string[]): LocalityView {
  const wanted = labels.map((label) => wantedLabel(label, client));
  return {
    key: JSON.stringify(wanted),
    group: (endpoints) =>
      groupBy(endpoints, (endpoint) => {
        const found = factsOf(endpoint.labels, endpoint.locality, client.clusterId, endpoint.workload);
        const differing = wanted.findIndex(([label, value]) => value === undefined || found(label) !== value);
        return differing < 0 ? 0 : wanted.length - differing;
      }),
  };
}

const NETWORK_LABEL = 'topology.istio.io/network';
const NODE_LABEL = 'kubernetes.io/hostname';

/** What the client does not know of itself can not tell near from far. */
function preferView(client: LocalityClient, prefer: 'zone' | 'node'): LocalityView {
  const known = factsOf(client.labels, localityOf(client.labels), client.clusterId);
  const labels = [NETWORK_LABEL, REGION_LABEL, ZONE_LABEL, ...(prefer === 'node' ? [SUBZONE_LABEL, NODE_LABEL] : [])];
  const telling = labels.filter((label) => known(label) !== undefined);
  return telling.length === 0 ? ALIKE : byLabels(client, telling);
}

/** 0 the same subzone, 1 the same zone, 2 the same region, 3 the region to fail over to (any, where none is named), 4 the rest. */
function distance(own: Locality, other: Locality, target: string | undefined): number {
  if (own.region !== other.region) return target === undefined || target === other.region ? 3 : 4;
  if (own.zone !== other.zone) return 2;
  return own.subZone === other.subZone ? 0 : 1;
}

/** `label` asks for the client's own value, `label=value` for that one. */
function wantedLabel(text: string, { labels, clusterId }: LocalityClient): readonly [label: string, value?: string] {
  const equals = text.indexOf('=');
  if (equals >= 0) return [text.slice(0, equals), text.slice(equals + 1)];
  const value = factsOf(labels, localityOf(labels), clusterId)(text);
  return value === undefined ? [text] : [text, value];
}

const factsOf =
  (labels: Labels, { region, zone, subZone }: Locality, clusterId: string, workload?: string) =>
  (label: string): string | undefined => {
    switch (label) {
      case REGION_LABEL:
        return region || undefined;
      case ZONE_LABEL:
        return zone || undefined;
      case SUBZONE_LABEL:
        return subZone || undefined;
      case 'topology.istio.io/cluster':
        return labels[label] ?? clusterId;
      // So that one instance can be named, without a label of its own.
      case 'service.istio.io/workload-name':
        return labels[label] ?? workload;
      default:
        return labels[label];
    }
  };

/** Traffic by place as the first entry for the client's own says; other places get none. */
function distributeView(own: Locality, distribute: NonNullable<Setting['distribute']>): LocalityView {
  const entry = distribute.find(({ from }) => inLocality(own, from ?? '*'));
  if (!entry) return ALIKE;
  const targets = Object.entries(entry.to ?? {}).toSorted(([a], [b]) => specificity(b) - specificity(a));
  return {
    key: JSON.stringify(targets),
    group: (endpoints) => {
      const groups = groupBy(endpoints, () => 0).map((group) => ({
        group,
        target: targets.find(([pattern]) => inLocality(group.locality, pattern)),
      }));
      return groups.flatMap(({ group, target }) => {
        if (!target) return [];
        const total = groups
          .filter((other) => other.target === target)
          .reduce((sum, other) => sum + other.group.weight, 0);
        return [{ ...group, weight: Math.ceil((target[1] * group.weight) / total) }];
      });
    },
  };
}

const specificity = (pattern: string): number =>
  pattern.split('/').filter((part) => part !== '' && part !== '*').length;

/** Sorted by priority, then place; priorities are numbered without gaps. */
function groupBy(endpoints: readonly Endpoint[], priorityOf: (endpoint: Endpoint) => number): LocalityGroup[] {
  const groups = new Map<string, { readonly priority: number; readonly endpoints: Endpoint[] }>();
  for (const endpoint of endpoints) {
    const priority = priorityOf(endpoint);
    const key = `${priority} ${localityName(endpoint.locality)}`;
    const group = groups.get(key);
    if (group) group.endpoints.push(endpoint);
    else groups.set(key, { priority, endpoints: [endpoint] });
  }
  const used = [...new Set([...groups.values()].map(({ priority }) => priority))].sort((a, b) => a - b);
  return [...groups.values()]
    .flatMap(({ priority, endpoints: members }) => {
      const [first] = members;
      if (!first) return [];
      const weight = members.reduce((sum, endpoint) => sum + endpoint.weight, 0);
      return [{ locality: first.locality, priority: used.indexOf(priority), weight, endpoints: members }];
    })
    .sort((a, b) => a.priority - b.priority || compareText(localityName(a.locality), localityName(b.locality)));
}
