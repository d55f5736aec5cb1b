import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ProxyProtocolConfig_Version } from '@weft/contracts/lean/envoy/config/core/v3/proxy_protocol';
import { ProxyProtocolSchema } from '@weft/contracts/lean/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { writeProxyHeader } from '../proxy-protocol/header.ts';
import { certificate, type CertificateName, spiffe } from '../test-support/certificates.ts';
import { exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { secretsOf, serverSocket } from '../test-support/mutual-tls.ts';
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

  it('believes nobody’s word about who holds which key: handshakes of two that claim one address stay apart', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [httpChain(routes(toCluster('a')), {}, { transportSocket: serverSocket })], filter()),
        ],
        clusters: [staticCluster('a', [upstream.port])],
      }),
      { secrets: secretsOf('server') },
    );
    /** @param begin when the handshake may begin. */
    const by = async (name: CertificateName, begin: Promise<unknown>): Promise<string> => {
      const { certificateChain: cert = '', privateKey: key = '' } = certificate(name);
      const raw = connect({ host: '127.0.0.1', port: proxy.portOf('in') });
      raw.write(header(2), 'latin1');
      await begin;
      const socket = connectTls({ socket: raw, cert, key, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
      socket.write(GET);
      let got = '';
      for await (const chunk of socket) got += String(chunk);
      return got;
    };
    const second = by('stranger', Promise.resolve()).catch(() => '');
    const third = by('server', Promise.resolve());
    const first = by('client', third);
    expect(await third).toContain('200 OK');
    expect(await first).toContain('200 OK');
    expect(await second).toBe('');
    await waitFor(() => proxy.records.length === 3);
    const served = proxy.records.filter(({ code }) => code === 200);
    expect(
      served.map(({ sourcePrincipal, downstreamRemoteAddress }) => [sourcePrincipal, downstreamRemoteAddress]),
    ).toEqual([
      [spiffe('server'), '9.8.7.6:5000'],
      [spiffe('client'), '9.8.7.6:5000'],
    ]);
    expect(proxy.records.find(({ code }) => code === 0)).toMatchObject({
      reason: 'downstream-tls-failure',
      sourcePrincipal: '',
    });
  });
});
