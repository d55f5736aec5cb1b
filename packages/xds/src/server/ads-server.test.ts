import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { controlPlaneId, XDS_TYPE } from '@weft/contracts';
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@weft/contracts/full/envoy/service/discovery/v3/discovery';
import { WeftError } from '@weft/kit';
import { createTestAuthority, waitFor } from '@weft/testkit';
import { SOURCE_NOT_READY } from './xds-source.ts';
import { describe, expect, it } from 'vitest';
import { accountId, connectClient, nodeOf, rawStream, startTestMesh } from '../testing/mesh-peers.ts';
import { viewOf } from '../testing/view.ts';

const { cluster: CDS, endpoint: EDS, listener: LDS, route: RDS } = XDS_TYPE;
const REVIEWS = accountId('default', 'reviews');

const request = (fields: Parameters<typeof create<typeof DiscoveryRequestSchema>>[1]): Buffer =>
  Buffer.from(toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, fields)));

describe('ADS over mutual TLS on loopback', () => {
  it('delivers, pushes changes and removals, and records what was accepted', async () => {
    await using mesh = await startTestMesh(viewOf({ [CDS]: { a: '1', b: '1' }, [EDS]: { a: 'e1' } }));
    const { client, held } = connectClient(mesh, mesh.authority.issue(REVIEWS));
    client.setSubscriptions(CDS, '*');
    client.setSubscriptions(EDS, ['a']);
    await waitFor(() => held.get(EDS)?.get('a') === 'e1');
    mesh.source.change(viewOf({ [CDS]: { a: '2' }, [EDS]: { a: 'e2' } }, 'second'));
    await waitFor(() => held.get(EDS)?.get('a') === 'e2' && held.get(CDS)?.size === 1);
    expect([...held.get(CDS)!]).toEqual([['a', '2']]);
    await waitFor(() => mesh.ads.connections()[0]?.types.every(({ status }) => status === 'synced'));
    expect(mesh.ads.connections()).toMatchObject([
      {
        node: { id: nodeOf('default', 'reviews').id },
        peer: { spiffeId: REVIEWS },
        protocol: 'delta',
        types: [
          { typeUrl: CDS, wildcard: true, resources: 1, acked: { version: 'second' } },
          { typeUrl: EDS, names: ['a'], resources: 1 },
        ],
      },
    ]);
    expect(client.state()).toMatchObject({ connected: true, failures: 0 });
  });

  it('a poisoned resource is refused with its reason, the rest stands, and it is not sent again', async () => {
    await using mesh = await startTestMesh(viewOf({ [RDS]: { good: '1', bad: 'poison' } }));
    const { client, held } = connectClient(mesh, mesh.authority.issue(REVIEWS));
    client.setSubscriptions(RDS, ['good', 'bad']);
    const record = await waitFor(() => mesh.ads.connections()[0]?.types.find(({ status }) => status === 'nacked'));
    expect(record.nacked?.message).toContain('"bad": field x is poison');
    expect([...held.get(RDS)!]).toEqual([['good', '1']]);
    expect(mesh.ads.counters()).toMatchObject({ rejects: 1, responses: 1 });
    mesh.source.change(viewOf({ [RDS]: { good: '2', bad: 'poison' } }));
    await waitFor(() => held.get(RDS)?.get('good') === '2');
    expect(mesh.ads.counters().rejects).toBe(1);
    mesh.source.change(viewOf({ [RDS]: { good: '2', bad: 'mended' } }));
    await waitFor(() => mesh.ads.connections()[0]?.types[0]?.status === 'synced');
    expect(held.get(RDS)?.get('bad')).toBe('mended');
  });

  it('after the server was away only differences come, and removals are not missed', async () => {
    const first = await startTestMesh(viewOf({ [CDS]: { a: '1', b: '1', c: '1' } }));
    const secret = first.authority.issue(REVIEWS);
    const { client, held, updates } = connectClient(first, secret);
    client.setSubscriptions(CDS, '*');
    await waitFor(() => held.get(CDS)?.size === 3);
    await first.server.close(0);
    await waitFor(() => !client.state().connected && client.state().lastError !== undefined);
    expect(held.get(CDS)?.size).toBe(3);
    const port = Number(first.address.split(':')[1]);
    await using second = await startTestMesh(viewOf({ [CDS]: { a: '1', b: '2' } }), {}, port);
    second.defer(() => client.close());
    // The new server has another root: nothing is believed before the roots are known.
    await waitFor(() => client.state().failures > 2);
    second.credentials.update(first.authority.issue(controlPlaneId()));
    await waitFor(() => held.get(CDS)?.size === 2);
    expect(updates.slice(1).flatMap(({ added }) => added.map(({ name }) => name))).toEqual(['b']);
    expect(updates.slice(1).flatMap(({ removed }) => removed)).toEqual(['c']);
  });

  it('serves state of the world to a client that speaks it', async () => {
    await using mesh = await startTestMesh(viewOf({ [CDS]: { a: '1' } }, 'v1'));
    const { call } = rawStream(mesh, mesh.authority.issue(REVIEWS));
    const received: Buffer[] = [];
    call.on('data', (bytes: Buffer) => received.push(bytes));
    call.write(request({ typeUrl: CDS, node: nodeOf('default', 'reviews') as object }));
    await waitFor(() => received.length === 1);
    const response = fromBinary(DiscoveryResponseSchema, received[0]!);
    expect(response).toMatchObject({ versionInfo: 'v1', typeUrl: CDS, resources: [{ typeUrl: CDS }] });
    call.write(request({ typeUrl: CDS, responseNonce: response.nonce, versionInfo: 'v1' }));
    await waitFor(() => mesh.ads.connections()[0]?.types[0]?.status === 'synced');
    expect(mesh.ads.connections()[0]?.protocol).toBe('sotw');
    call.cancel();
    await waitFor(() => mesh.ads.connections().length === 0 && mesh.source.sessions === 0);
  });
});

