import { fromBinary } from '@bufbuild/protobuf';
import { createMemoryStore } from '@weft/config';
import { controlPlaneId, nodeId, spiffeId, XDS_TYPE } from '@weft/contracts';
import { ClusterLoadAssignmentSchema } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { silentLogger, systemClock, systemRandom } from '@weft/kit';
import { createTestAuthority, FakeClock, waitFor } from '@weft/testkit';
import {
  createAdsClient,
  createGrpcAdsTransport,
  createGrpcServer,
  createRotatingCredentials,
  type ReceivedResource,
} from '@weft/xds';
import { afterEach, describe, expect, it } from 'vitest';
import { monitoringPage } from './debug/monitoring.ts';
import { createPilot } from './pilot.ts';
import { createMemoryRegistry } from './registries/memory.ts';
import { BOOKINFO, bookinfo, registryOf } from './testing/registry.ts';
import { objectsOf } from './testing/snapshots.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const authority = createTestAuthority();

/** A control plane on a free port, with mutual TLS. */
async function serve() {
  const configStore = createMemoryStore({ clock: systemClock });
  const registry = createMemoryRegistry('test', bookinfo());
  const pilot = createPilot({ configStore, registry, clock: systemClock, logger: silentLogger, random: systemRandom });
  const secret = authority.issue(controlPlaneId());
  const { credentials } = createRotatingCredentials(secret);
  const server = createGrpcServer({ address: '127.0.0.1:0', credentials });
  server.addService(pilot.ads.service, pilot.ads.handlers);
  const port = await server.listen();
  closers.push(
    () => server.close(100),
    () => pilot.close(),
  );
  return { pilot, configStore, registry, port };
}

/** A proxy that takes everything, but for names that it refuses. */
function connect(
  port: number,
  name: string,
  account: string,
  refuse: (resource: ReceivedResource) => string | undefined = () => undefined,
) {
  const held = new Map<string, ReceivedResource>();
  const order: string[] = [];
  const own = authority.issue(
    spiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: account }),
  );
  const client = createAdsClient({
    transport: createGrpcAdsTransport(() => ({
      address: `127.0.0.1:${port}`,
      rootsPem: authority.rootsPem,
      serverId: controlPlaneId(),
      own,
    })),
    node: {
      id: nodeId({ type: 'sidecar', ip: '127.66.2.1', name, namespace: 'default' }),
      cluster: name,
      metadata: { NAMESPACE: 'default', SERVICE_ACCOUNT: `bookinfo-${name.split('-')[0]}`, WORKLOAD_NAME: name },
    },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    handlers: {
      onUpdate(typeUrl, added, removed) {
        order.push(typeUrl.slice(typeUrl.lastIndexOf('.') + 1));
        for (const gone of removed) held.delete(`${typeUrl}/${gone}`);
        const refused = added.flatMap((resource) => {
          const reason = refuse(resource);
          if (reason === undefined) held.set(`${typeUrl}/${resource.name}`, resource);
          return reason === undefined ? [] : [{ name: resource.name, reason }];
        });
        if (typeUrl === XDS_TYPE.cluster)
          client.setSubscriptions(
            XDS_TYPE.endpoint,
            [...held.keys()].flatMap((key) =>
              key.startsWith(`${typeUrl}/outbound|`) ? [key.slice(typeUrl.length + 1)] : [],
            ),
          );
        return refused;
      },
    },
  });
  client.setSubscriptions(XDS_TYPE.cluster, '*');
  client.setSubscriptions(XDS_TYPE.listener, '*');
  client.setSubscriptions(XDS_TYPE.route, ['127.66.2.4:9080']);
  client.start();
  closers.push(() => client.close());
  return { held, order, client };
}

const REVIEWS = `${XDS_TYPE.endpoint}/outbound|9080||reviews.default.svc.cluster.local`;
const addresses = (resource: ReceivedResource | undefined): readonly string[] =>
  resource === undefined
    ? []
    : fromBinary(ClusterLoadAssignmentSchema, resource.bytes).endpoints.flatMap((group) =>
        group.lbEndpoints.flatMap(({ hostIdentifier }) =>
          hostIdentifier.case === 'endpoint' && hostIdentifier.value.address?.address.case === 'socketAddress'
            ? [hostIdentifier.value.address.address.value.address]
            : [],
        ),
      );

