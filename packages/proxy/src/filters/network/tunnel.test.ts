import { connect, type Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { FilterChainSchema } from '@weft/contracts/lean/envoy/config/listener/v3/listener_components';
import { ProxyProtocolConfig_Version } from '@weft/contracts/lean/envoy/config/core/v3/proxy_protocol';
import { TcpProxySchema } from '@weft/contracts/lean/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { ProxyProtocolUpstreamTransportSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol';
import { RawBufferSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { parseProxyHeader } from '../../proxy-protocol/header.ts';
import { startProxy, type TestProxy } from '../../test-support/harness.ts';
import {
  httpChain,
  listener,
  pack,
  resourceSet,
  routes,
  staticCluster,
  toCluster,
} from '../../test-support/resources.ts';
import { tcpUpstream } from '../../test-support/upstream.ts';

type Init = Parameters<typeof staticCluster>[2];
const overTcp = (port: number, tunnel: { hostname: string; usePost?: boolean } | undefined, init?: Init): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [
          create(FilterChainSchema, {
            filters: [
              {
                name: 'envoy.filters.network.tcp_proxy',
                configType: {
                  case: 'typedConfig',
                  value: pack(TcpProxySchema, {
                    statPrefix: 't',
                    clusterSpecifier: { case: 'cluster', value: 'a' },
                    ...(tunnel === undefined ? {} : { tunnelingConfig: tunnel }),
                  }),
                },
              },
            ],
          }),
        ]),
      ],
      clusters: [staticCluster('a', [port], init)],
    }),
  ); // prettier-ignore

/** Says `text` at once, and gathers what comes until the end. */
const talk = (proxy: TestProxy, text: string, until = ''): Promise<string> =>
  new Promise((resolve) => {
    let got = '';
    const socket: Socket = connect({ host: '127.0.0.1', port: proxy.portOf('in') }, () => socket.write(text));
    const timer = setTimeout(() => socket.destroy(), 5_000);
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      if (until !== '' && got.endsWith(until)) socket.end();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(got);
    });
  });

/** A forward proxy: answers CONNECT or POST, then returns what comes in brackets. */
const forwardProxy = async (answer: string) => {
  const heads: string[] = [];
  const server = await tcpUpstream((socket) => {
    let open = false;
    socket.on('end', () => socket.end());
    socket.on('data', (chunk) => {
      if (open) return socket.write(`<${chunk.toString('latin1')}>`);
      heads.push(chunk.toString('latin1'));
      open = true;
      return setTimeout(() => socket.write(answer), 50);
    });
  });
  return { server, heads };
};

describe('TCP in a tunnel', () => {
  it('goes through once the other end says yes, and not before', async () => {
    const { server, heads } = await forwardProxy('HTTP/1.1 200 OK\r\n\r\nwelcome');
    await using _ = server;
    await using proxy = await overTcp(server.port, { hostname: 'far.example:443' });
    expect(await talk(proxy, 'secret', '<secret>')).toBe('welcome<secret>');
    expect(heads).toEqual(['CONNECT far.example:443 HTTP/1.1\r\nhost: far.example:443\r\n\r\n']);
    await waitFor(() => proxy.records.length === 1);
    expect(proxy.records[0]).toMatchObject({ protocol: 'TCP', requestBytes: 6, responseBytes: 15 });
  });

  it('that is refused ends, and nothing of the client was told', async () => {
    const { server, heads } = await forwardProxy('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
    await using _ = server;
    await using proxy = await overTcp(server.port, { hostname: 'far.example:443' });
    expect(await talk(proxy, 'secret')).toBe('');
    expect(heads.join('')).not.toContain('secret');
    await waitFor(() => proxy.records.length === 1);
    expect(proxy.records[0]).toMatchObject({ reason: 'upstream-connect-failure', upstreamTransportFailure: 'the tunnel was refused with 403' }); // prettier-ignore
  });

  it('goes by POST where the rule says so', async () => {
    const { server, heads } = await forwardProxy('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n');
    await using _ = server;
    await using proxy = await overTcp(server.port, { hostname: 'far.example:443', usePost: true });
    void talk(proxy, 'abc');
    await waitFor(() => heads.length > 0);
    expect(heads[0]).toMatch(/^POST \/ HTTP\/1.1\r\nhost: far.example:443\r\ntransfer-encoding: chunked\r\n/);
  });
});

describe('PROXY headers for upstreams', () => {
  const transport = (version: ProxyProtocolConfig_Version): Init => ({
    transportSocket: {
      name: 'envoy.transport_sockets.upstream_proxy_protocol',
      configType: {
        case: 'typedConfig',
        value: pack(ProxyProtocolUpstreamTransportSchema, {
          config: { version },
          transportSocket: {
            name: 'envoy.transport_sockets.raw_buffer',
            configType: { case: 'typedConfig', value: pack(RawBufferSchema, {}) },
          },
        }),
      },
    },
  });
  const recording = async () => {
    const seen: Buffer[] = [];
    const server = await tcpUpstream((socket) => {
      let bytes = Buffer.alloc(0);
      socket.on('end', () => socket.end());
      let answered = 0;
      socket.on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        const requests = bytes.toString('latin1').split('\r\n\r\n').length - 1;
        if (answered === 0) seen.push(bytes);
        for (; answered < requests; answered += 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    return { server, seen };
  };

  it.each([ProxyProtocolConfig_Version.V1, ProxyProtocolConfig_Version.V2])('TCP tells of its client (%s)', async (version) => {
    const { server, seen } = await recording();
    await using _ = server;
    await using proxy = await overTcp(server.port, undefined, transport(version));
    await talk(proxy, 'GET / HTTP/1.1\r\n\r\n', 'ok');
    const header = parseProxyHeader(seen[0] ?? Buffer.alloc(0));
    expect(header).toMatchObject({
      version: version === ProxyProtocolConfig_Version.V2 ? 2 : 1,
      client: { source: { address: '127.0.0.1' }, destination: { address: '127.0.0.1', port: proxy.portOf('in') } },
    });
  }); // prettier-ignore

  it('callers over HTTP share no connection, and each keeps its own', async () => {
    const { server, seen } = await recording();
    await using _ = server;
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [server.port], transport(ProxyProtocolConfig_Version.V1))],
      }),
    );
    const get = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
    const ports = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<number>((resolve) => {
            const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in') }, () => socket.write(get));
            let answers = 0;
            socket.on('data', () => {
              answers += 1;
              if (answers < 3) return socket.write(get);
              resolve(socket.localPort ?? 0);
              return socket.destroy();
            });
          }),
      ),
    );
    expect(server.accepted()).toBe(2);
    const told = seen.map((bytes) => {
      const header = parseProxyHeader(bytes);
      return typeof header === 'string' ? 0 : (header.client?.source.port ?? 0);
    });
    expect(told.sort((a, b) => a - b)).toEqual(ports.sort((a, b) => a - b));
  });
});