describe('who may open a stream', () => {
  const mesh = () => startTestMesh(viewOf({ [CDS]: { a: '1' } }));
  const node = nodeOf('default', 'reviews') as object;

  it('1.3.2 a first request without a node id fails with INVALID_ARGUMENT', async () => {
    await using running = await mesh();
    const { call, ended } = rawStream(running, running.authority.issue(REVIEWS));
    call.write(request({ typeUrl: CDS }));
    expect(await ended).toMatchObject({ code: grpc.status.INVALID_ARGUMENT, details: expect.stringContaining('node') });
  });

  it('f2 a node that is not who its certificate says is denied', async () => {
    await using running = await mesh();
    const { call, ended } = rawStream(running, running.authority.issue(accountId('default', 'ratings')));
    call.write(request({ typeUrl: CDS, node }));
    expect(await ended).toMatchObject({
      code: grpc.status.PERMISSION_DENIED,
      details: expect.stringContaining('SERVICE_ACCOUNT in the node metadata is "reviews"'),
    });
    expect(running.source.sessions).toBe(0);
  });

  it('f1 no client certificate, or one of a foreign root, ends in the handshake', async () => {
    await using running = await mesh();
    for (const secret of [{}, createTestAuthority().issue(REVIEWS), running.authority.issue(REVIEWS, -60_000)]) {
      const { call, ended } = rawStream(running, secret);
      call.write(request({ typeUrl: CDS, node }));
      expect(await ended).toMatchObject({ code: grpc.status.UNAVAILABLE });
    }
    expect(running.ads.counters()).toMatchObject({ streamsOpened: 0 });
  });

  it.each([
    ['no URI name', []],
    ['two URI names', [REVIEWS, accountId('default', 'ratings')]],
    ['a URI that is no workload', ['https://example.com/']],
  ])('a certificate with %s is no identity', async (_what, uris) => {
    await using running = await mesh();
    const { ended } = rawStream(running, running.authority.issue(uris));
    expect(await ended).toMatchObject({ code: grpc.status.UNAUTHENTICATED });
    expect(running.ads.counters()).toMatchObject({ streamsOpened: 0, streamsRefused: 1 });
  });

  it('f10 streams are limited per identity, in number and in rate', async () => {
    await using running = await startTestMesh(viewOf({}), { streamsPerIdentity: 1, newStreamsPerSecond: 2 });
    const secret = running.authority.issue(REVIEWS);
    rawStream(running, secret).call.write(request({ typeUrl: CDS, node }));
    await waitFor(() => running.ads.connections().length === 1);
    expect(await rawStream(running, secret).ended).toMatchObject({
      details: expect.stringContaining('too many streams of'),
    });
    const other = running.authority.issue(accountId('default', 'ratings'));
    rawStream(running, other);
    await waitFor(() => running.ads.counters().streamsOpened === 2);
    const third = running.authority.issue(accountId('default', 'details'));
    expect(await rawStream(running, third).ended).toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
  });

  it('f10 subscriptions and request size are limited', async () => {
    await using running = await startTestMesh(viewOf({}), { namesPerType: 2 });
    const secret = running.authority.issue(REVIEWS);
    const many = rawStream(running, secret);
    many.call.write(request({ typeUrl: RDS, node, resourceNames: ['a', 'b', 'c'] }));
    expect(await many.ended).toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
    const big = rawStream(running, secret);
    big.call.write(request({ typeUrl: RDS, node, resourceNames: ['x'.repeat(4 * 1024 * 1024)] }));
    expect(await big.ended).toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
  });

  it('who comes before the source is ready is told to come again, not that it may not', async () => {
    await using running = await mesh();
    const served = running.source.connect;
    for (const [code, status] of [
      [SOURCE_NOT_READY, grpc.status.UNAVAILABLE],
      ['WEFT_NODE_INVALID', grpc.status.PERMISSION_DENIED],
    ] as const) {
      running.source.connect = () => {
        throw new WeftError(code, 'not served');
      };
      const { call, ended } = rawStream(running, running.authority.issue(REVIEWS));
      call.write(request({ typeUrl: CDS, node }));
      expect(await ended).toMatchObject({ code: status, details: 'not served' });
    }
    running.source.connect = served;
    const { client, held } = connectClient(running, running.authority.issue(REVIEWS));
    client.setSubscriptions(CDS, '*');
    await waitFor(() => held.get(CDS)?.size === 1);
  });

  it('a removal of clusters that was held back comes by itself', async () => {
    await using running = await startTestMesh(
      viewOf({ [CDS]: { a: '1', old: '1' }, [LDS]: { l: '1' }, [RDS]: { r: '1' } }),
    );
    const { client, held } = connectClient(running, running.authority.issue(REVIEWS));
    client.setSubscriptions(CDS, '*');
    client.setSubscriptions(LDS, '*');
    await waitFor(() => held.get(LDS)?.size === 1);
    running.source.change(viewOf({ [CDS]: { a: '1' }, [LDS]: { l: '2' }, [RDS]: { r: '1' } }));
    await waitFor(() => held.get(LDS)?.get('l') === '2');
    await waitFor(() => held.get(CDS)?.size === 1, { what: 'the removal' });
  });

  it('a stream that says nothing is ended', async () => {
    await using running = await startTestMesh(viewOf({}), { firstRequestTimeoutMs: 50 });
    const { ended } = rawStream(running, running.authority.issue(REVIEWS));
    expect(await ended).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
  });

  it('f11 a proxy that does not answer is disconnected', async () => {
    await using running = await startTestMesh(viewOf({ [CDS]: { a: '1' } }), { answerTimeoutMs: 50 });
    const { call, ended } = rawStream(running, running.authority.issue(REVIEWS));
    call.on('data', () => {});
    call.write(request({ typeUrl: CDS, node }));
    expect(await ended).toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: expect.stringContaining('not answered'),
    });
    await waitFor(() => running.source.sessions === 0);
  });
});