describe('createPilot', () => {
  it('serves a proxy over mutual TLS, and tells it within 300 ms that an instance is gone', async () => {
    const { pilot, registry, port } = await serve();
    const { held } = connect(port, 'productpage-v1', 'bookinfo-productpage');
    await waitFor(() => addresses(held.get(REVIEWS)).length === 3 && held.has(`${XDS_TYPE.listener}/127.66.2.1_9080`), {
      what: 'the first push',
    });
    await waitFor(() => pilot.proxyStatus()[0]?.types.route?.state === 'SYNCED', { what: 'the last acknowledgement' });
    expect(pilot.proxyStatus()).toMatchObject([
      {
        workload: 'productpage-v1',
        namespace: 'default',
        stale: false,
        types: { cluster: { state: 'SYNCED', sentVersion: '1' } },
      },
    ]);
    registry.set(registryOf(BOOKINFO.filter((spec) => spec.version !== 'v2')));
    await waitFor(() => addresses(held.get(REVIEWS)).length === 2, { everyMs: 2, what: 'the endpoint to go' });
    registry.set(registryOf(BOOKINFO.filter((spec) => spec.version !== 'v3')));
    expect(await pilot.receipt(2, 10_000)).toMatchObject({
      version: 3,
      acknowledged: [{ workload: 'productpage-v1' }],
    });
    expect(addresses(held.get(REVIEWS))).toEqual(['127.66.4.1', '127.66.5.1']);
  });
  it('records a refusal with its reason, and the rest of the push stands', async () => {
    const { pilot, configStore, port } = await serve();
    const { held } = connect(port, 'productpage-v1', 'bookinfo-productpage', (resource) =>
      resource.name === '127.66.2.4:9080' && new TextDecoder().decode(resource.bytes).includes('poison')
        ? 'poisoned route'
        : undefined,
    );
    const routes = `${XDS_TYPE.route}/127.66.2.4:9080`;
    await waitFor(() => held.has(routes), { what: 'routes' });
    const good = held.get(routes)?.version;
    await configStore.apply(
      objectsOf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: default }
spec: { hosts: [reviews], http: [{ name: poison, route: [{ destination: { host: reviews, subset: v1 } }] }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }] }
`).map((object) => ({ object })),
    );
    const nack = await waitFor(() => pilot.proxyStatus()[0]?.types.route?.nack, { what: 'the refusal' });
    expect(nack).toMatchObject({
      resource: '127.66.2.4:9080',
      reason: expect.stringContaining('poisoned route') as string,
    });
    expect(pilot.proxyStatus()[0]?.stale).toBe(true);
    expect(await pilot.receipt(1, 10_000)).toMatchObject({
      version: 2,
      acknowledged: [],
      waiting: [],
      refused: [{ workload: 'productpage-v1', type: 'route', resource: '127.66.2.4:9080' }],
    });
    await waitFor(() => held.has(`${XDS_TYPE.cluster}/outbound|9080|v1|reviews.default.svc.cluster.local`), {
      what: 'the rest',
    });
    expect(held.get(routes)?.version).toBe(good);
    expect(pilot.explainSources('127.66.2.4:9080')[0]?.sources.map((ref) => ref.name)).toContain('reviews');
    expect(pilot.metrics()).toMatch(/pilot_total_xds_rejects\{type="RouteConfiguration"\} 1/);
  });
  it('refuses a proxy that is somebody else', async () => {
    const { pilot, port } = await serve();
    const { client, held } = connect(port, 'reviews-v1', 'bookinfo-ratings');
    await waitFor(() => client.state().failures > 0, { what: 'the refusal' });
    expect(client.state().lastError).toMatch(/SERVICE_ACCOUNT/);
    expect([held.size, pilot.proxyStatus().length]).toEqual([0, 0]);
  });
  it('is not ready before the registry has said anything', () => {
    const clock = new FakeClock();
    const registry = createMemoryRegistry('late');
    const pilot = createPilot({
      configStore: createMemoryStore({ clock }),
      registry,
      clock,
      logger: silentLogger,
      random: systemRandom,
    });
    expect([pilot.ready(), monitoringPage(pilot, '/ready').status]).toEqual([false, 503]);
    registry.set(bookinfo());
    clock.advance(5);
    expect([pilot.ready(), monitoringPage(pilot, '/ready').status]).toEqual([true, 200]);
    expect(JSON.parse(monitoringPage(pilot, '/debug/registryz').body)).toMatchObject([
      { name: 'details' },
      { name: 'productpage' },
      { name: 'ratings' },
      { name: 'reviews', endpoints: [{}, {}, {}] },
    ]);
    pilot.close();
  });
  it('keeps its version when nothing that a proxy can see has changed', () => {
    const clock = new FakeClock();
    const registry = createMemoryRegistry('r', bookinfo());
    const pilot = createPilot({
      configStore: createMemoryStore({ clock }),
      registry,
      clock,
      logger: silentLogger,
      random: systemRandom,
    });
    registry.set({ ...bookinfo(), version: 7 });
    clock.advance(100);
    expect(pilot.snapshot()?.version).toBe(1);
    registry.set(registryOf(BOOKINFO.slice(1)));
    clock.advance(100);
    expect(pilot.snapshot()?.version).toBe(2);
    pilot.close();
  });
});
