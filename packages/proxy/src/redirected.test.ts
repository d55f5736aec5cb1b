import { Agent } from 'node:http';
import { describe, expect, it } from 'vitest';
import { create } from '@bufbuild/protobuf';
import { AddressSchema, type Address } from '@weft/contracts/lean/envoy/config/core/v3/address';
import {
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_LbPolicy as LbPolicy,
  type Cluster,
} from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import type { Listener } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import type { OriginalDestination } from './sockets/native-sockets.ts';
import { loadSocketCalls, markedSockets } from './sockets/native-sockets.ts';
import { secretsOf, clientSocket, serverSocket } from './test-support/mutual-tls.ts';
import { type Answer, ask, exchange, startProxy, type TestProxy } from './test-support/harness.ts';
import {
  httpChain,
  listener,
  resourceSet,
  routes,
  staticCluster,
  tcpChain,
  toCluster,
} from './test-support/resources.ts';
import { echoUpstream, httpUpstream, tcpUpstream } from './test-support/upstream.ts';

const at = (address: string, port: number): Address =>
  create(AddressSchema, {
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  });

type ClusterInit = Parameters<typeof staticCluster>[2];
const originalCluster = (name: string, init: ClusterInit = {}): Cluster =>
  staticCluster(name, [], {
    clusterDiscoveryType: { case: 'type', value: DiscoveryType.ORIGINAL_DST },
    lbPolicy: LbPolicy.CLUSTER_PROVIDED,
    ...init,
  });

const virtualOutbound = (): Listener =>
  listener('virtualOutbound', [tcpChain('PassthroughCluster')], { useOriginalDst: true });
const captured = (address: string, port: number, cluster: string): Listener =>
  listener(`${address}_${port}`, [httpChain(routes(toCluster(cluster)))], {
    address: at(address, port),
    bindToPort: false,
  });

/** Each request on a connection of its own, since a connection has one destination. */
const fresh = (port: number, headers: Record<string, string> = {}): Promise<Answer> =>
  ask({ port, headers, agent: new Agent({ keepAlive: false }) });

