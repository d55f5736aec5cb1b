import { type DescMessage, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { ClusterLoadAssignmentSchema } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import { HttpConnectionManagerSchema } from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { UpstreamTlsContextSchema } from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import { XDS_TYPE } from '@weft/contracts';
import { silentLogger } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import type { AdsClientHandlers, AdsClientState, AdsTypeState, HeldVersions, ReceivedResource } from '@weft/xds';
import { describe, expect, it } from 'vitest';
import type { RejectedResource, ResourceSet, ResourceType } from '../ports.ts';
import type { SavedConfig, SavedRead } from '../saved-config/saved-config.ts';
import { createDiscovery } from './discovery.ts';

const bytes = <Desc extends DescMessage>(schema: Desc, json: JsonValue): Uint8Array =>
  toBinary(schema, fromJson(schema, json));
const ADS = { ads: {} };
const cluster = (name: string, serviceName = ''): Uint8Array =>
  bytes(ClusterSchema, { name, type: 'EDS', edsClusterConfig: { edsConfig: ADS, serviceName } });
const endpoint = (clusterName: string): Uint8Array => bytes(ClusterLoadAssignmentSchema, { clusterName });
const route = (name: string): Uint8Array => bytes(RouteConfigurationSchema, { name });
function listener(name: string, routeConfigName: string): Uint8Array {
  const message = fromJson(ListenerSchema, { name, filterChains: [{ filters: [{ name: 'hcm' }] }] });
  const filter = message.filterChains[0]?.filters[0];
  if (filter === undefined) throw new Error('no filter');
  const value = bytes(HttpConnectionManagerSchema, { statPrefix: 's', rds: { routeConfigName, configSource: ADS } });
  filter.configType = {
    case: 'typedConfig',
    value: {
      $typeName: 'google.protobuf.Any',
      typeUrl: `type.googleapis.com/${HttpConnectionManagerSchema.typeName}`,
      value,
    },
  };
  return toBinary(ListenerSchema, message);
}

const NOTHING: SavedRead['resources'] = { listener: [], route: [], cluster: [], endpoint: [], nameTable: [] };
interface SetUp {
  readonly saved?: Partial<SavedRead['resources']>;
  readonly reject?: (set: ResourceSet) => RejectedResource[];
  readonly refuseUnknownFields?: boolean;
  /** Of the disk; undefined = at once. */
  readonly written?: Promise<void>;
}

/** With TLS that names these secrets. */
function secured(name: string, own: string, roots: JsonValue): Uint8Array {
  const message = fromJson(ClusterSchema, { name, type: 'STATIC', transportSocket: { name: 'tls' } });
  const value = bytes(UpstreamTlsContextSchema, {
    commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: own }], validationContextSdsSecretConfig: roots },
  });
  if (message.transportSocket === undefined) throw new Error('no transport socket');
  const typeUrl = `type.googleapis.com/${UpstreamTlsContextSchema.typeName}`;
  message.transportSocket.configType = {
    case: 'typedConfig',
    value: { $typeName: 'google.protobuf.Any', typeUrl, value },
  };
  return toBinary(ClusterSchema, message);
}

