/**
 * Two pods whose connections are redirected to their sidecars, Weft's or real Envoys, configured by the same control
 * plane: what an application that knows nothing of proxies reaches, and what it does not.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSecretServer, envoyBootstrap, type AgentSecrets } from '@weft/agent';
import { applyCapture, buildRedirectPlan, processExecutor } from '@weft/capture';
import {
  controlPlaneId,
  nodeId,
  PROXY_MARK,
  spiffeId,
  type RegisteredWorkload,
  type RegistryState,
} from '@weft/contracts';
import { silentLogger } from '@weft/kit';
import { createTestAuthority, tempDir, waitFor, type TempDir } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findEnvoy } from '../harness/envoy.ts';
import {
  createNetwork,
  FOREIGN_ADDRESS,
  OUTSIDE_ADDRESS,
  whyNoPods,
  type Called,
  type Network,
  type Place,
} from '../harness/pods.ts';
import { programPath } from '../harness/programs.ts';

const noPods = whyNoPods();
const envoy = findEnvoy();
if (noPods !== undefined) console.warn(`skipped: redirected pods (${noPods})`);
else if (envoy.path === undefined) console.warn(`skipped: redirected pods with Envoy (${envoy.reason})`);

const root = fileURLToPath(new URL('../../', import.meta.url));
const XDS_PORT = 15_012;
const MONITORING_PORT = 15_014;
const DEBUG_TOKEN = 'a-token-of-this-test';
const WEB = { name: 'web', index: 2, vip: '10.96.0.2' };
const SHOP = { name: 'shop', index: 3, vip: '10.96.0.3' };
const HTTP = 9080;
const TCP = 7000;
/** Its name does not tell what is spoken there. */
const UNNAMED = 7100;
/** Where the application also listens, for its own machine. */
const BEHIND = 9081;
/** The application listens there, and nobody declared it. */
const UNDECLARED = 9999;
const FOREIGN = 8000;
const GREETS = 8001;
/** Long enough to be known for what it is not. */
const NO_HTTP = 'these bytes are no HTTP\r\n\r\n';

/** A refusal may have words of its own: an alert of TLS. */
const REFUSED = { got: expect.not.stringMatching(/greets|HTTP\/1.1/) as string };

type Pod = typeof WEB;
const accountOf = (pod: Pod): string => `${pod.name}-account`;
const identityOf = (pod: Pod): string =>
  spiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: accountOf(pod) });

function workload({ name, index }: Pod): RegisteredWorkload {
  const address = `10.244.0.${index}`;
  const port = (portName: string, number: number) => ({
    name: portName,
    servicePort: number,
    meshPort: number,
    appAddress: address,
    appPort: number,
  });
  return {
    name: `${name}-v1`,
    namespace: 'default',
    kind: 'sidecar',
    serviceAccount: `${name}-account`,
    labels: { app: name, version: 'v1' },
    service: name,
    address,
    ports: [port('http', HTTP), port('tcp-greeter', TCP), port('unnamed', UNNAMED)],
    interception: { mode: 'redirect' },
    health: 'healthy',
    adminAddress: '127.0.0.1:15000',
    startedAt: 0,
  };
}

const REGISTRY: RegistryState = {
  version: 1,
  meshId: 'pods',
  trustDomain: 'cluster.local',
  services: [WEB, SHOP].map(({ name, vip }) => ({
    name,
    namespace: 'default',
    hostname: `${name}.default.svc.cluster.local`,
    ports: [
      { name: 'http', port: HTTP },
      { name: 'tcp-greeter', port: TCP },
      { name: 'unnamed', port: UNNAMED },
    ],
    vip,
  })),
  workloads: [workload(WEB), workload(SHOP)],
};

/** Of pilot's /debug/syncz. */
interface SyncRow {
  readonly proxy: string;
  readonly cds: string;
  readonly eds: string;
  readonly lds: string;
  readonly rds: string;
  readonly reasons: readonly string[];
}

interface World extends AsyncDisposable {
  readonly network: Network;
  readonly web: Place;
  /** Replaces the configuration and waits until both sidecars have it. */
  configure(yaml: string): Promise<void>;
  syncz(): Promise<readonly SyncRow[]>;
}