describe('a connection that was redirected', () => {
  it('goes to the listener of its address, else to that of its port, else where it was going', async () => {
    await using service = await echoUpstream('service');
    await using shared = await echoUpstream('shared');
    await using outside = await echoUpstream('outside');
    const state = { going: undefined as OriginalDestination | undefined };
    await using proxy = await startProxy(
      resourceSet({
        listeners: [virtualOutbound(), captured('10.96.0.7', 9080, 'service'), captured('0.0.0.0', 9080, 'shared')],
        clusters: [
          staticCluster('service', [service.port]),
          staticCluster('shared', [shared.port]),
          originalCluster('PassthroughCluster'),
        ],
      }),
      { loadOriginalDestinations: () => () => state.going },
    );
    const port = proxy.portOf('virtualOutbound');
    const nameAt = async (address: string, to: number): Promise<string> => {
      state.going = { address, port: to };
      return (JSON.parse((await fresh(port)).body) as { name: string }).name;
    };
    expect(await nameAt('10.96.0.7', 9080)).toBe('service');
    expect(await nameAt('10.96.0.8', 9080)).toBe('shared');
    expect(await nameAt('127.0.0.1', outside.port)).toBe('outside');
    expect(proxy.records[1]).toMatchObject({ listener: '0.0.0.0_9080', downstreamLocalAddress: '10.96.0.8:9080' });
    const passed = { listener: 'virtualOutbound', upstreamHost: `127.0.0.1:${outside.port}` };
    await expect.poll(() => proxy.records.at(-1)).toMatchObject(passed);
  });

  it('binds nothing for listeners that are only handed connections', async () => {
    await using proxy = await startProxy(
      resourceSet({
        listeners: [captured('10.96.0.7', 9080, 'service')],
        clusters: [staticCluster('service', [1])],
      }),
      { hasAddress: () => false },
    );
    expect(proxy.path.listeners()).toEqual([{ name: '10.96.0.7_9080', address: '', state: 'active', reason: '' }]);
  });

  it('chooses its chain by the port that it was going to, and waits for first bytes only where that port’s chains need them', async () => {
    await using app = await echoUpstream('app');
    await using other = await tcpUpstream((socket) => socket.write('server speaks first\n'));
    const state = { going: { address: '10.244.0.2', port: 7000 } };
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener(
            'virtualInbound',
            [
              httpChain(
                routes(toCluster('app')),
                {},
                {
                  filterChainMatch: { destinationPort: 9080, transportProtocol: 'raw_buffer' },
                },
              ),
              tcpChain('other', { filterChainMatch: { destinationPort: 7000 } }),
            ],
            {
              trafficDirection: TrafficDirection.INBOUND,
              listenerFilters: [{ name: 'envoy.filters.listener.original_dst' }],
            },
          ),
          // The filter makes the destination known, but hands nothing over.
          captured('10.244.0.2', 9080, 'nowhere'),
        ],
        clusters: [staticCluster('app', [app.port]), staticCluster('other', [other.port])],
      }),
      { loadOriginalDestinations: () => () => state.going },
    );
    const port = proxy.portOf('virtualInbound');
    expect(await exchange(port, '', '\n')).toBe('server speaks first\n');
    state.going = { address: '10.244.0.2', port: 9080 };
    expect((await fresh(port)).status).toBe(200);
    state.going = { address: '10.244.0.2', port: 9081 };
    expect(await exchange(port, 'GET / HTTP/1.1\r\nhost: h\r\n\r\n')).toBe('');
    expect(proxy.stats.valueOf('listener.virtualInbound.no_filter_chain_match')).toBe(1);
  });

  it('is not waited for on ports where inspection is disabled', async () => {
    await using other = await tcpUpstream((socket) => socket.write('server speaks first\n'));
    const state = { going: { address: '10.244.0.2', port: 7000 } };
    const onPort = (start: number) => ({
      rule: { case: 'destinationPortRange' as const, value: { start, end: start + 1 } },
    });
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [tcpChain('nowhere', { filterChainMatch: { transportProtocol: 'tls' } }), tcpChain('other')], {
            listenerFilters: [
              { name: 'envoy.filters.listener.original_dst' },
              {
                name: 'envoy.filters.listener.tls_inspector',
                filterDisabled: { rule: { case: 'orMatch', value: { rules: [onPort(7000), onPort(7002)] } } },
              },
            ],
            continueOnListenerFiltersTimeout: true,
          }),
        ],
        clusters: [staticCluster('other', [other.port])],
      }),
      { loadOriginalDestinations: () => () => state.going },
    );
    expect(await exchange(proxy.portOf('in'), '', '\n')).toBe('server speaks first\n');
    state.going = { address: '10.244.0.2', port: 7001 };
    expect(await exchange(proxy.portOf('in'), '', '\n', 300)).toBe('');
    expect(await exchange(proxy.portOf('in'), 'x', '\n')).toBe('server speaks first\n');
  });

  it('is refused with its listener where nobody can tell where it was going', async () => {
    const refused = await startProxy(resourceSet({}));
    const [rejected] = refused.path.update(resourceSet({ listeners: [virtualOutbound()] }));
    expect(rejected).toMatchObject({ type: 'listener', name: 'virtualOutbound' });
    expect(rejected?.reason).toContain('original destinations');
    await refused.path.close();
  });
});