async function setUp({
  saved = {},
  reject = () => [],
  refuseUnknownFields = false,
  written = Promise.resolve(),
}: SetUp = {}) {
  const clock = new FakeClock(1_000);
  const applied: ResourceSet[] = [];
  const subscribed = new Map<string, readonly string[] | '*'>();
  let handlers: AdsClientHandlers | undefined;
  let held: HeldVersions = new Map();
  let state: AdsClientState = { connected: false, failures: 0, types: [] };
  const saves: number[] = [];
  const wanted: string[] = [];
  let flushes = 0;
  let unknown = 0;
  const store: SavedConfig = {
    load: () =>
      Promise.resolve({
        resources: { ...NOTHING, ...saved },
        savedAt: Object.keys(saved).length > 0 ? 500 : undefined,
      }),
    save: () => void saves.push(clock.now()),
    flush() {
      flushes += 1;
      return written;
    },
  };
  const discovery = createDiscovery({
    createClient: (given, versions) => {
      handlers = given;
      held = versions;
      return {
        start: () => {},
        setSubscriptions: (typeUrl, names) => void subscribed.set(typeUrl, names === '*' ? '*' : [...names]),
        state: () => state,
        reconnect: () => {},
        close: () => {},
      };
    },
    apply: (set) => {
      applied.push(set);
      return reject(set);
    },
    secrets: {
      want: ({ files, served }) => void wanted.push([...files, '|', ...served].join(' ')),
      take: (added) => added.map(({ name }) => ({ name, reason: 'it is bad' })),
    },
    saved: store,
    clock,
    logger: silentLogger,
    onUnknownFields: (count) => {
      unknown += count;
    },
    refuseUnknownFields,
  });
  await discovery.start();
  return {
    clock,
    applied,
    subscribed,
    discovery,
    saves,
    wanted,
    sendSecret: (name: string) =>
      handlers?.onUpdate(
        XDS_TYPE.secret,
        [{ name, version: '1', typeUrl: XDS_TYPE.secret, bytes: new Uint8Array() }],
        [],
      ),
    flushes: () => flushes,
    held: () => held,
    unknown: () => unknown,
    update: (type: ResourceType, added: Record<string, Uint8Array>, removed: string[] = []) =>
      handlers?.onUpdate(
        XDS_TYPE[type],
        Object.entries(added).map(([name, value]): ReceivedResource => ({
          name,
          version: '1',
          typeUrl: XDS_TYPE[type],
          bytes: value,
        })),
        removed,
      ),
    be: (next: Partial<AdsClientState>) => {
      state = { connected: false, failures: 0, types: [], ...next };
      handlers?.onState?.(state);
    },
  };
}
const typeState = (type: ResourceType, given: Partial<AdsTypeState> = {}): AdsTypeState => ({
  typeUrl: XDS_TYPE[type],
  wildcard: type === 'cluster' || type === 'listener',
  names: [],
  received: true,
  waitingFor: [],
  resources: 0,
  accepted: 0,
  nacked: 0,
  rejected: new Map(),
  ...given,
});
const names = (set: ResourceSet | undefined) => ({
  listeners: [...(set?.listeners.keys() ?? [])],
  routes: [...(set?.routes.keys() ?? [])],
  clusters: [...(set?.clusters.keys() ?? [])],
  endpoints: [...(set?.endpoints.keys() ?? [])],
});

