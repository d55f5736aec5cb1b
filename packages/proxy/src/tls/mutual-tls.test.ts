import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { HttpConnectionManager_ForwardClientCertDetails as ForwardDetails } from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { waitFor } from '@weft/testkit';
import { prometheusPage } from '../stats/prometheus-page.ts';
import { createStats } from '../stats/stats.ts';
import { workloadOfMetadata } from '../stats/workload-labels.ts';
import { certificate, roots as rootSecret, spiffe } from '../test-support/certificates.ts';
import { ask, exchange, startProxy, TestSecrets, type TestProxy } from '../test-support/harness.ts';
import {
  httpChain,
  listener,
  resourceSet,
  routes,
  staticCluster,
  tcpChain,
  toCluster,
} from '../test-support/resources.ts';
import { clientSocket, secretsOf, serverSocket, serverSocketWith } from '../test-support/mutual-tls.ts';
import { echoUpstream, tcpUpstream } from '../test-support/upstream.ts';

const server = (appPort: number, secrets = secretsOf('server')): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener(
          'inbound',
          [
            httpChain(
              routes(toCluster('app')),
              { forwardClientCertDetails: ForwardDetails.APPEND_FORWARD, setCurrentClientCertDetails: { uri: true } },
              { transportSocket: serverSocket, filterChainMatch: { transportProtocol: 'tls' } },
            ),
          ],
          { trafficDirection: TrafficDirection.INBOUND },
        ),
      ],
      clusters: [staticCluster('app', [appPort])],
    }),
    { secrets },
  );

const client = (meshPort: number, accounts: readonly string[], secrets = secretsOf('client')): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('outbound', [httpChain(routes(toCluster('mesh')))])],
      clusters: [staticCluster('mesh', [meshPort], { transportSocket: clientSocket(...accounts) })],
    }),
    { secrets },
  );

