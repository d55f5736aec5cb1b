import { localityOf } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import { messageJson, SCHEMAS } from '../testing/json.ts';
import { registryOf } from '../testing/registry.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { inLocality } from '../model/locality.ts';
import { buildClusters } from './clusters.ts';
import { buildEndpoints } from './endpoints.ts';

const NAME = 'outbound|9080||echo.default.svc.cluster.local';
const at = (locality: string, more: Record<string, string> = {}): Record<string, string> => ({
  'topology.istio.io/locality': locality.replaceAll('/', '.'),
  ...more,
});
const PLACES = ['eu/a/1', 'eu/a/2', 'eu/b/1', 'us/a/1', 'asia/a/1'];

const rule = (policy: object): string =>
  JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'echo' },
    spec: { host: 'echo', trafficPolicy: policy },
  });

function contextFor(
  policy: object | undefined,
  client: Record<string, string>,
  places: readonly Record<string, string>[],
  ...more: readonly string[]
) {
  const registry = registryOf([
    { service: 'client', index: 2, labels: client },
    ...places.map((labels, i) => ({ service: 'echo', version: `v${i}`, index: 3 + i, labels })),
  ]);
  const yaml = [...(policy ? [rule(policy)] : []), ...more].join('\n---\n');
  return contextOf(snapshotOf({ registry, yaml }), 'client-v1');
}

interface Group {
  readonly locality?: { readonly region: string; readonly zone?: string; readonly subZone?: string };
  readonly priority?: number;
  readonly loadBalancingWeight: number;
  readonly lbEndpoints: readonly unknown[];
}

/** "place priority weight" of each group. */
function groups(
  policy: object | undefined,
  client: Record<string, string> = at('eu/a/1'),
  places: readonly Record<string, string>[] = PLACES.map((place) => at(place)),
): readonly string[] {
  return groupsOf(contextFor(policy, client, places));
}

function groupsOf(context: ReturnType<typeof contextFor>): readonly string[] {
  const [found] = buildEndpoints(context, [NAME]);
  const { endpoints = [] } = (found && messageJson(SCHEMAS.endpoint, found.message)) as { endpoints?: Group[] };
  return endpoints.map(({ locality, priority = 0, loadBalancingWeight }) => {
    const place = [locality?.region ?? '', locality?.zone ?? '', locality?.subZone ?? ''].join('/');
    return `${place} ${priority} ${loadBalancingWeight}`;
  });
}

const outlierDetection = { consecutive5xxErrors: 5 };

describe('places', () => {
  it('are read from one label or from several', () => {
    expect(localityOf(at('eu/a/1'))).toEqual({ region: 'eu', zone: 'a', subZone: '1' });
    expect(localityOf({ 'istio-locality': 'eu.a' })).toEqual({ region: 'eu', zone: 'a', subZone: '' });
    expect(localityOf({ 'topology.kubernetes.io/region': 'eu', 'topology.istio.io/subzone': '1' })).toEqual({
      region: 'eu',
      zone: '',
      subZone: '1',
    });
  });
  it.each([
    ['eu/a/1', true],
    ['eu/a/*', true],
    ['eu/a', true],
    ['eu/*', true],
    ['*', true],
    ['eu/a/2', false],
    ['us/*', false],
  ])('eu/a/1 is in %s: %s', (pattern, expected) => {
    expect(inLocality(localityOf(at('eu/a/1')), pattern)).toBe(expected);
  });
});

