import { ProxyProtocolConfig_Version } from '@weft/contracts/lean/envoy/config/core/v3/proxy_protocol';
import { ProxyProtocolSchema } from '@weft/contracts/lean/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol';
import { describe, expect, it } from 'vitest';
import { writeProxyHeader } from '../proxy-protocol/header.ts';
import { exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { echoUpstream } from '../test-support/upstream.ts';

const filter = (init: Parameters<typeof pack<typeof ProxyProtocolSchema>>[1] = {}) => ({
  listenerFilters: [
    {
      name: 'envoy.filters.listener.proxy_protocol',
      configType: { case: 'typedConfig' as const, value: pack(ProxyProtocolSchema, init) },
    },
  ],
});
const through = (port: number, init?: Parameters<typeof filter>[0]): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(toCluster('a')), { useRemoteAddress: true })], filter(init))],
      clusters: [staticCluster('a', [port])],
    }),
  );

const GET = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n';
const client = { address: '9.8.7.6', port: 5000 };
const header = (version: 1 | 2): string =>
  writeProxyHeader(version, client, { address: '1.2.3.4', port: 80 }).toString('latin1');

describe('a listener behind another proxy', () => {
  it('knows that proxy’s client, by either version, in one piece or many', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port);
    for (const version of [1, 2] as const) {
      expect(await exchange(proxy.portOf('in'), header(version) + GET)).toContain('"x-forwarded-for":"9.8.7.6"');
      expect(await exchange(proxy.portOf('in'), [...header(version).split(''), GET])).toContain(
        '"x-forwarded-for":"9.8.7.6"',
      );
    }
    expect(proxy.records.at(-1)).toMatchObject({
      downstreamRemoteAddress: '9.8.7.6:5000',
      downstreamLocalAddress: '1.2.3.4:80',
    });
  });

  it('serves nobody who does not say it, or says it in another way', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port, { disallowedVersions: [ProxyProtocolConfig_Version.V1] });
    for (const bytes of [GET, header(1) + GET, 'PROXY TCP4 nobody\r\n', `${header(2).slice(0, 12)}\x99\x11\0\0`])
      expect(await exchange(proxy.portOf('in'), bytes)).toBe('');
    expect(await exchange(proxy.portOf('in'), header(2) + GET)).toContain('200 OK');
    expect(upstream.accepted()).toBe(1);
    expect(proxy.stats.valueOf('listener.in.downstream_proxy_proto_error')).toBe(4);
  });

  it('takes connections without a header where that is allowed', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port, { allowRequestsWithoutProxyProtocol: true });
    expect(await exchange(proxy.portOf('in'), GET)).toContain('"x-forwarded-for":"127.0.0.1"');
    expect(await exchange(proxy.portOf('in'), header(1) + GET)).toContain('"x-forwarded-for":"9.8.7.6"');
  });

  it('keeps the addresses of a proxy that speaks for itself', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port);
    expect(await exchange(proxy.portOf('in'), `PROXY UNKNOWN\r\n${GET}`)).toContain('"x-forwarded-for":"127.0.0.1"');
  });
});