describe('discovery', () => {
  it('asks for what is named, and forgets it when it is named no more', async () => {
    const { update, subscribed, applied } = await setUp();
    expect(subscribed.get(XDS_TYPE.cluster)).toBe('*');
    update('cluster', { a: cluster('a'), b: cluster('b', 'service-b') });
    expect(subscribed.get(XDS_TYPE.endpoint)).toEqual(['a', 'service-b']);
    update('endpoint', { a: endpoint('a'), 'service-b': endpoint('service-b') });
    update('listener', { l: listener('l', '9080') });
    expect(subscribed.get(XDS_TYPE.route)).toEqual(['9080']);
    update('route', { '9080': route('9080') });
    expect(names(applied.at(-1))).toEqual({
      listeners: ['l'],
      routes: ['9080'],
      clusters: ['a', 'b'],
      endpoints: ['a', 'service-b'],
    });
    update('cluster', {}, ['b']);
    expect(subscribed.get(XDS_TYPE.endpoint)).toEqual(['a']);
    update('listener', { l: listener('l', 'other') });
    expect(names(applied.at(-1)).endpoints).toEqual(['a']);
    update('route', {});
    expect(names(applied.at(-1)).routes).toEqual([]);
  });
  it('refuses single resources and keeps what stood before', async () => {
    const { update, applied, discovery } = await setUp({
      reject: (set) =>
        set.clusters.get('a')?.altStatName === 'bad' ? [{ type: 'cluster', name: 'a', reason: 'bad name' }] : [],
    });
    update('cluster', { a: cluster('a') });
    const worse = bytes(ClusterSchema, { name: 'a', altStatName: 'bad' });
    const rejected = update('cluster', {
      a: worse,
      broken: Uint8Array.of(0x0a, 0xff),
      lied: cluster('other'),
      good: cluster('good'),
    });
    expect(rejected?.map(({ name }) => name).sort()).toEqual(['a', 'broken', 'lied']);
    expect(rejected?.find(({ name }) => name === 'lied')?.reason).toBe('the message calls itself "other"');
    const book = discovery.book();
    expect([...book.held.cluster.keys()].sort()).toEqual(['a', 'good']);
    expect(book.held.cluster.get('a')?.message.altStatName).toBe('');
    expect(book.refused.cluster.get('a')).toMatchObject({ reason: 'bad name' });
    update('cluster', { a: cluster('a') });
    expect(discovery.book().refused.cluster.has('a')).toBe(false);
    expect(names(applied.at(-1)).clusters).toEqual(['a', 'good']);
  });
  it('a resource that was refused and never stood is not there', async () => {
    const { update, discovery } = await setUp({ reject: () => [{ type: 'cluster', name: 'a', reason: 'no' }] });
    expect(update('cluster', { a: cluster('a') })).toEqual([{ name: 'a', reason: 'no' }]);
    expect(discovery.book().held.cluster.size).toBe(0);
  });
  it('counts fields that it does not read, or refuses them', async () => {
    // track_timeout_budgets (47) is none that the proxy reads.
    const withMore = bytes(ClusterSchema, { name: 'a', trackTimeoutBudgets: true });
    const lenient = await setUp();
    expect(lenient.update('cluster', { a: withMore })).toEqual([]);
    expect(lenient.unknown()).toBe(1);
    const strict = await setUp({ refuseUnknownFields: true });
    expect(strict.update('cluster', { a: withMore })).toEqual([{ name: 'a', reason: 'unknown field #47' }]);
  });

  const saved = {
    cluster: [{ name: 'a', version: '7', bytes: cluster('a') }],
    listener: [{ name: 'l', version: '8', bytes: listener('l', 'r') }],
  };
  it('claims what it saved, and uses it when the control plane can not be reached', async () => {
    const { held, applied, be, discovery, subscribed } = await setUp({ saved });
    expect(held().get(XDS_TYPE.cluster)).toEqual(new Map([['a', '7']]));
    expect(subscribed.get(XDS_TYPE.route)).toEqual(['r']);
    expect(applied).toEqual([]);
    be({ failures: 1, lastError: 'ECONNREFUSED' });
    expect(names(applied.at(-1))).toMatchObject({ clusters: ['a'], listeners: ['l'] });
    expect(discovery.state()).toMatchObject({ source: 'saved', savedAt: 500 });
    expect(discovery.waitingFor()).toEqual([]);
    be({ connected: true, types: [typeState('cluster'), typeState('listener')] });
    expect(discovery.state().source).toBe('control-plane');
    expect(applied).toHaveLength(1);
  });
  it('uses it when the control plane says nothing for a while', async () => {
    const { applied, clock } = await setUp({ saved });
    clock.advance(1_900);
    expect(applied).toEqual([]);
    clock.advance(200);
    expect(applied).toHaveLength(1);
  });
  it('uses it when the control plane confirms it without sending anything', async () => {
    const { applied, be, discovery } = await setUp({ saved });
    be({ connected: true, types: [typeState('cluster'), typeState('listener', { received: false })] });
    expect(applied).toEqual([]);
    be({ connected: true, types: [typeState('cluster'), typeState('listener')] });
    expect(applied).toHaveLength(1);
    expect(discovery.state().source).toBe('control-plane');
  });
  it('the control plane’s word comes before what was saved', async () => {
    const { update, applied, be, clock } = await setUp({ saved });
    update('cluster', { b: cluster('b') }, ['a']);
    expect(names(applied.at(-1))).toMatchObject({ clusters: ['b'], listeners: ['l'] });
    be({ failures: 1 });
    clock.advance(10_000);
    expect(applied).toHaveLength(1);
  });
  it('leaves out of the saved what is broken', async () => {
    const { be, applied, held } = await setUp({
      saved: { cluster: [...saved.cluster, { name: 'x', version: '1', bytes: Uint8Array.of(0xff) }] },
    });
    expect([...(held().get(XDS_TYPE.cluster)?.keys() ?? [])]).toEqual(['a']);
    be({ failures: 1 });
    expect(names(applied.at(-1)).clusters).toEqual(['a']);
  });
  it('says what it waits for', async () => {
    const { discovery, be, update } = await setUp();
    expect(discovery.waitingFor()).toEqual(['clusters from the control plane', 'listeners from the control plane']);
    be({ failures: 2, lastError: 'refused' });
    expect(discovery.waitingFor()[0]).toBe('clusters from the control plane (refused)');
    update('cluster', { a: cluster('a') });
    be({
      connected: true,
      types: [typeState('cluster'), typeState('listener'), typeState('endpoint', { names: ['a'], waitingFor: ['a'] })],
    });
    expect(discovery.waitingFor()).toEqual(['endpoints a']);
    update('endpoint', { a: endpoint('a') });
    be({
      connected: true,
      types: [typeState('cluster'), typeState('listener'), typeState('endpoint', { names: ['a'] })],
    });
    await Promise.resolve();
    expect(discovery.waitingFor()).toEqual([]);
  });

  const complete = { connected: true, types: [typeState('cluster'), typeState('listener')] };
  it('is ready when the first complete set is on disk, written at once', async () => {
    let done = (): void => {};
    const { discovery, be, update, flushes } = await setUp({ written: new Promise((resolve) => (done = resolve)) });
    update('cluster', { a: cluster('a') });
    be({ connected: true, types: [typeState('cluster'), typeState('listener', { received: false })] });
    expect([flushes(), discovery.waitingFor()]).toEqual([0, ['listeners from the control plane']]);
    update('listener', { l: listener('l', 'r') });
    be({ connected: true, types: [...complete.types, typeState('route', { names: ['r'], waitingFor: ['r'] })] });
    expect([flushes(), discovery.waitingFor()]).toEqual([0, ['routes r']]);
    update('route', { r: route('r') });
    be(complete);
    expect([flushes(), discovery.waitingFor()]).toEqual([1, ['the configuration to be on disk']]);
    done();
    await expect.poll(() => discovery.waitingFor()).toEqual([]);
    update('cluster', { b: cluster('b') });
    be(complete);
    expect([flushes(), discovery.waitingFor()]).toEqual([1, []]);
  });
  it('does not wait long for a disk that does not answer', async () => {
    const { discovery, be, update, clock } = await setUp({ written: new Promise(() => {}) });
    update('cluster', { a: cluster('a') });
    be(complete);
    clock.advance(1_900);
    expect(discovery.waitingFor()).toEqual(['the configuration to be on disk']);
    clock.advance(200);
    expect(discovery.waitingFor()).toEqual([]);
  });
});