describe('failover', () => {
  it('is by distance, without gaps, and needs outlier detection', () => {
    const far = ['asia/a/1 3 1', 'us/a/1 3 1'];
    expect(groups({ outlierDetection })).toEqual(['eu/a/1 0 1', 'eu/a/2 1 1', 'eu/b/1 2 1', ...far]);
    expect(groups({ outlierDetection }, at('us/a/9'))).toEqual([
      'us/a/1 0 1',
      'asia/a/1 1 1',
      'eu/a/1 1 1',
      'eu/a/2 1 1',
      'eu/b/1 1 1',
    ]);
    expect(
      groups({ loadBalancer: { localityLbSetting: { enabled: true } } }).every((text) => text.includes(' 0 ')),
    ).toBe(true);
  });
  it('can be switched off, and does nothing for a client that is nowhere', () => {
    const off = { outlierDetection, loadBalancer: { localityLbSetting: { enabled: false } } };
    expect(groups(off).every((text) => text.includes(' 0 '))).toBe(true);
    expect(groups({ outlierDetection }, {}).every((text) => text.includes(' 0 '))).toBe(true);
  });
  it('goes to the region that is named before all others', () => {
    const localityLbSetting = { enabled: true, failover: [{ from: 'eu', to: 'us' }] };
    expect(groups({ outlierDetection, loadBalancer: { localityLbSetting } }).slice(3)).toEqual([
      'us/a/1 3 1',
      'asia/a/1 4 1',
    ]);
  });
  it('goes by labels in their order', () => {
    const localityLbSetting = { failoverPriority: ['topology.kubernetes.io/region', 'tier=gold'] };
    const places = [at('eu/a/1'), at('eu/a/1', { tier: 'gold' }), at('us/a/1', { tier: 'gold' })];
    expect(groups({ outlierDetection, loadBalancer: { localityLbSetting } }, at('eu/a/1'), places)).toEqual([
      'eu/a/1 0 1',
      'eu/a/1 1 1',
      'us/a/1 2 1',
    ]);
  });
  it('goes to one named instance before all others', () => {
    const localityLbSetting = { failoverPriority: ['service.istio.io/workload-name=echo-v1'] };
    expect(groups({ outlierDetection, loadBalancer: { localityLbSetting } }, {}, [{}, {}, {}])).toEqual([
      '// 0 1',
      '// 1 2',
    ]);
  });
});

describe('what a service prefers', () => {
  const service = (words: string): string =>
    `{apiVersion: v1, kind: Service, metadata: {name: echo${words.startsWith('annotations') ? `, ${words}` : ''}}, ` +
    `spec: {selector: {app: echo}, ports: [{name: http, port: 9080}]${words.startsWith('annotations') ? '' : `, ${words}`}}}`;
  const seen = (words: string, client = at('eu/a/1'), policy?: object): readonly string[] => {
    const places = PLACES.map((place) => at(place));
    return groupsOf(contextFor(policy, client, places, service(words)));
  };

  it.each([
    'trafficDistribution: PreferClose',
    'trafficDistribution: PreferSameZone',
    'annotations: {networking.istio.io/traffic-distribution: PreferClose}',
  ])('%s is its own zone, then its own region, without outlier detection', (words) => {
    expect(seen(words)).toEqual(['eu/a/1 0 1', 'eu/a/2 0 1', 'eu/b/1 1 1', 'asia/a/1 2 1', 'us/a/1 2 1']);
  });
  it('PreferSameNode looks at the subzone too', () => {
    expect(seen('trafficDistribution: PreferSameNode').slice(0, 2)).toEqual(['eu/a/1 0 1', 'eu/a/2 1 1']);
  });
  it('is nothing for a client that is nowhere, an unknown word, or where a rule says otherwise', () => {
    const alike = (groups: readonly string[]): boolean => groups.every((text) => text.includes(' 0 '));
    expect(alike(seen('trafficDistribution: PreferClose', {}))).toBe(true);
    expect(alike(seen('trafficDistribution: Whatever'))).toBe(true);
    const off = { loadBalancer: { localityLbSetting: { enabled: false } } };
    expect(alike(seen('trafficDistribution: PreferClose', at('eu/a/1'), off))).toBe(true);
  });
});

describe('distribute', () => {
  const setting = (distribute: unknown) => ({ loadBalancer: { localityLbSetting: { enabled: true, distribute } } });
  const distribute = [{ from: 'eu/a/*', to: { 'eu/a/*': 80, 'us/*': 20 } }];

  it('shares the weight of a pattern among its places, and leaves out the others', () => {
    expect(groups(setting(distribute))).toEqual(['eu/a/1 0 40', 'eu/a/2 0 40', 'us/a/1 0 20']);
  });
  it('is for clients of the place it names', () => {
    expect(groups(setting(distribute), at('us/a/1'))).toHaveLength(5);
  });
  it('asks the proxy to weigh localities', () => {
    const find = (policy: object) => {
      const cluster = buildClusters(contextFor(policy, at('eu/a/1'), [at('eu/a/1')])).find(({ name }) => name === NAME);
      return cluster && JSON.stringify(messageJson(SCHEMAS.cluster, cluster.message));
    };
    expect(find(setting(distribute))).toContain('"localityWeightedLbConfig":{}');
    expect(find({ loadBalancer: { zoneAwareLbSetting: { enabled: true } } })).toContain('"minClusterSize":"6"');
    expect(find({ outlierDetection })).not.toMatch(/locality[WC]/);
  });
});

it('clients of one place share what is made for them, others do not', () => {
  const policy = { outlierDetection };
  expect(groups(policy, at('us/a/1'))).not.toEqual(groups(policy, at('eu/a/1')));
});
