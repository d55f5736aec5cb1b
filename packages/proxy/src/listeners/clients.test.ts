// What one address may take of a listener that anybody may call. Clients are told apart by what a proxy in front says.
import { afterEach, describe, expect, it } from 'vitest';
import { WEFT_METADATA } from '@weft/contracts';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { ProxyProtocolSchema } from '@weft/contracts/lean/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol';
import { waitFor } from '@weft/testkit';
import { FRAME } from '../http2/frames/constants.ts';
import { frame, HELLO } from '../http2/test-support/raw-peer.ts';
import { writeProxyHeader } from '../proxy-protocol/header.ts';
import { startProxy, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { type RawClient, RawClients } from '../test-support/raw-client.ts';
import { httpUpstream } from '../test-support/upstream.ts';

const clients = new RawClients();
afterEach(() => clients.close());

const proxyProtocol = {
  name: 'envoy.filters.listener.proxy_protocol',
  configType: { case: 'typedConfig' as const, value: pack(ProxyProtocolSchema, {}) },
};
const perAddress = (limits: object) => ({
  metadata: { filterMetadata: { [WEFT_METADATA]: { connections: { perAddress: limits } } } } as never,
});
const edge = (port: number, init: object = {}, hcm: object = {}) =>
  resourceSet({
    listeners: [
      listener('in', [httpChain(routes(toCluster('a')), { useRemoteAddress: true, ...hcm })], {
        listenerFilters: [proxyProtocol],
        ...init,
      }),
    ],
    clusters: [staticCluster('a', [port])],
  });

const client = (proxy: TestProxy, address: string, bytes: string | Buffer = GET): RawClient =>
  clients.connect(
    proxy.portOf('in'),
    writeProxyHeader(1, { address, port: 5_000 }, { address: '1.2.3.4', port: 80 }),
    bytes,
  );
const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const served = ({ got }: RawClient): boolean => got().includes('200 OK');
const settled = async (all: readonly RawClient[]): Promise<number> => {
  await waitFor(() => all.every((one) => served(one) || one.gone()), { what: 'every client' });
  return all.filter(served).length;
};
const flood = Buffer.concat([HELLO, ...Array.from({ length: 2_000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)))]);

describe('clients of a gateway', () => {
  it('have so many connections each, and others are served', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(edge(upstream.port, perAddress({ max: 3 })));
    const greedy = Array.from({ length: 5 }, () => client(proxy, '203.0.113.5'));
    expect(await settled(greedy)).toBe(3);
    expect(await settled([client(proxy, '203.0.113.6')])).toBe(1);
    expect(proxy.stats.valueOf('listener.in.downstream_cx_client_overflow')).toBe(2);
    greedy.forEach(({ socket }) => socket.destroy());
    await waitFor(() => proxy.path.activeConnections() <= 1);
    expect(await settled([client(proxy, '203.0.113.5')])).toBe(1);
  });

  it('come so often each', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(edge(upstream.port, perAddress({ perSecond: 1, burst: 4 })));
    const hasty = Array.from({ length: 40 }, () => client(proxy, '203.0.113.5'));
    expect(await settled(hasty)).toBeGreaterThanOrEqual(4);
    expect(hasty.filter(served).length).toBeLessThan(30);
    expect(proxy.stats.valueOf('listener.in.downstream_cx_client_rate_limited')).toBe(40 - hasty.filter(served).length);
    expect(await settled([client(proxy, '203.0.113.6')])).toBe(1);
  });

  it('that flood are refused for a while, and nobody else is', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(
      edge(upstream.port, perAddress({ strikes: 3, strikeWindowMs: 60_000, refuseMs: 3_000 })),
    );
    for (let i = 0; i < 3; i += 1) {
      const one = client(proxy, '203.0.113.5', flood);
      await waitFor(() => one.gone(), { what: 'the end of the flood' });
    }
    const { stats } = proxy;
    expect(stats.valueOf('http2.ping_flood') + stats.valueOf('http2.outbound_control_flood')).toBe(3);
    expect(await settled([client(proxy, '203.0.113.5'), client(proxy, '203.0.113.6')])).toBe(1);
    expect(proxy.stats.valueOf('listener.in.downstream_cx_client_abuse_refused')).toBe(1);
    await waitFor(async () => (await settled([client(proxy, '203.0.113.5')])) === 1, { what: 'forgiveness' });
  });

  it('have limits although nothing is said of them, unless an address stands for many', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(edge(upstream.port));
    for (const address of ['203.0.113.5', '192.168.7.7', '127.0.0.1']) {
      const floods = Array.from({ length: 11 }, () => client(proxy, address, flood));
      await waitFor(() => floods.every(({ gone }) => gone()), { what: 'the end of the floods' });
    }
    expect(await settled(['203.0.113.5', '192.168.7.7', '127.0.0.1'].map((address) => client(proxy, address)))).toBe(2);
  });

  it('are not told apart inside the mesh, nor behind proxies that speak for them', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    const variants: readonly (readonly [object, object])[] = [
      [{}, { useRemoteAddress: false }],
      [{}, { xffNumTrustedHops: 1 }],
      [{ trafficDirection: TrafficDirection.INBOUND }, {}],
    ];
    for (const [init, hcm] of variants) {
      await using proxy = await startProxy(edge(upstream.port, init, hcm));
      const floods = Array.from({ length: 11 }, () => client(proxy, '203.0.113.5', flood));
      await waitFor(() => floods.every(({ gone }) => gone()), { what: 'the end of the floods' });
      expect(await settled([client(proxy, '203.0.113.5')])).toBe(1);
    }
  });

  it('are left out by their addresses', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(edge(upstream.port, perAddress({ max: 1, exempt: ['203.0.113.0/24'] })));
    expect(await settled(Array.from({ length: 3 }, () => client(proxy, '203.0.113.5')))).toBe(3);
    expect(await settled(Array.from({ length: 3 }, () => client(proxy, '198.51.100.1')))).toBe(1);
  });

  it.each([
    [{ max: 0 }, 'max must be a whole number of 1 or more'],
    [{ perSecond: 'many' }, 'perSecond must be'],
    [{ exempt: '10.0.0.0/8' }, 'exempt must be a list'],
    [{ exempt: ['10.0.0.0/33'] }, '"10.0.0.0/33" is no address range'],
    [{ exempt: ['x'] }, '"x" is no address range'],
  ])('%j is refused', async (limits, reason) => {
    await using proxy = await startProxy(resourceSet({}));
    expect(proxy.path.update(edge(1, perAddress(limits)))[0]?.reason).toContain(reason);
  });
});
