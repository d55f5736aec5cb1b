/** Protocols, pools and sessions as Istio's own control plane configures them, through Weft's proxies. */
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { connect, createServer as createTcpServer } from 'node:net';
import { freePort, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { grpcClient } from '../harness/grpc.ts';
import { http, many, type Answer, type Call } from '../harness/http.ts';
import { findIstiod } from '../harness/istiod.ts';
import { raw } from '../harness/raw.ts';
import type { App } from './istiod-apps.ts';
import { firstAnswer, startWorld, type WeftProxy, type World } from './istiod-world.ts';
import { object, service, serviceEntry, sidecar } from './istiod-yaml.ts';

const found = findIstiod();
if (found.path === undefined) console.warn(`skipped: Weft's proxy under istiod, protocols (${found.reason})`);

let world: World;
let [client, server]: (WeftProxy | undefined)[] = [];
let plain: App;
let startedMs = 0;
const WARMUP_MS = 20_000;
/** What came to the server behind the PROXY protocol, and to the one that makes tunnels. */
const [proxied, tunnelled]: [string[], string[]] = [[], []];

const call = (host: string, path = '/', options: Call = {}): Promise<Answer> =>
  http(`http://${client?.address}:8000${path}`, {
    ...options,
    headers: { host: `${host}.mesh.test`, ...options.headers },
  });

const NETWORKING = 'networking.istio.io/v1';
const rule = (host: string, policy: string): string =>
  `---\n${object(NETWORKING, 'DestinationRule', host, `{ host: ${host}.mesh.test, trafficPolicy: ${policy} }`)}`;
const HTTP = '{ number: 8000, name: http, protocol: HTTP, targetPort: 8080 }';
const tcp = (port: number): string => `{ number: ${port}, name: tcp, protocol: TCP, targetPort: 8080 }`;

const configOf = (block: string, webPort: number, grpcPort: number): Record<string, string> => {
  const app = (n: number): string => `{ address: ${block}.9.${n} }`;
  const egress = (port: number, protocol: string): string =>
    `{ port: { number: ${port}, protocol: ${protocol}, name: p${port} }, bind: ${block}.1.1, captureMode: NONE, hosts: ["./*"] }`;
  const ingress = (port: number, protocol: string, to: number): string =>
    `{ port: { number: ${port}, protocol: ${protocol}, name: p${port} }, bind: ${block}.2.1, captureMode: NONE, defaultEndpoint: 127.0.0.1:${to} }`;
  return {
    client: sidecar('client', [egress(8000, 'HTTP'), egress(8100, 'GRPC'), egress(7200, 'TCP'), egress(7300, 'TCP')]),
    server: sidecar(
      'server',
      ['{ hosts: ["~/*"] }'],
      [ingress(8000, 'HTTP', webPort), ingress(8100, 'GRPC', grpcPort)],
    ),
    strict: object('security.istio.io/v1', 'PeerAuthentication', 'strict', '{ mtls: { mode: STRICT } }'),
    // Its address is where clients find it: gRPC's library says that as the authority.
    both: object(
      NETWORKING,
      'ServiceEntry',
      'both',
      `{ hosts: [both.mesh.test], addresses: [${block}.1.1], location: MESH_INTERNAL, resolution: STATIC, ports: [{ number: 8000, name: http, protocol: HTTP }, { number: 8100, name: grpc, protocol: GRPC }], endpoints: [{ address: ${block}.2.1, serviceAccount: server, labels: { app: server, security.istio.io/tlsMode: istio } }] }`,
    ),
    plain: service('plain', { v1: `${block}.9.1` }),
    once:
      serviceEntry('once', HTTP, [app(1)]) +
      rule('once', '{ connectionPool: { http: { maxRequestsPerConnection: 1 } } }'),
    upgraded:
      serviceEntry('upgraded', HTTP, [app(2)]) +
      rule('upgraded', '{ connectionPool: { http: { h2UpgradePolicy: UPGRADE } } }'),
    proxied: serviceEntry('proxied', tcp(7200), [app(3)]) + rule('proxied', '{ proxyProtocol: { version: V2 } }'),
    tunnel:
      serviceEntry('tunnel', tcp(7300), [app(4)]) +
      rule('tunnel', '{ tunnel: { protocol: CONNECT, targetHost: inner.test, targetPort: 443 } }') +
      `---\n${object(NETWORKING, 'VirtualService', 'tunnel', '{ hosts: [tunnel.mesh.test], tcp: [{ route: [{ destination: { host: tunnel.mesh.test } }] }] }')}`,
    warm: serviceEntry('warm', HTTP, [app(5)]) + WARM,
    pinned: serviceEntry('pinned', HTTP, [app(5), app(6), app(7)]).replace(
      'name: pinned,',
      'name: pinned, labels: { istio.io/persistent-session: sticky },',
    ),
  };
};
const WARM = rule(
  'warm',
  '{ loadBalancer: { simple: ROUND_ROBIN, warmup: { duration: 20s, minimumPercent: 10, aggression: 1 } } }',
);

describe.skipIf(found.path === undefined)("Weft's proxies under istiod: protocols, pools, sessions", () => {
  beforeAll(async () => {
    const [webPort, grpcPort] = [await freePort(), await freePort()];
    world = await startWorld(found.path ?? '', {
      config: (block) => configOf(block, webPort, grpcPort),
      env: { PILOT_ENABLE_PERSISTENT_SESSION_FILTER: 'true' },
    });
    const web = createHttpServer((_, response) => response.end('web'));
    new WebSocketServer({ server: web }).on('connection', (socket) =>
      socket.on('message', (text, binary) => socket.send(text, { binary })),
    );
    await world.serve(web, 0, webPort);
    world.run('grpc.mjs', { PORT: String(grpcPort) });
    plain = await world.app(1, 'plain');
    await world.serve(
      createHttp2Server((request, response) => response.end(`HTTP/${request.httpVersion}`)),
      2,
    );
    await world.serve(
      createTcpServer((socket) =>
        socket.on('error', () => {}).on('data', (data) => proxied.push(data.toString('latin1'))),
      ),
      3,
    );
    const tunnels = createHttpServer();
    tunnels.on('connect', ({ url = '' }, socket) => {
      tunnelled.push(url);
      socket.write('HTTP/1.1 200 OK\r\n\r\nfrom inside');
    });
    await world.serve(tunnels, 4);
    for (const n of [5, 6, 7]) await world.app(n, `app${n}`);
    [client, server] = await Promise.all([
      world.start({ name: 'client', index: 1 }),
      world.start({ name: 'server', index: 2 }),
    ]);
    await firstAnswer(client, () => call('both'));
    startedMs = performance.now();
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  it('OP-02 under istiod: all of it is taken', async () => {
    for (const proxy of [client, server]) expect(await proxy?.refused()).toEqual([]);
    expect(world.istiod.log()).not.toMatch(/ACK ERROR|NACK/);
  });

  it('TR-11 under istiod: gRPC, one answer and streams, through two sidecars and mutual TLS', async () => {
    using calls = grpcClient(`http://${client?.address}:8100`);
    const unary = await waitFor(async () => {
      const result = await calls.unary({ text: 'hello' });
      return result.code === 0 ? result : undefined;
    });
    expect(unary.answers[0]).toMatchObject({ text: 'hello' });
    expect(unary.trailing.get('x-end')).toEqual(['yes']);
    expect((await calls.serverStream({ count: 100 })).answers).toHaveLength(100);
    expect((await calls.pingPong([{ text: 'a' }, { text: 'b' }])).answers.map(({ text }) => text)).toEqual([
      '<a>',
      '<b>',
    ]);
    expect(await calls.unary({ status: 5 })).toMatchObject({ code: 5 });
    expect(await server?.admin('/stats/prometheus')).toMatch(
      /^istio_requests_total\{(?=.*request_protocol="grpc")(?=.*connection_security_policy="mutual_tls")(?=.*grpc_response_status="5")/m,
    );
  });

  it('TR-11 under istiod: a WebSocket through two sidecars', async () => {
    const socket = new WebSocket(`ws://${client?.address}:8000/`, { headers: { host: 'both.mesh.test' } });
    const got = await new Promise<string>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('open', () => socket.send('over there'));
      socket.once('message', (data: Buffer) => resolve(data.toString()));
    });
    socket.terminate();
    expect(got).toBe('over there');
  });

  it('TR-11 under istiod: HTTP/1.1 goes on as HTTP/2 where the policy says so, and only there', async () => {
    expect((await call('upgraded')).body).toBe('HTTP/2.0');
    expect((await call('plain')).status).toBe(200);
  });

  it('TR-12 under istiod: names of header lines keep their case', async () => {
    const request = 'GET /cased HTTP/1.1\r\nHost: plain.mesh.test\r\nX-CaSeD: Yes\r\nconnection: close\r\n\r\n';
    expect(await raw(`http://${client?.address}:8000`, request)).toMatch(/^HTTP\/1\.1 200/);
    expect(plain.seen.find(({ url }) => url === '/cased')?.rawHeaders).toContain('X-CaSeD');
  });

  it('RE-08 under istiod: a connection for each request where the pool says so', async () => {
    const numbers = async (host: string): Promise<number> => {
      for (let i = 0; i < 4; i += 1) await call(host, `/pool-of-${host}`);
      return new Set(plain.seen.filter(({ url }) => url === `/pool-of-${host}`).map(({ connection }) => connection))
        .size;
    };
    expect(await numbers('once')).toBe(4);
    expect(await numbers('plain')).toBe(1);
  });

  it('TR-14 under istiod: the PROXY protocol to the host, version 2', async () => {
    const socket = connect({ host: client?.address ?? '', port: 7200 });
    socket.on('error', () => {});
    socket.write('payload');
    const got = await waitFor(() => (proxied.join('').endsWith('payload') ? proxied.join('') : undefined));
    socket.destroy();
    expect(got.slice(0, 13)).toBe('\r\n\r\n\0\r\nQUIT\n\x21');
  });

  it('TR-14 under istiod: TCP in a tunnel over CONNECT', async () => {
    const got = await new Promise<string>((resolve) => {
      const socket = connect({ host: client?.address ?? '', port: 7300 });
      socket.on('error', () => {});
      socket.once('close', () => resolve('closed'));
      socket.once('data', (data) => {
        resolve(data.toString());
        socket.destroy();
      });
    });
    expect([got, tunnelled]).toEqual(['from inside', ['inner.test:443']]);
  });

  it('LB-04 under istiod: a host that comes later warms up', async () => {
    // The first host is new itself until then.
    await waitFor(() => performance.now() > startedMs + WARMUP_MS, { timeoutMs: 60_000 });
    const address = (n: number): string => `{ address: ${world.block}.9.${n} }`;
    await world.istiod.apply('warm', serviceEntry('warm', HTTP, [address(5), address(6)]) + WARM);
    await waitFor(async () => (await call('warm')).headers['x-app'] === 'app6');
    const answers = await many(60, () => call('warm'), 4);
    const later = answers.filter(({ headers }) => headers['x-app'] === 'app6').length;
    // Half of them would be its full share.
    expect(later).toBeGreaterThan(0);
    expect(later).toBeLessThan(24);
  });

  it('LB-05 under istiod: a session stays with its host', async () => {
    const first = await call('pinned');
    const cookie = first.headers['set-cookie']?.split(';')[0] ?? '';
    expect(cookie).toMatch(/^sticky=/);
    const answers = await many(12, () => call('pinned', '/', { headers: { cookie } }), 3);
    expect(new Set(answers.map(({ headers }) => headers['x-app']))).toEqual(new Set([first.headers['x-app']]));
  });
});