describe('a slow stream', () => {
  it('holds one message in the buffers and does not hold up others', async () => {
    const big = (version: string): string => version.repeat(1_000_000);
    await using mesh = await startTestMesh(viewOf({ [CDS]: { a: big('1') } }));
    const slow = rawStream(mesh, mesh.authority.issue(REVIEWS));
    slow.call.pause();
    slow.call.write(request({ typeUrl: CDS, node: nodeOf('default', 'reviews') as object }));
    await waitFor(() => mesh.ads.counters().responses === 1);
    const quick = connectClient(mesh, mesh.authority.issue(REVIEWS));
    quick.client.setSubscriptions(CDS, '*');
    await waitFor(() => quick.held.get(CDS)?.get('a')?.startsWith('1'));
    for (const version of ['2', '3', '4', '5']) {
      mesh.source.change(viewOf({ [CDS]: { a: big(version) } }));
      await waitFor(() => quick.held.get(CDS)?.get('a')?.startsWith(version));
    }
    const [first] = mesh.ads.connections();
    expect([first?.types[0]?.status, first?.types[0]?.sent?.nonce.endsWith('-1')]).toEqual(['pending', true]);
    await waitFor(() => mesh.ads.connections()[1]?.types[0]?.status === 'synced');
    expect(mesh.ads.connections()[1]?.types[0]?.sent?.nonce.endsWith('-5')).toBe(true);
  });
});

