// Tunnels between Envoy and this proxy, each at either end.
import { connect } from 'node:net';
import type { JsonObject } from '@bufbuild/protobuf';
import { freePort } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { addressOf, findEnvoy, ours, startEnvoy, type StaticResources, TYPE } from '../../../test-support/envoy.ts';
import { startProxy } from '../../../test-support/harness.ts';
import { tcpUpstream } from '../../../test-support/upstream.ts';

const envoy = findEnvoy(process.env, 'tunnels between Envoy and this proxy');

const HTTP2: JsonObject = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};
const clusterTo = (name: string, port: number, more: JsonObject = {}): JsonObject => ({
  name,
  type: 'STATIC',
  connect_timeout: '5s',
  load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: addressOf(port) } }] }] },
  ...more,
});

/** TCP goes in, a tunnel goes out. */
const near = (port: number, next: number, http2: boolean): StaticResources => ({
  listeners: [
    {
      name: 'near',
      address: addressOf(port),
      filter_chains: [
        {
          filters: [
            {
              name: 'envoy.filters.network.tcp_proxy',
              typed_config: {
                '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`,
                stat_prefix: 'near',
                cluster: 'far',
                tunneling_config: { hostname: 'somewhere.example:4444' },
              },
            },
          ],
        },
      ],
    },
  ],
  clusters: [clusterTo('far', next, http2 ? HTTP2 : {})],
});

/** The tunnel ends, TCP goes out. */
const far = (port: number, backend: number): StaticResources => ({
  listeners: [
    {
      name: 'far',
      address: addressOf(port),
      filter_chains: [
        {
          filters: [
            {
              name: 'envoy.filters.network.http_connection_manager',
              typed_config: {
                '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
                stat_prefix: 'far',
                upgrade_configs: [{ upgrade_type: 'CONNECT' }],
                http2_protocol_options: { allow_connect: true },
                route_config: {
                  virtual_hosts: [
                    {
                      name: 'all',
                      domains: ['*'],
                      routes: [
                        {
                          match: { connect_matcher: {} },
                          route: {
                            cluster: 'backend',
                            upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
                          },
                        },
                      ],
                    },
                  ],
                },
                http_filters: [
                  {
                    name: 'envoy.filters.http.router',
                    typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` },
                  },
                ],
              },
            },
          ],
        },
      ],
    },
  ],
  clusters: [clusterTo('backend', backend)],
});

const BYTES = 500_000;
/** Says much, ends its side where it should, and gathers what comes back until the end. */
const talk = (port: number, ends: boolean): Promise<string> =>
  new Promise((resolve, reject) => {
    let got = '';
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }, () => {
      socket.write('x'.repeat(BYTES));
      if (ends) socket.end();
    });
    socket.setTimeout(15_000, () => socket.destroy());
    socket.on('data', (chunk) => (got += chunk.toString('latin1')));
    socket.on('error', reject);
    socket.on('end', () => resolve(got));
  });

describe.skipIf(envoy === undefined)('a tunnel', () => {
  it.each([
    ['Envoy', 'HTTP/1.1'],
    ['Envoy', 'HTTP/2'],
    ['Weft', 'HTTP/1.1'],
    ['Weft', 'HTTP/2'],
  ])('that %s begins over %s ends at the other, and both directions arrive whole', async (first, protocol) => {
    await using backend = await tcpUpstream((socket) => {
      let count = 0;
      socket.write('hello ');
      // Envoy ends a tunnel of HTTP/1.1 whole as soon as one side ends.
      const ends = protocol === 'HTTP/2';
      const answer = (): void => void socket.end(`${count} ${'y'.repeat(BYTES)}`);
      socket.on('data', (chunk) => {
        count += chunk.length;
        if (!ends && count === BYTES) answer();
      });
      if (ends) socket.on('end', answer);
    });
    const [nearPort, farPort] = [await freePort(), await freePort()];
    const [one, two] = [near(nearPort, farPort, protocol === 'HTTP/2'), far(farPort, backend.port)];
    await using _envoy = await startEnvoy(envoy ?? '', first === 'Envoy' ? one : two);
    await using weft = await startProxy(ours(first === 'Envoy' ? two : one));
    expect(weft.path.listeners().map(({ state }) => state)).toEqual(['active']);
    const got = await talk(nearPort, protocol === 'HTTP/2');
    expect(got.slice(0, 13)).toBe(`hello ${BYTES} `);
    expect(got.length).toBe(13 + BYTES);
  });
});
