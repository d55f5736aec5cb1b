/** Two Weft proxies with istiod between them: mutual TLS, who may call whom, connections without HTTP, and a gateway. */
import { readFile } from 'node:fs/promises';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { freePort, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http, type Answer, type Call } from '../harness/http.ts';
import { findIstiod } from '../harness/istiod.ts';
import { clientHello, raw } from '../harness/raw.ts';
import { withinBinomial } from '../harness/statistics.ts';
import type { App } from './istiod-apps.ts';
import { firstAnswer, startWorld, type WeftProxy, type World } from './istiod-world.ts';
import { object, serviceEntry, sidecar } from './istiod-yaml.ts';

const found = findIstiod();
if (found.path === undefined) console.warn(`skipped: Weft's proxy under istiod, security (${found.reason})`);

let world: World;
let [client, server, gateway, other]: (WeftProxy | undefined)[] = [];
let app: App;

const call = (from: WeftProxy | undefined, path = '/', options: Call = {}): Promise<Answer> =>
  http(`http://${from?.address}:8000${path}`, { ...options, headers: { host: 'shop.mesh.test', ...options.headers } });

const NETWORKING = 'networking.istio.io/v1';
const SECURITY = 'security.istio.io/v1';
const MESH_TLS = 'security.istio.io/tlsMode: istio';

const configOf = (block: string, shopPort: number, tcpPort: number): Record<string, string> => {
  const egress = (index: number, port: number, protocol: string): string =>
    `{ port: { number: ${port}, protocol: ${protocol}, name: p${port} }, bind: ${block}.${index}.1, captureMode: NONE, hosts: ["./*"] }`;
  const gatewayAt = (name: string, index: number): string =>
    object(
      NETWORKING,
      'Gateway',
      name,
      `{ selector: { istio: ${name} }, servers: [{ port: { number: 8000, name: http, protocol: HTTP }, bind: ${block}.${index}.1, hosts: [shop.mesh.test] }] }`,
    );
  return {
    client: sidecar('client', [
      egress(1, 8000, 'HTTP'),
      egress(1, 7000, 'TCP'),
      egress(1, 7100, 'TCP'),
      egress(1, 7443, 'TLS'),
    ]),
    other: sidecar('other', [egress(4, 8000, 'HTTP')]),
    shop: sidecar(
      'shop',
      ['{ hosts: ["~/*"] }'],
      [
        `{ port: { number: 8000, protocol: HTTP, name: http }, bind: ${block}.2.1, captureMode: NONE, defaultEndpoint: 127.0.0.1:${shopPort} }`,
        `{ port: { number: 7100, protocol: TCP, name: tcp }, bind: ${block}.2.1, captureMode: NONE, defaultEndpoint: 127.0.0.1:${tcpPort} }`,
      ],
    ),
    service: object(
      NETWORKING,
      'ServiceEntry',
      'shop',
      `{ hosts: [shop.mesh.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{ number: 8000, name: http, protocol: HTTP }, { number: 7100, name: tcp, protocol: TCP }], endpoints: [{ address: ${block}.2.1, serviceAccount: shop, labels: { app: shop, ${MESH_TLS} } }] }`,
    ),
    strict: object(SECURITY, 'PeerAuthentication', 'strict', '{ mtls: { mode: STRICT } }'),
    split:
      serviceEntry('ledger', '{ number: 7000, name: tcp, protocol: TCP, targetPort: 8080 }', [
        `{ address: ${block}.9.2, labels: { version: v1 } }`,
        `{ address: ${block}.9.3, labels: { version: v2 } }`,
      ]) +
      `---\n${object(NETWORKING, 'DestinationRule', 'ledger', '{ host: ledger.mesh.test, subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }] }')}` +
      `---\n${object(NETWORKING, 'VirtualService', 'ledger', '{ hosts: [ledger.mesh.test], tcp: [{ route: [{ destination: { host: ledger.mesh.test, subset: v1 }, weight: 75 }, { destination: { host: ledger.mesh.test, subset: v2 }, weight: 25 }] }] }')}`,
    sni: ['one', 'two']
      .map(
        (name, i) =>
          `${serviceEntry(name, '{ number: 7443, name: tls, protocol: TLS, targetPort: 8080 }', [`{ address: ${block}.9.${2 + i} }`])}---\n${object(NETWORKING, 'VirtualService', name, `{ hosts: [${name}.mesh.test], tls: [{ match: [{ port: 7443, sniHosts: [${name}.mesh.test] }], route: [{ destination: { host: ${name}.mesh.test } }] }] }`)}`,
      )
      .join('---\n'),
    gateway:
      `${gatewayAt('edge', 3)}---\n${gatewayAt('behind', 5)}---\n` +
      object(
        NETWORKING,
        'VirtualService',
        'shop-at-edge',
        '{ hosts: [shop.mesh.test], gateways: [edge, behind], http: [{ match: [{ uri: { prefix: /open } }], route: [{ destination: { host: shop.mesh.test, port: { number: 8000 } } }] }] }',
      ),
  };
};