describe('secrets that resources name', () => {
  const TYPE: AdsTypeState = {
    typeUrl: XDS_TYPE.secret,
    wildcard: false,
    names: ['kubernetes://a'],
    received: false,
    waitingFor: ['kubernetes://a'],
    resources: 0,
    accepted: 0,
    nacked: 0,
    rejected: new Map(),
  };

  it('are asked for where they come from, and no longer when nobody names them', async () => {
    const { update, wanted, subscribed, sendSecret } = await setUp();
    expect(subscribed.has(XDS_TYPE.secret)).toBe(false);
    update('cluster', {
      a: secured('a', 'default', { name: 'file-root:system', sdsConfig: ADS }),
      b: secured('b', 'kubernetes://b', { name: 'ROOTCA', sdsConfig: ADS }),
      c: secured('c', 'default', { name: 'kubernetes://c-cacert', sdsConfig: ADS }),
      d: secured('d', 'default', { name: 'served by somebody else' }),
    });
    expect(wanted.at(-1)).toBe('file-root:system | kubernetes://c-cacert');
    expect(subscribed.get(XDS_TYPE.secret)).toEqual(['kubernetes://c-cacert']);
    expect(sendSecret('kubernetes://c-cacert')).toEqual([{ name: 'kubernetes://c-cacert', reason: 'it is bad' }]);
    update('cluster', {}, ['a', 'b', 'c', 'd']);
    expect([wanted.at(-1), subscribed.get(XDS_TYPE.secret)]).toEqual(['|', []]);
  });

  it('are waited for, but not for ever', async () => {
    const { update, be, discovery, clock } = await setUp();
    update('cluster', { c: secured('c', 'default', { name: 'kubernetes://a', sdsConfig: ADS }) });
    be({ connected: true, types: [TYPE] });
    expect(discovery.waitingFor()).toContain('secret kubernetes://a');
    clock.advance(15_000);
    expect(discovery.waitingFor()).not.toContain('secret kubernetes://a');
  });

  it('of a message that can not be read are none', async () => {
    const { update, wanted } = await setUp();
    const broken = fromJson(ClusterSchema, { name: 'x', type: 'STATIC', transportSocket: { name: 'tls' } });
    if (broken.transportSocket !== undefined) {
      broken.transportSocket.configType = {
        case: 'typedConfig',
        value: {
          $typeName: 'google.protobuf.Any',
          typeUrl: `type.googleapis.com/${UpstreamTlsContextSchema.typeName}`,
          value: Uint8Array.of(0xff),
        },
      };
    }
    expect(update('cluster', { x: toBinary(ClusterSchema, broken) })).toEqual([]);
    expect(wanted.at(-1)).toBe('|');
  });
});