describe('mutual TLS between two proxies', () => {
  it('carries a request with both identities', async () => {
    await using app = await echoUpstream('app');
    await using callee = await server(app.port);
    await using caller = await client(callee.portOf('inbound'), ['server']);
    const answer = await ask({ port: caller.portOf('outbound') });
    expect(answer.status).toBe(200);
    const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> };
    expect(headers['x-forwarded-client-cert']).toMatch(
      /^By=spiffe:\/\/cluster.local\/ns\/default\/sa\/server;Hash=[0-9a-f]{64};URI=spiffe:\/\/cluster.local\/ns\/default\/sa\/client$/,
    );
    expect(caller.records[0]).toMatchObject({ destinationPrincipal: spiffe('server'), mutualTls: true });
    expect(callee.records[0]).toMatchObject({ sourcePrincipal: spiffe('client'), mutualTls: true });
  });

  it('refuses a server that is somebody else', async () => {
    await using app = await echoUpstream('app');
    await using callee = await server(app.port);
    await using caller = await client(callee.portOf('inbound'), ['ratings']);
    const answer = await ask({ port: caller.portOf('outbound') });
    expect(answer.status).toBe(503);
    expect(answer.headers['x-weft-reason']).toBe('upstream-identity-mismatch');
  });

  it('refuses a client of another root, and says so in the log', async () => {
    await using app = await echoUpstream('app');
    await using callee = await server(app.port);
    await using caller = await client(callee.portOf('inbound'), ['server'], secretsOf('stranger', 'root'));
    const answer = await ask({ port: caller.portOf('outbound') });
    expect(answer.status).toBe(503);
    await waitFor(() => callee.records.length > 0);
    expect(callee.records[0]).toMatchObject({ reason: 'downstream-tls-failure', code: 0 });
  });

  it('refuses a client with two identities', async () => {
    await using app = await echoUpstream('app');
    await using callee = await server(app.port);
    await using caller = await client(callee.portOf('inbound'), ['server'], secretsOf('two-names'));
    expect((await ask({ port: caller.portOf('outbound') })).status).toBe(503);
  });

  it('closes plain connections without an answer', async () => {
    await using app = await echoUpstream('app');
    await using callee = await server(app.port);
    expect(await exchange(callee.portOf('inbound'), 'GET / HTTP/1.1\r\nHost: h\r\n\r\n')).toBe('');
    expect(app.accepted()).toBe(0);
    await waitFor(() => callee.records.some(({ reason }) => reason === 'plaintext-refused'));
  });

  it.each([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a proxy request', 'CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['another protocol', '\u0000\u0000\u0000\u0008\u0004\u00d2\u0016\u002f'],
    ['text', 'EHLO example.org\r\n'],
  ])('counts %s at a port without plain chain as plaintext, apart from bad certificates', async (_, bytes) => {
    await using callee = await startProxy(
      resourceSet({
        listeners: [listener('inbound', [httpChain(routes(toCluster('app')), {}, { transportSocket: serverSocket })])],
        clusters: [staticCluster('app', [1])],
      }),
      { secrets: secretsOf('server') },
    );
    expect(await exchange(callee.portOf('inbound'), bytes)).not.toContain('HTTP/1.1');
    await waitFor(() => callee.stats.valueOf('listener.inbound.refused.plaintext-refused') === 1);
    await using caller = await client(callee.portOf('inbound'), ['server'], secretsOf('stranger', 'root'));
    expect((await ask({ port: caller.portOf('outbound') })).status).toBe(503);
    await waitFor(() => callee.stats.valueOf('listener.inbound.refused.downstream-tls-failure') === 1);
    expect(callee.stats.valueOf('listener.inbound.refused.plaintext-refused')).toBe(1);
    expect(callee.records.map(({ reason }) => reason)).toEqual(['plaintext-refused', 'downstream-tls-failure']);
    expect(callee.records.map(({ connectionTermination }) => connectionTermination)).not.toContain(
      'the handshake was not finished',
    );
  });

  it('does not count a client that connects and says nothing', async () => {
    await using callee = await startProxy(
      resourceSet({
        listeners: [listener('inbound', [httpChain(routes(toCluster('app')), {}, { transportSocket: serverSocket })])],
        clusters: [staticCluster('app', [1])],
      }),
      { secrets: secretsOf('server') },
    );
    expect(await exchange(callee.portOf('inbound'), [], undefined, 50)).toBe('');
    await waitFor(() => callee.path.activeConnections() === 0);
    expect(callee.records).toEqual([]);
  });

  it('speaks TLS 1.3 and asks for a certificate', async () => {
    await using app = await echoUpstream('app');
    await using callee = await server(app.port);
    const { certificateChain: cert, privateKey: key } = certificate('client');
    const protocol = await new Promise((resolve, reject) => {
      const socket = connectTls(
        {
          host: '127.0.0.1',
          port: callee.portOf('inbound'),
          ca: rootSecret().trustedCa,
          checkServerIdentity: () => undefined,
          ...(cert === undefined || key === undefined ? {} : { cert, key }),
        },
        () => {
          resolve(socket.getProtocol());
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });
    expect(protocol).toBe('TLSv1.3');
  });

  it("does not choose Istio's TCP metadata exchange, whose preamble it would take for the client's bytes", async () => {
    await using app = await tcpUpstream((socket) => void socket.end('hello'));
    await using callee = await startProxy(
      resourceSet({
        listeners: [
          // As istiod writes it for TCP.
          listener(
            'inbound',
            [tcpChain('app', { transportSocket: serverSocketWith('istio-peer-exchange', 'h2', 'http/1.1') })],
            {
              trafficDirection: TrafficDirection.INBOUND,
            },
          ),
        ],
        clusters: [staticCluster('app', [app.port])],
      }),
      { secrets: secretsOf('server') },
    );
    const { certificateChain: cert = '', privateKey: key = '' } = certificate('client');
    const got = await new Promise((resolve, reject) => {
      const socket = connectTls({
        host: '127.0.0.1',
        port: callee.portOf('inbound'),
        ca: rootSecret().trustedCa,
        checkServerIdentity: () => undefined,
        ALPNProtocols: ['istio-peer-exchange', 'istio'],
        cert,
        key,
      });
      socket.once('data', (data) => {
        resolve([socket.alpnProtocol, String(data)]);
        socket.destroy();
      });
      socket.on('error', reject);
    });
    expect(got).toEqual(['istio', 'hello']);
  });

  it('knows both peers on resumed connections too', async () => {
    const stats = createStats(workloadOfMetadata({}), { ownPrincipal: () => spiffe('client') });
    await using app = await echoUpstream('app');
    await using callee = await server(app.port);
    await using caller = await startProxy(
      resourceSet({
        listeners: [listener('outbound', [httpChain(routes(toCluster('mesh')))])],
        clusters: [
          staticCluster('mesh', [callee.portOf('inbound')], {
            transportSocket: clientSocket('server'),
            maxRequestsPerConnection: 1,
          }),
        ],
      }),
      { secrets: secretsOf('client'), stats },
    );
    for (let i = 0; i < 4; i += 1) expect((await ask({ port: caller.portOf('outbound') })).status).toBe(200);
    expect(caller.records.map(({ destinationPrincipal }) => destinationPrincipal)).toEqual(
      Array(4).fill(spiffe('server')),
    );
    expect(callee.records.map(({ sourcePrincipal }) => sourcePrincipal)).toEqual(Array(4).fill(spiffe('client')));
    const counted = prometheusPage(stats)
      .split('\n')
      .filter((line) => line.startsWith('istio_requests_total'));
    expect(counted).toHaveLength(1);
    expect(counted[0]).toMatch(/reporter="source".*source_principal="spiffe:.*\/client".*"spiffe:.*\/server".* 4$/);
  });

  it('takes a new certificate without losing a connection', async () => {
    await using app = await echoUpstream('app');
    const secrets = secretsOf('server');
    await using callee = await server(app.port, secrets);
    await using caller = await client(callee.portOf('inbound'), ['server', 'client']);
    expect((await ask({ port: caller.portOf('outbound') })).status).toBe(200);
    secrets.set('default', certificate('client'));
    expect((await ask({ port: caller.portOf('outbound') })).status).toBe(200);
    expect(caller.records[1]?.destinationPrincipal).toBe(spiffe('server'));
  });

  it('answers 503 while its own certificate is not there', async () => {
    await using app = await echoUpstream('app');
    await using callee = await server(app.port);
    await using caller = await client(callee.portOf('inbound'), ['server'], new TestSecrets());
    const answer = await ask({ port: caller.portOf('outbound') });
    expect(answer.headers['x-weft-reason']).toBe('upstream-tls-failure');
  });

  it('carries raw TCP too, with half-close', async () => {
    await using app = await tcpUpstream((socket) => {
      let got = '';
      socket.on('data', (chunk) => (got += String(chunk)));
      socket.on('end', () => socket.end(`got ${got}`));
    });
    await using callee = await startProxy(
      resourceSet({
        listeners: [
          listener('inbound', [tcpChain('app', { transportSocket: serverSocket })], {
            trafficDirection: TrafficDirection.INBOUND,
          }),
        ],
        clusters: [staticCluster('app', [app.port])],
      }),
      { secrets: secretsOf('server') },
    );
    await using caller = await startProxy(
      resourceSet({
        listeners: [listener('outbound', [tcpChain('mesh')])],
        clusters: [staticCluster('mesh', [callee.portOf('inbound')], { transportSocket: clientSocket('server') })],
      }),
      { secrets: secretsOf('client') },
    );
    const { connect } = await import('node:net');
    const got = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect({ host: '127.0.0.1', port: caller.portOf('outbound'), allowHalfOpen: true }, () =>
        socket.end('hello'),
      );
      socket.on('data', (chunk) => (text += String(chunk)));
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(got).toBe('got hello');
  });
});