describe('an ORIGINAL_DST cluster', () => {
  const state = { going: undefined as OriginalDestination | undefined };
  const serve = (cluster: Cluster = originalCluster('original')): Promise<TestProxy> =>
    startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('original')))], { useOriginalDst: true })],
        clusters: [cluster],
      }),
      { loadOriginalDestinations: () => () => state.going },
    );

  it('LB-01 passthrough takes the request where its caller was going, and nowhere when the caller dialled the proxy', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await serve();
    const port = proxy.portOf('in');
    state.going = { address: '127.0.0.1', port: upstream.port };
    expect((await fresh(port)).status).toBe(200);
    expect(proxy.path.clusters()[0]?.hosts).toMatchObject([{ name: `127.0.0.1:${upstream.port}`, totalRequests: 1 }]);
    state.going = undefined;
    const refused = await fresh(port);
    expect([refused.status, refused.headers['x-weft-reason']]).toEqual([503, 'no-healthy-upstream']);
  });

  it('never leads back to a listener of the proxy', async () => {
    await using proxy = await serve();
    const port = proxy.portOf('in');
    // Port 0 is what the listener's resource says: as far as configuration tells, this is itself.
    state.going = { address: '127.0.0.1', port: 0 };
    const answer = await fresh(port);
    expect([answer.status, answer.headers['x-weft-reason']]).toEqual([503, 'no-healthy-upstream']);
  });

  it('goes where a header says, when the cluster listens to one', async () => {
    await using upstream = await echoUpstream('named');
    const cluster = originalCluster('original', {
      lbConfig: { case: 'originalDstLbConfig', value: { useHttpHeader: true } },
    });
    await using proxy = await serve(cluster);
    const headers = { 'x-envoy-original-dst-host': `127.0.0.1:${upstream.port}` };
    expect((await fresh(proxy.portOf('in'), headers)).status).toBe(200);
    state.going = undefined;
    await using deaf = await serve();
    expect((await fresh(deaf.portOf('in'), headers)).status).toBe(503);
  });

  it('goes to the port that the cluster names, and refuses one that is none', async () => {
    await using upstream = await echoUpstream('a');
    const atPort = (upstreamPortOverride: number): Cluster =>
      originalCluster('original', { lbConfig: { case: 'originalDstLbConfig', value: { upstreamPortOverride } } });
    await using proxy = await serve(atPort(upstream.port));
    state.going = { address: '127.0.0.1', port: 9 };
    expect((await fresh(proxy.portOf('in'))).status).toBe(200);
    expect(proxy.path.update(resourceSet({ clusters: [atPort(65_536)] }))).toMatchObject([
      { type: 'cluster', name: 'original', reason: expect.stringContaining('upstream_port_override') },
    ]);
  });
});

describe('connections to upstreams', () => {
  it('come from the address that the cluster names', async () => {
    const from: string[] = [];
    await using upstream = await httpUpstream((request, response) => {
      from.push(request.socket.remoteAddress ?? '');
      response.end();
    });
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [
          staticCluster('a', [upstream.port], {
            upstreamBindConfig: {
              sourceAddress: { address: '127.0.0.6', portSpecifier: { case: 'portValue', value: 0 } },
            },
          }),
        ],
      }),
    );
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
    expect(from).toEqual(['127.0.0.6']);
  });

  it('carry a mark when one is asked for, with TLS too, and fail as others do', async (context) => {
    let opened = 0;
    let open: (address: string) => number;
    try {
      open = markedSockets(loadSocketCalls(), 1337);
    } catch (error) {
      return context.skip(`no marks here: ${String(error)}`);
    }
    const openMarked = (address: string): number => {
      opened += 1;
      return open(address);
    };
    await using app = await echoUpstream('app');
    await using callee = await startProxy(
      resourceSet({
        listeners: [listener('inbound', [httpChain(routes(toCluster('app')), {}, { transportSocket: serverSocket })])],
        clusters: [staticCluster('app', [app.port])],
      }),
      { secrets: secretsOf('server'), openMarked },
    );
    await using caller = await startProxy(
      resourceSet({
        listeners: [
          listener('tls', [httpChain(routes(toCluster('mesh')))]),
          listener('refused', [httpChain(routes(toCluster('gone')))]),
        ],
        clusters: [
          staticCluster('mesh', [callee.portOf('inbound')], { transportSocket: clientSocket('server') }),
          staticCluster('gone', [1]),
        ],
      }),
      { secrets: secretsOf('client'), openMarked },
    );
    const big = 'x'.repeat(300_000);
    const answer = await ask({ port: caller.portOf('tls'), method: 'POST', body: big });
    expect([answer.status, (JSON.parse(answer.body) as { body: string }).body.length]).toEqual([200, big.length]);
    expect(opened).toBe(2);
    const refused = await ask({ port: caller.portOf('refused') });
    expect([refused.status, refused.headers['x-weft-reason']]).toEqual([503, 'upstream-connect-failure']);
  });
});