async function start(kind: 'weft' | 'envoy'): Promise<World> {
  const dir: TempDir = await tempDir('weft-pods-');
  const at = (name: string): string => join(dir.path, name);
  const authority = createTestAuthority();
  const own = authority.issue(controlPlaneId());
  await mkdir(at('config'));
  await Promise.all([
    writeFile(at('cert.pem'), own.certChainPem),
    writeFile(at('key.pem'), own.privateKeyPem),
    writeFile(at('roots.pem'), own.rootsPem),
    writeFile(at('registry.json'), JSON.stringify(REGISTRY)),
    writeFile(at('config/mesh.yaml'), ''),
    writeFile(at('debug-token'), DEBUG_TOKEN),
  ]);
  const network = await createNetwork();
  const { outside } = network;
  const pilotFlags = `--config ${at('config')} --registry ${at('registry.json')} --tls-cert ${at('cert.pem')} --tls-key ${at('key.pem')} --tls-roots ${at('roots.pem')} --address ${OUTSIDE_ADDRESS}:${XDS_PORT} --monitoring-address 127.0.0.1:${MONITORING_PORT} --debug-token-file ${at('debug-token')} --log-level warn`;
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] } as const;
  outside.spawn(process.execPath, [join(root, 'packages/pilot/dist/main.js'), ...pilotFlags.split(' ')], quiet);
  outside.spawn(process.execPath, [programPath('echo.mjs')], {
    ...quiet,
    env: { HOST: '0.0.0.0', PORT: String(FOREIGN), NAME: 'foreign' },
  });
  outside.spawn(process.execPath, [programPath('greeter.mjs')], {
    ...quiet,
    env: { HOST: '0.0.0.0', PORT: String(GREETS), NAME: 'foreign' },
  });
  const closers: (() => Promise<void>)[] = [];

  const startPod = async (pod: Pod): Promise<Place> => {
    const place = await network.addPod(pod.index);
    const app = (program: string, port: number, name = pod.name): void =>
      void place.spawn(process.execPath, [programPath(program)], {
        ...quiet,
        env: { HOST: '0.0.0.0', PORT: String(port), NAME: name },
      });
    app('echo.mjs', HTTP);
    // The other pod's is called at an address of this one.
    if (pod === SHOP) app('greeter.mjs', TCP);
    app('echo.mjs', UNNAMED);
    app('echo.mjs', BEHIND, `${pod.name} behind`);
    app('greeter.mjs', UNDECLARED);
    await applyCapture(
      buildRedirectPlan({ proxy: { mark: PROXY_MARK }, excludeOutboundCidrs: [`${OUTSIDE_ADDRESS}/32`] }),
      processExecutor(place.prefix),
    );
    const secret = authority.issue(identityOf(pod));
    const id = nodeId({ type: 'sidecar', ip: place.address, name: `${pod.name}-v1`, namespace: 'default' });
    const metadata = {
      NAMESPACE: 'default',
      SERVICE_ACCOUNT: accountOf(pod),
      WORKLOAD_NAME: `${pod.name}-v1`,
      INTERCEPTION_MODE: 'REDIRECT',
    };
    const identity = {
      certChainPem: secret.certChainPem,
      privateKeyPem: secret.privateKeyPem,
      spiffeId: identityOf(pod),
      expiresAt: Date.now() + 3_600_000,
    };
    if (kind === 'weft') {
      const flags = `--node-id ${id} --metadata ${JSON.stringify(metadata)} --xds ${OUTSIDE_ADDRESS}:${XDS_PORT} --parent-fd 3 --socket-mark ${PROXY_MARK} --log-level warn`;
      const child = place.spawn(process.execPath, [join(root, 'packages/proxy/dist/main.js'), ...flags.split(' ')], {
        stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      });
      const channel = child.stdio[3] as Duplex;
      channel.on('error', () => {});
      channel.on('data', () => {});
      channel.write(`${JSON.stringify({ type: 'secrets', default: identity, rootCaPem: secret.rootsPem })}\n`);
      return place;
    }
    const secrets: AgentSecrets = { default: identity, rootCaPem: secret.rootsPem };
    const sdsSocket = at(`${pod.name}.sock`);
    const sds = await createSecretServer({
      socketPath: sdsSocket,
      spiffeId: identity.spiffeId,
      origin: {
        secrets: () => secrets,
        subscribe(listener) {
          listener({ name: 'default', ...identity });
          return () => {};
        },
      },
      logger: silentLogger,
    });
    closers.push(() => sds.close());
    const bootstrap = envoyBootstrap({
      nodeId: id,
      cluster: pod.name,
      metadata,
      xds: { host: OUTSIDE_ADDRESS, port: XDS_PORT },
      controlPlaneId: controlPlaneId(),
      sdsSocket,
      admin: { host: '127.0.0.1', port: 15_000 },
      socketMark: PROXY_MARK,
    });
    await writeFile(at(`${pod.name}.json`), JSON.stringify(bootstrap));
    const flags = `-c ${at(`${pod.name}.json`)} --concurrency 1 --disable-hot-restart -l error --drain-strategy immediate --drain-time-s 1`;
    place.spawn(envoy.path ?? '', flags.split(' '), quiet);
    return place;
  };
  const web = await startPod(WEB);
  await startPod(SHOP);
  const monitoring = (path: string): Promise<Called> =>
    outside.call({
      url: `http://127.0.0.1:${MONITORING_PORT}${path}`,
      headers: { authorization: `Bearer ${DEBUG_TOKEN}` },
    });
  const world: World = {
    network,
    web,
    async configure(yaml) {
      const versionOf = async (): Promise<string> =>
        /^pilot_snapshot_version (\d+)/m.exec((await monitoring('/metrics')).body ?? '')?.[1] ?? '';
      const former = await versionOf();
      await writeFile(at('config/mesh.yaml'), yaml);
      await waitFor(async () => (await versionOf()) !== former, { what: 'the change', timeoutMs: 20_000 });
      await synced(world);
    },
    async syncz() {
      const answer = await monitoring('/debug/syncz');
      return JSON.parse(answer.body ?? '[]') as SyncRow[];
    },
    async [Symbol.asyncDispose]() {
      await network[Symbol.asyncDispose]();
      for (const close of closers) await close();
      await dir.remove();
    },
  };
  return world;
}