describe('the server is who it should be', () => {
  it('a client refuses a server with another identity', async () => {
    await using mesh = await startTestMesh(viewOf({ [CDS]: { a: '1' } }));
    const impostor = connectClient(mesh, mesh.authority.issue(REVIEWS), { serverId: accountId('other', 'someone') });
    impostor.client.setSubscriptions(CDS, '*');
    await waitFor(() => impostor.client.state().failures > 0);
    expect(impostor.client.state()).toMatchObject({ connected: false });
    expect(impostor.client.state().lastError).toMatch(/weft-control-plane|UNAVAILABLE/);
    expect(mesh.ads.counters().streamsOpened).toBe(0);
  });
});

describe('rotation without restart', () => {
  it('new connections meet the new certificate and roots; open streams stay', async () => {
    await using mesh = await startTestMesh(viewOf({ [CDS]: { a: '1' } }));
    const old = connectClient(mesh, mesh.authority.issue(REVIEWS));
    old.client.setSubscriptions(CDS, '*');
    await waitFor(() => old.held.get(CDS)?.size === 1);

    const next = createTestAuthority('next root');
    mesh.credentials.update(next.issue(controlPlaneId()));

    const fresh = connectClient(mesh, next.issue(REVIEWS), { rootsPem: next.rootsPem });
    fresh.client.setSubscriptions(CDS, '*');
    await waitFor(() => fresh.held.get(CDS)?.size === 1);
    const stale = connectClient(mesh, mesh.authority.issue(REVIEWS));
    stale.client.setSubscriptions(CDS, '*');
    await waitFor(() => stale.client.state().failures > 0);
    expect(stale.held.size).toBe(0);

    mesh.source.change(viewOf({ [CDS]: { a: '2' } }));
    await waitFor(() => old.held.get(CDS)?.get('a') === '2');
    expect(old.client.state()).toMatchObject({ connected: true, failures: 0 });
    expect(mesh.ads.counters().streamsOpened).toBe(2);
  });

  it('a key that does not fit its certificate is refused and the former pair stays', async () => {
    await using mesh = await startTestMesh(viewOf({ [CDS]: { a: '1' } }));
    const [a, b] = [mesh.authority.issue(controlPlaneId()), mesh.authority.issue(controlPlaneId())];
    expect(() => mesh.credentials.update({ ...a, privateKeyPem: b.privateKeyPem })).toThrow(/key/);
    const { client, held } = connectClient(mesh, mesh.authority.issue(REVIEWS));
    client.setSubscriptions(CDS, '*');
    await waitFor(() => held.get(CDS)?.size === 1);
  });
});