/** What comes back over a plain connection. */
const greeting = (port: number, first?: Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connectPlain({ host: client?.address ?? '', port });
    if (first !== undefined) socket.write(first);
    socket.setTimeout(10_000, () => socket.destroy(new Error('no greeting')));
    socket.once('data', (data) => {
      resolve(data.toString('latin1').split('\n')[0] ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => resolve('closed'));
  });

describe.skipIf(found.path === undefined)(
  "Weft's proxies under istiod: mutual TLS, authorization, TCP, gateway",
  () => {
    beforeAll(async () => {
      const [shopPort, tcpPort] = [await freePort(), await freePort()];
      world = await startWorld(found.path ?? '', {
        config: (block) => configOf(block, shopPort, tcpPort),
        mesh: (directory) => ({
          accessLogFile: join(directory, 'access.log'),
          accessLogFormat: '%RESPONSE_CODE% %REQ(:PATH)% %DOWNSTREAM_PEER_URI_SAN% %UPSTREAM_CLUSTER_RAW%\n',
        }),
      });
      app = await world.app(1, 'shop', shopPort);
      await world.greeter(1, 'inner', tcpPort);
      await world.greeter(2, 'first');
      await world.greeter(3, 'second');
      [client, server, gateway] = await Promise.all([
        world.start({ name: 'client', index: 1 }),
        world.start({ name: 'shop', index: 2 }),
        world.start({ name: 'edge', index: 3, type: 'router', labels: { istio: 'edge' } }),
      ]);
      await firstAnswer(client, () => call(client));
    });
    afterAll(() => world?.[Symbol.asyncDispose]());

    it('OP-02 under istiod: client, server and gateway take all of it', async () => {
      for (const proxy of [client, server, gateway]) expect(await proxy?.refused()).toEqual([]);
      expect(world.istiod.log()).not.toMatch(/ACK ERROR|NACK/);
    });

    it('SE-03 under istiod: STRICT mutual TLS; the server tells who called, and plain callers are cut', async () => {
      const answer = await call(client, '/who');
      const { headers } = JSON.parse(answer.body) as { readonly headers: Readonly<Record<string, string>> };
      expect(headers['x-forwarded-client-cert']).toContain('URI=spiffe://cluster.local/ns/default/sa/client');
      expect(await raw(`http://${server?.address}:8000`, 'GET / HTTP/1.1\r\nhost: shop.mesh.test\r\n\r\n')).not.toMatch(
        /^HTTP\/1\.1 200/,
      );
    });

    it('OB-01 under istiod: both ends count the same call', async () => {
      const wanted =
        /^istio_requests_total\{(?=.*source_workload="client")(?=.*destination_workload="shop")(?=.*connection_security_policy="(?:mutual_tls|unknown)")(?=.*response_code="200").*\} \d+/m;
      await call(client, '/counted');
      expect(await server?.admin('/stats/prometheus')).toMatch(wanted);
      expect(await client?.admin('/stats/prometheus')).toMatch(
        /^istio_requests_total\{(?=.*destination_service="shop\.mesh\.test")/m,
      );
    });

    it('OB-04 under istiod: the access log of MeshConfig, in its format, at both ends', async () => {
      await call(client, '/logged');
      const log = await waitFor(async () => {
        const text = await readFile(join(world.directory, 'access.log'), 'utf8');
        return text.split('\n').filter((line) => line.includes('/logged')).length === 2 ? text : undefined;
      });
      expect(log).toContain('200 /logged spiffe://cluster.local/ns/default/sa/client inbound|8000||\n');
      expect(log).toContain('200 /logged - outbound|8000||shop.mesh.test\n');
    });

    it('SE-04 under istiod: a server with the certificate of somebody else is not spoken to', async () => {
      await server?.renew('impostor');
      await waitFor(() => server?.log().includes('sa/impostor'));
      // Connections that are there stay; this client has none yet.
      other = await world.start({ name: 'other', index: 4 });
      const refused = await waitFor(async () => {
        const answer = await call(other, '/impostor');
        return answer.headers['x-weft-reason'] === 'config-not-ready' ? undefined : answer;
      });
      expect([refused.status, refused.headers['x-weft-reason']]).toEqual([503, 'upstream-identity-mismatch']);
      await server?.renew();
      await waitFor(async () => (await call(other, '/back')).status === 200);
    });

    it('SE-06 under istiod: AuthorizationPolicy by account, method and path', async () => {
      await world.istiod.apply(
        'allow',
        object(
          SECURITY,
          'AuthorizationPolicy',
          'shop',
          '{ selector: { matchLabels: { app: shop } }, action: ALLOW, rules: [{ from: [{ source: { principals: ["cluster.local/ns/default/sa/client"] } }], to: [{ operation: { methods: [GET], paths: ["/allowed*"] } }] }] }',
        ),
      );
      await waitFor(async () => (await call(client, '/else')).status === 403);
      expect((await call(client, '/allowed/x')).status).toBe(200);
      expect((await call(client, '/allowed/x', { method: 'POST' })).status).toBe(403);
      const refused = await call(other, '/allowed/x');
      expect([refused.status, refused.headers['x-weft-reason']]).toEqual([403, 'rbac-denied']);
      await world.istiod.apply(
        'deny',
        object(
          SECURITY,
          'AuthorizationPolicy',
          'shop-deny',
          '{ selector: { matchLabels: { app: shop } }, action: DENY, rules: [{ when: [{ key: "request.headers[x-bad]", values: ["*"] }] }, { from: [{ source: { notNamespaces: [default] } }] }] }',
        ),
      );
      await waitFor(async () => (await call(client, '/allowed/x', { headers: { 'x-bad': '1' } })).status === 403);
      expect((await call(client, '/allowed/x')).status).toBe(200);
      for (const name of ['allow', 'deny']) await world.istiod.remove(name);
      await waitFor(async () => (await call(other, '/else')).status === 200);
      expect(await server?.refused()).toEqual([]);
    });

    it('OP-02 under istiod: who asks for tokens is refused with the filter that is missing, and what stood goes on', async () => {
      await world.istiod.apply(
        'tokens',
        object(
          SECURITY,
          'RequestAuthentication',
          'tokens',
          '{ selector: { matchLabels: { app: shop } }, jwtRules: [{ issuer: here, jwks: \'{"keys":[]}\' }] }',
        ),
      );
      const reason = await waitFor(async () => (await server?.refused())?.[0]);
      expect(reason).toMatch(
        /_8000 .*envoy\.extensions\.filters\.http\.jwt_authn\.v3\.JwtAuthentication is not supported/,
      );
      expect((await call(client, '/still')).status).toBe(200);
      await world.istiod.remove('tokens');
      await waitFor(async () => (await server?.refused())?.length === 0);
    });

    it('SE-03 under istiod: TLS with secrets that nobody serves here fails, and nothing goes in plain text', async () => {
      await world.istiod.apply(
        'origin',
        `${serviceEntry('origin', '{ number: 8000, name: http, protocol: HTTP, targetPort: 8080 }', [`{ address: ${world.block}.9.2 }`])}---\n` +
          object(
            NETWORKING,
            'DestinationRule',
            'origin',
            '{ host: origin.mesh.test, trafficPolicy: { tls: { mode: SIMPLE, sni: origin.test } } }',
          ),
      );
      await world.istiod.apply(
        'https',
        object(
          NETWORKING,
          'Gateway',
          'https',
          `{ selector: { istio: edge }, servers: [{ port: { number: 8443, name: https, protocol: HTTPS }, bind: ${world.block}.3.1, tls: { mode: SIMPLE, credentialName: nowhere }, hosts: [shop.mesh.test] }] }`,
        ),
      );
      await waitFor(
        async () =>
          (await call(client, '/', { headers: { host: 'origin.mesh.test' } })).headers['x-weft-reason'] ===
          'upstream-tls-failure',
      );
      await waitFor(async () => (await gateway?.admin('/listeners'))?.includes(':8443'));
      await expect(
        new Promise((resolve, reject) => {
          const socket = connectTls({ host: gateway?.address ?? '', port: 8443, rejectUnauthorized: false });
          socket.once('secureConnect', () => resolve('connected'));
          socket.once('error', reject);
          socket.once('close', () => reject(new Error('closed')));
        }),
      ).rejects.toThrow();
      expect(await client?.refused()).toEqual([]);
      // Over plain text istiod knows nobody, and answers no such question.
      expect(await gateway?.refused()).toEqual(['kubernetes://nowhere the control plane has not answered yet']);
    });

    it('TR-10 under istiod: TCP by weight, and TCP inside mutual TLS', async () => {
      const greetings = await Promise.all(Array.from({ length: 200 }, () => greeting(7000)));
      const second = greetings.filter((text) => text === 'second greets').length;
      expect(greetings.length - second).toBe(greetings.filter((text) => text === 'first greets').length);
      expect(withinBinomial(second, 200, 0.25)).toBe(true);
      expect(await greeting(7100)).toBe('inner greets');
      expect(await server?.admin('/stats/prometheus')).toMatch(
        /^istio_tcp_connections_opened_total\{(?=.*source_principal="spiffe:\/\/cluster\.local\/ns\/default\/sa\/client")/m,
      );
    });

    it('TR-10 under istiod: TLS that is not ended here goes by its SNI', async () => {
      // The servers greet in plain text whoever comes: what is asked is only who that was.
      expect(await greeting(7443, await clientHello('one.mesh.test'))).toBe('first greets');
      expect(await greeting(7443, await clientHello('two.mesh.test'))).toBe('second greets');
      expect(await greeting(7443, await clientHello('three.mesh.test'))).toBe('closed');
    });

    it('TR-01 under istiod: a gateway serves what is bound to it, and nothing else', async () => {
      const open = await call(gateway, '/open');
      expect([open.status, open.headers['x-app']]).toEqual([200, 'shop']);
      expect(app.seen.at(-1)?.headers['x-forwarded-client-cert']).toContain('ns/default/sa/edge');
      expect(app.seen.at(-1)?.headers['x-forwarded-for']).toMatch(/^127\./);
      expect((await call(gateway, '/closed')).status).toBe(404);
      expect((await call(gateway, '/open', { headers: { host: 'other.mesh.test' } })).status).toBe(404);
    });

    it('TR-14 under istiod: a gateway whose topology says so takes the PROXY protocol, and nothing without it', async () => {
      const behind = await world.start({
        name: 'behind',
        index: 5,
        type: 'router',
        labels: { istio: 'behind' },
        metadata: { PROXY_CONFIG: { gatewayTopology: { proxyProtocol: {} } } },
      });
      const request = 'GET /open HTTP/1.1\r\nhost: shop.mesh.test\r\nconnection: close\r\n\r\n';
      const url = `http://${behind.address}:8000`;
      expect(await raw(url, `PROXY TCP4 203.0.113.7 203.0.113.1 4711 80\r\n${request}`)).toMatch(/^HTTP\/1\.1 200/);
      expect(app.seen.at(-1)?.headers['x-forwarded-for']).toBe('203.0.113.7');
      expect(await raw(url, request)).not.toMatch(/^HTTP\/1\.1 200/);
      expect(await behind.refused()).toEqual([]);
    });
  },
);