/** A refusal is the end of it: what a sidecar says is the message of the failing test. */
const synced = (world: World): Promise<unknown> =>
  waitFor(
    async () => {
      const rows = await world.syncz();
      for (const { proxy, reasons } of rows) if (reasons.length > 0) refusals.set(proxy, reasons.join('; '));
      if (refusals.size > 0) return true;
      return (
        rows.length === 2 &&
        rows.every(({ cds, eds, lds, rds }) => [cds, eds, lds, rds].every((state) => state === 'SYNCED'))
      );
    },
    { what: 'both sidecars in sync', timeoutMs: 30_000, everyMs: 100 },
  ).then(() => expect(refusals).toEqual(new Map()));

const refusals = new Map<string, string>();

const KINDS = ['weft', 'envoy'] as const;

describe.skipIf(noPods !== undefined).each(KINDS)('pods with %s', (kind) => {
  describe.skipIf(kind === 'envoy' && envoy.path === undefined)('as their sidecars', () => {
    let world: World;
    beforeAll(async () => {
      world = await start(kind);
      await synced(world);
      // In sync is not yet listening.
      await waitFor(async () => (await shop()).status === 200, { what: 'the first answer', timeoutMs: 30_000 });
    }, 90_000);
    afterAll(async () => world?.[Symbol.asyncDispose]());

    const shop = (headers: Record<string, string> = {}): Promise<Called> =>
      world.web.call({ url: `http://${SHOP.vip}:${HTTP}/`, headers: { host: 'shop', ...headers } });
    const eventually = async (call: () => Promise<Called>, wanted: Record<string, unknown>): Promise<void> => {
      await expect.poll(call, { timeout: 20_000, interval: 200 }).toMatchObject(wanted);
    };

    it('takes the whole configuration', async () => {
      const rows = await world.syncz();
      expect(rows.map(({ proxy, lds, reasons }) => [proxy, lds, reasons])).toEqual(
        expect.arrayContaining([
          ['web-v1.default', 'SYNCED', []],
          ['shop-v1.default', 'SYNCED', []],
        ]),
      );
    });

    it('reaches a service by its virtual address, over mutual TLS', async () => {
      const { status, body = '' } = await shop();
      expect(status).toBe(200);
      const { name, headers } = JSON.parse(body) as { name: string; headers: Record<string, string> };
      expect(name).toBe('shop');
      expect(headers['x-forwarded-client-cert']).toContain(`URI=${identityOf(WEB)}`);
    });

    it('reaches a TCP service whose program speaks first', async () => {
      const { got } = await world.web.call({ tcp: `${SHOP.vip}:${TCP}`, send: 'ping\n' });
      expect(got).toBe('shop greets 127.0.0.6\nping\n');
    });

    it('passes on what the mesh does not know, HTTP or not', async () => {
      const http = await world.web.call({
        url: `http://${FOREIGN_ADDRESS}:${FOREIGN}/`,
        headers: { host: 'foreign.example' },
      });
      expect(http).toMatchObject({ status: 200 });
      expect((await world.web.call({ tcp: `${FOREIGN_ADDRESS}:${GREETS}`, send: 'x' })).got).toMatch(
        /^foreign greets .*\nx$/,
      );
    });

    it('lets callers without a sidecar in, also to ports that nobody declared, while policy permits', async () => {
      const plain = await world.network.outside.call({ url: `http://10.244.0.3:${HTTP}/` });
      expect(plain).toMatchObject({ status: 200 });
      const { got } = await world.network.outside.call({ tcp: `10.244.0.3:${UNDECLARED}`, send: NO_HTTP });
      expect(got).toBe(`shop greets 127.0.0.6\n${NO_HTTP}`);
    });

    it('routes by Host what was dialled by address', async () => {
      await world.configure(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop, namespace: default }
spec:
  hosts: [shop]
  http:
    - match: [{ headers: { x-try: { exact: teapot } } }]
      fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }
      route: [{ destination: { host: shop } }]
    - route: [{ destination: { host: shop } }]`);
      await eventually(() => shop({ 'x-try': 'teapot' }), { status: 418 });
      // Another name on the same address is another virtual host.
      expect(await shop({ 'x-try': 'teapot', host: 'web' })).toMatchObject({ status: 200 });
      expect(await shop()).toMatchObject({ status: 200 });
    });

    it('LB-01 passthrough goes to the instance that the caller dialled, over mutual TLS', async () => {
      await world.configure(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop, namespace: default }
spec: { host: shop, trafficPolicy: { loadBalancer: { simple: PASSTHROUGH } } }`);
      const dialled = (address: string): Promise<Called> =>
        world.web.call({ url: `http://${address}:${HTTP}/`, headers: { host: 'shop' }, timeoutMs: 2_000 });
      // Nobody has the virtual address: only with a balancer is it somewhere.
      await expect.poll(async () => (await dialled(SHOP.vip)).status, { timeout: 20_000 }).not.toBe(200);
      const { status, body = '' } = await dialled('10.244.0.3');
      expect(status).toBe(200);
      expect(JSON.parse(body)).toMatchObject({
        name: 'shop',
        headers: { 'x-forwarded-client-cert': expect.stringContaining('web-account') as string },
      });
    });

    it('refuses callers without a certificate where policy asks for one, on undeclared ports too', async () => {
      const strict = (more: string): string => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: shop, namespace: default }
spec: { selector: { matchLabels: { app: shop } }, mtls: { mode: STRICT }${more} }`;
      const plain = (port: number): Promise<Called> =>
        world.network.outside.call({ tcp: `10.244.0.3:${port}`, send: NO_HTTP, timeoutMs: 3_000 });
      await world.configure(strict(''));
      await eventually(() => plain(HTTP), REFUSED);
      expect(await plain(UNDECLARED)).toMatchObject(REFUSED);
      expect(await shop()).toMatchObject({ status: 200 });
      await world.configure(strict(`, portLevelMtls: { '${UNDECLARED}': { mode: DISABLE } }`));
      await eventually(() => plain(UNDECLARED), { got: expect.stringMatching(/^shop greets/) as string });
      expect(await plain(HTTP)).toMatchObject(REFUSED);
    });

    it('authorizes by the caller and the port that it was going to', async () => {
      await world.configure(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: shop, namespace: default }
spec:
  selector: { matchLabels: { app: shop } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/web-account] } }]
      to: [{ operation: { ports: ['${HTTP}'] } }]`);
      const direct = (): Promise<Called> => world.network.outside.call({ url: `http://10.244.0.3:${HTTP}/` });
      await eventually(direct, { status: 403 });
      expect(await shop()).toMatchObject({ status: 200 });
      // Envoy asks its policy when the first bytes come; by then the greeting may be out.
      expect((await world.web.call({ tcp: `${SHOP.vip}:${TCP}`, send: NO_HTTP })).got ?? '').not.toContain(NO_HTTP);
    });

    it('lets nothing out that the registry does not name, where only that is allowed', async () => {
      await world.configure(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec: { outboundTrafficPolicy: { mode: REGISTRY_ONLY } }`);
      const foreign = (port: number): Promise<Called> =>
        world.web.call({ tcp: `${FOREIGN_ADDRESS}:${port}`, send: 'GET / HTTP/1.0\r\n\r\n', timeoutMs: 3_000 });
      await eventually(() => foreign(GREETS), REFUSED);
      expect(await foreign(FOREIGN)).toMatchObject(REFUSED);
      // A port that services have too: the answer is HTTP.
      expect(await shop({ host: 'foreign.example' })).toMatchObject({ status: 502 });
      expect(await shop()).toMatchObject({ status: 200 });
    });

    it('finds out what is spoken on a port that does not say', async () => {
      const http = await world.web.call({ url: `http://${SHOP.vip}:${UNNAMED}/`, headers: { host: 'shop' } });
      expect(http).toMatchObject({ status: 200 });
      // Envoy by itself does not tell its peer that it found HTTP: there it is bytes over mutual TLS.
      if (kind === 'weft') {
        const { headers } = JSON.parse(http.body ?? '') as { headers: Record<string, string> };
        expect(headers['x-forwarded-client-cert']).toContain('web-account');
      }
      // Not HTTP for the sidecars; the application at the other end is who finds fault with it.
      expect((await world.web.call({ tcp: `${SHOP.vip}:${UNNAMED}`, send: NO_HTTP })).got).toMatch(/^HTTP\/1\.1 400/);
    });

    it('does as Sidecars say: another endpoint, a port bound instead of captured, one host of a port', async () => {
      await world.configure(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: shop, namespace: default }
spec:
  workloadSelector: { labels: { app: shop } }
  ingress:
    - port: { number: ${HTTP}, protocol: HTTP, name: http }
      defaultEndpoint: 127.0.0.1:${BEHIND}
    - port: { number: ${TCP}, protocol: TCP, name: tcp }
      defaultEndpoint: 127.0.0.1:${TCP}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: web, namespace: default }
spec:
  workloadSelector: { labels: { app: web } }
  egress:
    - port: { number: ${HTTP}, protocol: HTTP, name: http }
      hosts: ['./shop.default.svc.cluster.local']
    - port: { number: ${TCP}, protocol: TCP, name: tcp }
      bind: 127.0.0.9
      captureMode: NONE
      hosts: ['./shop.default.svc.cluster.local']`);
      await eventually(() => shop(), { body: expect.stringContaining('"name":"shop behind"') as string });
      await eventually(() => world.web.call({ tcp: `127.0.0.9:${TCP}`, send: 'x\n' }), {
        got: expect.stringMatching(/^shop greets .*\nx\n$/) as string,
      });
      // Not imported: for this sidecar a name that nobody has, and so the caller's own address.
      const web = await world.web.call({
        url: `http://${WEB.vip}:${HTTP}/`,
        headers: { host: 'web' },
        timeoutMs: 3_000,
      });
      expect(web.status).not.toBe(200);
    });

    it('TR-10 routes TCP by the address that was dialled, and no other so', async () => {
      await world.configure(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: range, namespace: default }
spec:
  hosts: [range.example.com]
  addresses: [203.0.113.0/24]
  ports: [{ number: ${TCP}, name: tcp, protocol: TCP }]
  resolution: NONE
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: range, namespace: default }
spec:
  hosts: [range.example.com]
  tcp:
    - match: [{ destinationSubnets: [203.0.113.128/25] }]
      route: [{ destination: { host: shop, port: { number: ${TCP} } } }]`);
      const dialled = (address: string): Promise<Called> =>
        world.web.call({ tcp: `${address}:${TCP}`, send: 'x\n', timeoutMs: 2_000 });
      await eventually(() => dialled('203.0.113.200'), { got: 'shop greets 127.0.0.6\nx\n' });
      expect((await dialled('203.0.113.5')).got ?? '').toBe('');
    });
  });
});
