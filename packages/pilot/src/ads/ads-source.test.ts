import { XDS_TYPE, type RegistryState } from '@weft/contracts';
import type { ConfigObject } from '@weft/contracts/config';
import { silentLogger } from '@weft/kit';
import type { ChangeSet, PeerIdentity, XdsNode } from '@weft/xds';
import { describe, expect, it } from 'vitest';
import { createEncoder } from '../generators/encoder.ts';
import { affectedBy } from '../push/affected.ts';
import { createPushQueue } from '../push/push-queue.ts';
import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import { BOOKINFO, registryOf } from '../testing/registry.ts';
import { objectsOf, snapshotOf } from '../testing/snapshots.ts';
import { createAdsSource } from './ads-source.ts';

const node = (
  name: string,
  account = `bookinfo-${name.split('-')[0] ?? ''}`,
  extra: Record<string, unknown> = {},
): XdsNode => ({
  id: `sidecar~127.66.2.1~${name}.default~default.svc.cluster.local`,
  cluster: name,
  metadata: {
    NAMESPACE: 'default',
    SERVICE_ACCOUNT: account,
    WORKLOAD_NAME: name,
    INTERCEPTION_MODE: 'NONE',
    ...extra,
  },
  userAgentName: 'test',
  userAgentVersion: '1',
  clientFeatures: [],
});
const peer = (account: string): PeerIdentity => ({
  spiffeId: `spiffe://cluster.local/ns/default/sa/${account}`,
  identity: { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: account },
  address: '127.0.0.1:1',
});

function setup(objects: readonly ConfigObject[] = []) {
  let snapshot: MeshSnapshot | undefined = snapshotOf({ objects });
  const later: (() => void)[] = [];
  const rejected: string[] = [];
  const source = createAdsSource({
    snapshot: () => snapshot,
    encoder: createEncoder(),
    queue: (push) => createPushQueue({ push, later: (run) => later.push(run) }),
    logger: silentLogger,
    onPushed: () => {},
    onRejected: (typeUrl) => rejected.push(typeUrl),
  });
  const become = (next: { readonly objects?: readonly ConfigObject[]; readonly registry?: RegistryState }): void => {
    const former = snapshot;
    snapshot = { ...snapshotOf(next), version: (former?.version ?? 0) + 1 };
    source.snapshotChanged(snapshot, affectedBy(former, snapshot));
    while (later.length > 0) later.shift()?.();
  };
  const connect = (name: string) => {
    const session = source.connect(node(name), peer(`bookinfo-${name.split('-')[0] ?? ''}`));
    const pushes: Record<string, readonly string[]>[] = [];
    session.onPush((changes?: ChangeSet) =>
      pushes.push(
        Object.fromEntries(
          [...(changes ?? [])].map(([type, names]) => [
            type.slice(type.lastIndexOf('.') + 1),
            names === 'all' ? ['all'] : [...names].sort(),
          ]),
        ),
      ),
    );
    return { session, pushes };
  };
  return { source, become, connect, rejected, forget: () => (snapshot = undefined) };
}

const VS = objectsOf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ratings, namespace: default }
spec:
  hosts: [ratings]
  http: [{ route: [{ destination: { host: ratings } }], timeout: 1s }]
`);

describe('createAdsSource', () => {
  it('gives a proxy everything of its own at connect', () => {
    const { session } = setup().connect('reviews-v1');
    const view = session.view();
    expect(view.resources(XDS_TYPE.listener).has('127.66.4.1_9080')).toBe(true);
    expect(view.resources(XDS_TYPE.cluster).has('inbound|9080||')).toBe(true);
    expect(view.resources('type.googleapis.com/other').size).toBe(0);
  });
  it('pushes only what changed', () => {
    const { become, connect } = setup();
    const { session, pushes } = connect('reviews-v1');
    become({ objects: VS });
    expect(pushes).toEqual([{ RouteConfiguration: ['127.66.4.5:9080', 'http_proxy'] }]);
    expect(session.view().version).toBe('2');
    become({ objects: [...VS] });
    expect(pushes).toHaveLength(1);
  });
  it('tells callers of a dead endpoint by its assignments alone, and of new accounts by the clusters first', () => {
    const { become, connect } = setup();
    const { pushes } = connect('productpage-v1');
    become({
      registry: registryOf(BOOKINFO.map((spec) => (spec.version === 'v2' ? { ...spec, health: 'unhealthy' } : spec))),
    });
    expect(pushes).toEqual([{ ClusterLoadAssignment: ['outbound|9080||reviews.default.svc.cluster.local'] }]);
    become({
      registry: registryOf(BOOKINFO.map((spec) => (spec.version === 'v2' ? { ...spec, account: 'other' } : spec))),
    });
    expect(pushes[1]).toEqual({
      Cluster: ['outbound|9080||reviews.default.svc.cluster.local'],
      ClusterLoadAssignment: ['outbound|9080||reviews.default.svc.cluster.local'],
    });
    expect(Object.keys(pushes[1] ?? {})).toEqual(['Cluster', 'ClusterLoadAssignment']);
  });
  it('leaves a proxy alone whose workload left the registry: it drains with what it has', () => {
    const { become, connect } = setup();
    const { session, pushes } = connect('reviews-v3');
    become({ registry: registryOf(BOOKINFO.filter((spec) => spec.version !== 'v3')) });
    expect(pushes).toEqual([]);
    expect(session.view().resources(XDS_TYPE.listener).has('127.66.6.1_9080')).toBe(true);
  });
  it('forgets a proxy that went away', () => {
    const { source, become, connect } = setup();
    const { session, pushes } = connect('reviews-v1');
    session.close();
    become({ objects: VS });
    expect([source.proxies().length, pushes.length]).toEqual([0, 0]);
  });
  it('turns proxies away until there is something true to say', () => {
    const { forget, connect } = setup();
    forget();
    expect(() => connect('reviews-v1')).toThrow(/not read its configuration/);
  });
  it.each([
    ['the certificate is another’s', node('reviews-v1'), peer('bookinfo-ratings'), /SERVICE_ACCOUNT/],
    [
      'the workload runs as somebody else',
      node('reviews-v1', 'bookinfo-ratings'),
      peer('bookinfo-ratings'),
      /runs as bookinfo-reviews/,
    ],
    ['the node id has another form', { ...node('reviews-v1'), id: 'x' }, peer('bookinfo-reviews'), /node id "x"/],
    [
      'it wants its connections redirected in a way that is not served',
      node('reviews-v1', 'bookinfo-reviews', { INTERCEPTION_MODE: 'TPROXY' }),
      peer('bookinfo-reviews'),
      /NONE and REDIRECT/,
    ],
  ])('refuses a node when %s', (_, asking, identity, reason) => {
    expect(setup().source.authorize(asking, identity)).toMatch(reason);
  });
  it('takes a node that is who it says', () => {
    expect(setup().source.authorize(node('reviews-v1'), peer('bookinfo-reviews'))).toBeUndefined();
  });
  it('counts refusals', () => {
    const { connect, rejected } = setup();
    connect('reviews-v1').session.onVerdict?.(XDS_TYPE.route, { accepted: false, version: '1', message: 'bad' });
    expect(rejected).toEqual([XDS_TYPE.route]);
  });
});
