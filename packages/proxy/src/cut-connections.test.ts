// RE-03 between two proxies: their connection ends after any number of bytes, of TLS as it is on the wire.
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpProtocolOptionsSchema } from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { ask, startProxy, type TestProxy } from './test-support/harness.ts';
import { clientSocket, secretsOf, serverSocket } from './test-support/mutual-tls.ts';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from './test-support/resources.ts';
import { httpUpstream, readBody, tcpUpstream, type TestServer } from './test-support/upstream.ts';

/** The control plane's default. */
const retryPolicy = {
  retryOn: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,weft-safe-reset',
  numRetries: 2,
  retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
  hostSelectionRetryMaxAttempts: 5n,
};
const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
    },
  }),
};
// A head, a body and their answer have some hundred bytes, with TLS; each is met a few times.
const LONGEST = 700;
const STEP = 7;

type Way = 'there' | 'back';

const booked = new Map<string, number>();
let cut: { readonly way: Way; left: number } | undefined;
let app: TestServer;
let server: TestProxy;
const relays: TestServer[] = [];

/** Passes bytes on until the told number of them has gone the told way; then both sides hear no more. */
function relay(socket: Socket, port: number): void {
  const other = connect({ host: '127.0.0.1', port });
  const end = (): void => {
    socket.destroy();
    other.destroy();
  };
  const pass = (from: Socket, to: Socket, way: Way): void => {
    from.on('error', end);
    from.on('close', end);
    from.on('data', (data: Buffer) => {
      if (cut?.way !== way) return void to.write(data);
      const { left } = cut;
      if (data.length < left) {
        cut.left -= data.length;
        to.write(data);
        return;
      }
      cut = undefined;
      to.write(data.subarray(0, left), end);
    });
  };
  pass(socket, other, 'there');
  pass(other, socket, 'back');
}

beforeAll(async () => {
  app = await httpUpstream((request, response) => {
    void readBody(request).then(
      () => {
        const id = request.url ?? '';
        booked.set(id, (booked.get(id) ?? 0) + 1);
        response.end(id);
      },
      () => undefined,
    );
  });
  server = await startProxy(
    resourceSet({
      listeners: [
        listener('in', [httpChain(routes(toCluster('app')), {}, { transportSocket: serverSocket })], {
          trafficDirection: TrafficDirection.INBOUND,
        }),
      ],
      clusters: [staticCluster('app', [app.port])],
    }),
    { secrets: secretsOf('server') },
  );
  for (let i = 0; i < 2; i += 1) relays.push(await tcpUpstream((socket) => relay(socket, server.portOf('in'))));
});
afterAll(async () => {
  for (const one of relays) await one[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await app[Symbol.asyncDispose]();
});

const caller = (http2: boolean): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('out', [httpChain(routes(toCluster('mesh', { retryPolicy })))])],
      clusters: [
        staticCluster(
          'mesh',
          relays.map(({ port }) => port),
          { transportSocket: clientSocket('server'), ...(http2 ? { typedExtensionProtocolOptions: HTTP2 } : {}) },
        ),
      ],
    }),
    { secrets: secretsOf('client') },
  );

describe.each([
  ['HTTP/1.1', false],
  ['HTTP/2', true],
])('RE-03 over %s', (protocol, http2) => {
  it.each(['there', 'back'] as const)('no POST is run twice when bytes that go %s are lost', async (way) => {
    await using client = await caller(http2);
    const outcomes = new Set<number>();
    for (let left = 1; left <= LONGEST; left += STEP) {
      // One connection to each host is open: what breaks is the exchange, not the handshake.
      cut = undefined;
      for (let i = 0; i < relays.length; i += 1) await ask({ port: client.portOf('out') });
      cut = { way, left };
      const path = `/${protocol}/${way}/${left}`;
      const answer = await ask({
        port: client.portOf('out'),
        path,
        method: 'POST',
        body: 'amount',
        headers: { 'content-length': '6' },
      }).catch(() => undefined);
      outcomes.add(answer?.status ?? 0);
      expect(booked.get(path) ?? 0).toBeLessThanOrEqual(1);
      if (answer?.status === 200) expect(booked.get(path)).toBe(1);
      else if (answer !== undefined) expect(answer.headers['x-weft-reason']).toMatch(/^upstream-/);
    }
    cut = undefined;
    // Some were lost, and others not.
    expect(outcomes).toContain(503);
    expect(outcomes).toContain(200);
    expect(client.path.armedTimers()).toBeLessThan(20);
  });
});
