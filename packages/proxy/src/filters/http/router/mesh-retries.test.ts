// What a server-side sidecar answers in its application's place, seen by the client-side one.
import { describe, expect, it } from 'vitest';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import type { RetryPolicySchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { ask, startProxy, type TestProxy } from '../../../test-support/harness.ts';
import { clientSocket, secretsOf, serverSocket } from '../../../test-support/mutual-tls.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../../../test-support/resources.ts';
import { echoUpstream, httpUpstream, tcpUpstream } from '../../../test-support/upstream.ts';

// Nobody listens there.
const CLOSED_PORT = 1;

/** The control plane's default. */
const DEFAULT_POLICY: Exclude<MessageInitShape<typeof RetryPolicySchema>, { $typeName: string }> = {
  retryOn: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,weft-safe-reset',
  numRetries: 2,
  retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
  hostSelectionRetryMaxAttempts: 5n,
};

/** A PERMISSIVE sidecar: mutual TLS for those who speak it, plain for the rest. */
const sidecar = (appPort: number): Promise<TestProxy> => {
  const app = routes(toCluster('app'));
  return startProxy(
    resourceSet({
      listeners: [
        listener(
          'inbound',
          [
            httpChain(app, {}, { transportSocket: serverSocket, filterChainMatch: { transportProtocol: 'tls' } }),
            httpChain(app, {}, { filterChainMatch: { transportProtocol: 'raw_buffer' } }),
          ],
          { trafficDirection: TrafficDirection.INBOUND },
        ),
      ],
      clusters: [staticCluster('app', [appPort])],
    }),
    { secrets: secretsOf('server') },
  );
};

const caller = (
  servers: readonly TestProxy[],
  { maxRequests = 0, secure = true }: { readonly maxRequests?: number; readonly secure?: boolean } = {},
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('outbound', [httpChain(routes(toCluster('mesh', { retryPolicy: DEFAULT_POLICY })))])],
      clusters: [
        staticCluster(
          'mesh',
          servers.map((server) => server.portOf('inbound')),
          {
            ...(secure ? { transportSocket: clientSocket('server') } : {}),
            ...(maxRequests === 0 ? {} : { maxRequestsPerConnection: maxRequests }),
          },
        ),
      ],
    }),
    { secrets: secretsOf('client') },
  );

const get = (proxy: TestProxy) => ask({ port: proxy.portOf('outbound') });
const post = (proxy: TestProxy) =>
  ask({ port: proxy.portOf('outbound'), method: 'POST', body: 'b', headers: { 'content-length': '1' } });

/** Reads a request and leaves without an answer. */
const leaving = () => tcpUpstream((socket) => socket.once('data', () => socket.destroy()));

describe('a sidecar without its application', () => {
  it.each([
    ['pooled', 0],
    ['resumed', 1],
  ])('costs no request of any method over %s connections', async (_, maxRequests) => {
    await using app = await echoUpstream('good');
    await using good = await sidecar(app.port);
    await using bad = await sidecar(CLOSED_PORT);
    await using client = await caller([bad, good], { maxRequests });
    for (let i = 0; i < 40; i += 1) {
      expect((await get(client)).status).toBe(200);
      expect((await post(client)).status).toBe(200);
    }
    expect(bad.records.length).toBeGreaterThan(10);
    expect(Math.max(...client.records.map(({ attempts }) => attempts))).toBe(2);
  });

  it('gives its reason to the client when no host is left', async () => {
    await using one = await sidecar(CLOSED_PORT);
    await using two = await sidecar(CLOSED_PORT);
    await using client = await caller([one, two], { maxRequests: 1 });
    for (let i = 0; i < 5; i += 1) {
      const answer = await get(client);
      expect(answer).toMatchObject({ status: 503, body: 'the upstream refused the connection' });
      expect(answer.headers['x-weft-reason']).toBe('upstream-connect-failure');
    }
    expect(client.records[0]).toMatchObject({ attempts: 3, reason: 'upstream-connect-failure' });
  });

  it('counts as plain server error where the connection proves nothing', async () => {
    await using bad = await sidecar(CLOSED_PORT);
    await using client = await caller([bad], { secure: false });
    const answer = await get(client);
    expect(answer.status).toBe(503);
    expect(answer.headers['x-weft-reason']).toBeUndefined();
    expect(client.records[0]).toMatchObject({ attempts: 1, reason: '' });
  });
});

describe('an application that leaves in the middle of a request', () => {
  it('is tried elsewhere for methods that do no harm, and told by its reason for others', async () => {
    await using app = await echoUpstream('good');
    await using gone = await leaving();
    await using good = await sidecar(app.port);
    await using bad = await sidecar(gone.port);
    await using client = await caller([bad, good]);
    for (let i = 0; i < 20; i += 1) expect((await get(client)).status).toBe(200);
    const answers = [];
    for (let i = 0; i < 20; i += 1) answers.push(await post(client));
    const failed = answers.filter(({ status }) => status !== 200);
    expect(failed.length).toBeGreaterThan(0);
    for (const { status, headers } of failed) {
      expect(status).toBe(503);
      expect(headers['x-weft-reason']).toBe('upstream-closed');
    }
    // A POST that may have been run was run once.
    expect(bad.records.filter(({ method }) => method === 'POST')).toHaveLength(failed.length);
  });
});

describe('answers without a body', () => {
  it('keep their headers while others wait for the connection', async () => {
    await using app = await httpUpstream((request, response) => {
      response.writeHead(request.method === 'HEAD' ? 200 : 204, { 'x-path': request.url ?? '' }).end();
    });
    await using client = await startProxy(
      resourceSet({
        listeners: [listener('outbound', [httpChain(routes(toCluster('app')))])],
        clusters: [staticCluster('app', [app.port], { circuitBreakers: { thresholds: [{ maxConnections: 1 }] } })],
      }),
    );
    const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
    const answers = await Promise.all(
      paths.map((path, i) => ask({ port: client.portOf('outbound'), path, method: i % 2 === 0 ? 'GET' : 'HEAD' })),
    );
    expect(answers.map(({ headers }) => headers['x-path'])).toEqual(paths);
  });
});
