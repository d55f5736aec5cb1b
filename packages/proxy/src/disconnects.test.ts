// Clients that go away in the middle: nothing stays behind, at any hop.
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { TrafficDirection } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { type Logger, silentLogger } from '@weft/kit';
import { waitFor } from '@weft/testkit';
import { startProxy, type TestProxy } from './test-support/harness.ts';
import { clientSocket, secretsOf, serverSocket } from './test-support/mutual-tls.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from './test-support/resources.ts';
import { httpUpstream } from './test-support/upstream.ts';

const CLIENTS = 200;

interface Leaver {
  readonly what: string;
  readonly sends: string;
  /** It leaves once this was received; at once when empty. */
  readonly waitsFor: string;
  readonly leave: (socket: Socket) => void;
}
const reset = (socket: Socket): unknown => socket.resetAndDestroy();
const close = (socket: Socket): unknown => socket.destroy();

const LEAVERS: readonly Leaver[] = [
  { what: 'a reset before the answer', sends: 'GET /never HTTP/1.1\r\nHost: h\r\n\r\n', waitsFor: '', leave: reset },
  { what: 'a close before the answer', sends: 'GET /never HTTP/1.1\r\nHost: h\r\n\r\n', waitsFor: '', leave: close },
  {
    what: 'a close inside the request body',
    sends: 'POST /never HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nten bytes.',
    waitsFor: '',
    leave: close,
  },
  {
    what: 'a reset inside the answer',
    sends: 'GET /half HTTP/1.1\r\nHost: h\r\n\r\n',
    waitsFor: 'first',
    leave: reset,
  },
  {
    what: 'a close inside an endless answer',
    sends: 'GET /endless HTTP/1.1\r\nHost: h\r\n\r\n',
    waitsFor: 'more',
    leave: close,
  },
  { what: 'a reset inside the head', sends: 'GET /never HTTP/1.1\r\nHos', waitsFor: '', leave: reset },
];

function leaveInTheMiddle(port: number, { sends, waitsFor, leave }: Leaver, afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let got = '';
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.on('connect', () => {
      socket.write(sends);
      if (waitsFor === '') setTimeout(() => leave(socket), afterMs);
    });
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      if (waitsFor !== '' && got.includes(waitsFor)) leave(socket);
    });
  });
}

const upstreamUse = (proxy: TestProxy) =>
  proxy.path
    .clusters()
    .flatMap(({ hosts }) => hosts)
    .reduce((sum, host) => sum + host.activeConnections + host.activeRequests, 0);

describe('clients that disconnect', () => {
  it.each(LEAVERS)(
    '$what: 200 times, nothing is left at either sidecar or the application',
    async (leaver) => {
      const lines: unknown[] = [];
      const tell = (...line: unknown[]): void => void lines.push(line);
      const logger: Logger = { ...silentLogger, warn: tell, error: tell };
      let open = 0;
      await using app = await httpUpstream((request, response) => {
        open += 1;
        response.on('close', () => (open -= 1));
        request.resume();
        if (request.url === '/half') response.writeHead(200, { 'content-length': '100' }).write('first');
        if (request.url === '/endless') {
          const timer = setInterval(() => response.write('more'), 5);
          response.on('close', () => clearInterval(timer));
        }
      });
      await using callee = await startProxy(
        resourceSet({
          listeners: [
            listener('inbound', [httpChain(routes(toCluster('app')), {}, { transportSocket: serverSocket })], {
              trafficDirection: TrafficDirection.INBOUND,
            }),
          ],
          clusters: [staticCluster('app', [app.port])],
        }),
        { secrets: secretsOf('server'), logger },
      );
      await using caller = await startProxy(
        resourceSet({
          listeners: [
            listener('outbound', [
              httpChain(
                routes(
                  toCluster('mesh', { retryPolicy: { retryOn: 'connect-failure,weft-safe-reset', numRetries: 2 } }),
                ),
              ),
            ]),
          ],
          clusters: [staticCluster('mesh', [callee.portOf('inbound')], { transportSocket: clientSocket('server') })],
        }),
        { secrets: secretsOf('client'), logger },
      );
      // Some leave while connections to the upstream are being made, some while the request waits there.
      await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) => leaveInTheMiddle(caller.portOf('outbound'), leaver, (i % 10) * 20)),
      );
      const leftOver = () => ({
        connections: [caller.path.activeConnections(), callee.path.activeConnections()],
        upstream: [upstreamUse(caller), upstreamUse(callee)],
        timers: [caller.path.armedTimers(), callee.path.armedTimers()],
        open,
      });
      const nothing = { connections: [0, 0], upstream: [0, 0], timers: [0, 0], open: 0 };
      await waitFor(() => JSON.stringify(leftOver()) === JSON.stringify(nothing), { timeoutMs: 30_000 }).catch(() => {
        expect(leftOver()).toEqual(nothing);
      });
      expect(lines).toEqual([]);
      expect(caller.records.length).toBeLessThanOrEqual(CLIENTS);
      for (const record of caller.records) expect(record).toMatchObject({ reason: 'downstream-closed' });
    },
    60_000,
  );

  it('may end their side first and still get a slow answer', async () => {
    await using app = await httpUpstream((_, response) => void setTimeout(() => response.end('late'), 200));
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('app')))])],
        clusters: [staticCluster('app', [app.port])],
      }),
    );
    const got = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in'), allowHalfOpen: true }, () =>
        socket.end('GET / HTTP/1.1\r\nHost: h\r\n\r\n'),
      );
      socket.on('data', (chunk) => (text += chunk.toString('latin1')));
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(got).toMatch(/^HTTP\/1.1 200 [^]*late$/);
  });
});
