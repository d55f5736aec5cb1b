/**
 * A pod that asks a name server which is nowhere: its sidecar answers for the mesh and asks another for the rest. The
 * application, the system's resolver and the name server know nothing of it.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { applyCapture, buildRedirectPlan, processExecutor } from '@weft/capture';
import {
  controlPlaneId,
  DNS_CAPTURE_PORT,
  nodeId,
  PROXY_MARK,
  spiffeId,
  type RegisteredWorkload,
  type RegistryState,
} from '@weft/contracts';
import { createTestAuthority, tempDir, waitFor, type TempDir } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createNetwork,
  FOREIGN_ADDRESS,
  OUTSIDE_ADDRESS,
  whyNoPods,
  type Network,
  type Place,
} from '../harness/pods.ts';
import { programPath } from '../harness/programs.ts';

const noPods = whyNoPods();
if (noPods !== undefined) console.warn(`skipped: names in pods (${noPods})`);

const root = fileURLToPath(new URL('../../', import.meta.url));
const XDS = `${OUTSIDE_ADDRESS}:15012`;
// Nobody has it: whoever asks it is answered by the sidecar or not at all.
const NAME_SERVER = '203.0.113.53';
const HTTP = 9080;
const NAMES = 'pods.test';
const WEB = { name: 'web', address: '10.244.0.2', vip: '10.96.0.2' };
const SHOP = { name: 'shop', address: '10.244.0.3', vip: '10.96.0.3' };
/** No virtual address: its name is that of its instances. */
const DIRECT = { name: 'direct', address: '10.244.0.3', vip: undefined };

const accountOf = (name: string): string => `${name}-account`;
const identityOf = (name: string): string =>
  spiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: accountOf(name) });

type Pod = typeof WEB | typeof DIRECT;

const workload = ({ name, address }: Pod): RegisteredWorkload => ({
  name: `${name}-v1`,
  namespace: 'default',
  kind: 'sidecar',
  serviceAccount: accountOf(name),
  labels: { app: name, version: 'v1' },
  service: name,
  address,
  ports: [{ name: 'http', servicePort: HTTP, meshPort: HTTP, appAddress: address, appPort: HTTP }],
  interception: { mode: 'redirect' },
  health: 'healthy',
  adminAddress: '127.0.0.1:15000',
  startedAt: 0,
});

const REGISTRY: RegistryState = {
  version: 1,
  meshId: 'names',
  trustDomain: 'cluster.local',
  services: [WEB, SHOP, DIRECT].map(({ name, vip }) => ({
    name,
    namespace: 'default',
    hostname: `${name}.default.svc.cluster.local`,
    ports: [{ name: 'http', port: HTTP }],
    ...(vip === undefined ? {} : { vip }),
  })),
  workloads: [WEB, SHOP, DIRECT].map(workload),
};

const entry = (hosts: readonly string[], address: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside, namespace: default }
spec:
  hosts: ${JSON.stringify(hosts)}
  addresses: [${address}]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: ${FOREIGN_ADDRESS} }]
`;

describe.skipIf(noPods !== undefined)('names in a pod', () => {
  let dir: TempDir;
  let network: Network;
  let web: Place;
  let pilot: ChildProcess;
  const authority = createTestAuthority();
  const at = (name: string): string => join(dir.path, name);

  const startPilot = (): void => {
    const flags = `--config ${at('config')} --registry ${at('registry.json')} --tls-cert ${at('cert.pem')} --tls-key ${at('key.pem')} --tls-roots ${at('roots.pem')} --address ${XDS} --monitoring-address 127.0.0.1:15014 --log-level warn`;
    pilot = network.outside.spawn(process.execPath, [join(root, 'packages/pilot/dist/main.js'), ...flags.split(' ')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  };
  const startProxy = (place: Place, { name, address }: Pod): ChildProcess => {
    const metadata = {
      NAMESPACE: 'default',
      SERVICE_ACCOUNT: accountOf(name),
      WORKLOAD_NAME: `${name}-v1`,
      INTERCEPTION_MODE: 'REDIRECT',
    };
    const id = nodeId({ type: 'sidecar', ip: address, name: `${name}-v1`, namespace: 'default' });
    const flags = `--node-id ${id} --metadata ${JSON.stringify(metadata)} --xds ${XDS} --save-dir ${at(`saved-${name}`)} --parent-fd 3 --socket-mark ${PROXY_MARK} --dns-listen 127.0.0.1:${DNS_CAPTURE_PORT} --dns-upstream ${FOREIGN_ADDRESS}:53 --log-level error`;
    const child = place.spawn(process.execPath, [join(root, 'packages/proxy/dist/main.js'), ...flags.split(' ')], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    });
    const channel = child.stdio[3] as Duplex;
    channel.on('error', () => {});
    channel.on('data', () => {});
    const secret = authority.issue(identityOf(name));
    const own = { ...secret, spiffeId: identityOf(name), expiresAt: Date.now() + 3_600_000 };
    channel.write(`${JSON.stringify({ type: 'secrets', default: own, rootCaPem: secret.rootsPem })}\n`);
    return child;
  };
  const startPod = async (pod: typeof WEB): Promise<Place> => {
    const place = await network.addPod(Number(pod.address.split('.')[3]));
    place.spawn(process.execPath, [programPath('echo.mjs')], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { HOST: '0.0.0.0', PORT: String(HTTP), NAME: pod.name },
    });
    const plan = buildRedirectPlan({
      proxy: { mark: PROXY_MARK },
      dnsPort: DNS_CAPTURE_PORT,
      excludeOutboundCidrs: [`${OUTSIDE_ADDRESS}/32`],
    });
    await applyCapture(plan, processExecutor(place.prefix));
    return place;
  };

  type Found = Readonly<Record<string, string | readonly string[]>>;
  const lookUp = async (names: readonly string[], how: Readonly<Record<string, string>> = {}): Promise<Found> => {
    const what = JSON.stringify({ names, ...how });
    return JSON.parse(await web.run(process.execPath, programPath('lookup.mjs'), what)) as Found;
  };
  /** What the applications of all pods have for a configuration. */
  const resolvConf = (options: string): Promise<string> =>
    network.outside.run(
      'sh',
      '-ec',
      `printf 'search default.svc.cluster.local svc.cluster.local cluster.local\\nnameserver ${NAME_SERVER}\\noptions ndots:5 timeout:5 attempts:1 ${options}\\n' > ${at('resolv.conf')}; mountpoint -q /etc/resolv.conf || mount --bind ${at('resolv.conf')} /etc/resolv.conf`,
    );

  beforeAll(async () => {
    dir = await tempDir('weft-names-');
    const own = authority.issue(controlPlaneId());
    await mkdir(at('config'));
    await Promise.all([
      writeFile(at('cert.pem'), own.certChainPem),
      writeFile(at('key.pem'), own.privateKeyPem),
      writeFile(at('roots.pem'), own.rootsPem),
      writeFile(at('registry.json'), JSON.stringify(REGISTRY)),
      writeFile(at('config/mesh.yaml'), entry(['api.example.com', '*.wild.example.com'], '240.240.0.1')),
    ]);
    network = await createNetwork();
    startPilot();
    network.outside.spawn(process.execPath, ['--import', import.meta.resolve('tsx'), programPath('name-server.mjs')], {
      env: { HOST: FOREIGN_ADDRESS, NAME: NAMES, ADDRESS: FOREIGN_ADDRESS },
    });
    await resolvConf('');
    web = await startPod(WEB);
    startProxy(await startPod(SHOP), SHOP);
  }, 60_000);
  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
    await dir?.remove();
  });

  it('SD-08 nobody answers without a sidecar: the name server is nowhere', async () => {
    expect(await lookUp(['shop'], { server: NAME_SERVER })).toEqual({ shop: 'ECONNREFUSED' });
  });

  it('SD-08 answers for the mesh, in short and with search domains, and asks another server for the rest', async () => {
    startProxy(web, WEB);
    await waitFor(async () => typeof (await lookUp(['shop']))['shop'] === 'object', {
      what: 'names',
      timeoutMs: 30_000,
    });
    expect(
      await lookUp([
        'shop',
        'SHOP.default',
        'shop.default.svc',
        'shop.default.svc.cluster.local',
        'shop.default.svc.cluster.local.',
        'direct',
        'api.example.com',
        'a.b.wild.example.com',
        `www.${NAMES}`,
        'nobody',
        'nobody.example.org',
      ]),
    ).toEqual({
      shop: [SHOP.vip],
      'SHOP.default': [SHOP.vip],
      'shop.default.svc': [SHOP.vip],
      'shop.default.svc.cluster.local': [SHOP.vip],
      'shop.default.svc.cluster.local.': [SHOP.vip],
      direct: [DIRECT.address],
      'api.example.com': ['240.240.0.1'],
      'a.b.wild.example.com': ['240.240.0.1'],
      [`www.${NAMES}`]: [FOREIGN_ADDRESS],
      nobody: 'ENOTFOUND',
      'nobody.example.org': 'ENOTFOUND',
    });
    // There is no such record, which is not the same as no such name.
    expect(await lookUp(['shop', 'nobody'], { server: NAME_SERVER, type: 'AAAA' })).toEqual({
      shop: 'ENODATA',
      nobody: 'ENOTFOUND',
    });
  });

  it('SD-08 answers by TCP too, whichever name server is asked', async () => {
    await resolvConf('use-vc');
    expect(await lookUp(['shop', `www.${NAMES}`])).toEqual({ shop: [SHOP.vip], [`www.${NAMES}`]: [FOREIGN_ADDRESS] });
    await resolvConf('');
    expect(await lookUp(['shop'], { server: '198.51.100.1' })).toEqual({ shop: [SHOP.vip] });
  });

  it('SD-08 a call by name goes to the service, over mutual TLS', async () => {
    const { status, body = '' } = await web.call({ url: `http://shop:${HTTP}/` });
    expect(status).toBe(200);
    const { name, headers } = JSON.parse(body) as { name: string; headers: Record<string, string> };
    expect(name).toBe('shop');
    expect(headers['x-forwarded-client-cert']).toContain(`URI=${identityOf('web')}`);
  });

  it('SD-08 follows changes, and goes on when the control plane is gone', async () => {
    await writeFile(at('config/mesh.yaml'), entry(['api.example.com'], '240.240.0.2'));
    await expect
      .poll(() => lookUp(['api.example.com', 'a.wild.example.com']), { timeout: 20_000, interval: 200 })
      .toEqual({ 'api.example.com': ['240.240.0.2'], 'a.wild.example.com': 'ENOTFOUND' });
    pilot.kill('SIGKILL');
    await once(pilot, 'exit');
    expect(await lookUp(['shop', 'api.example.com', `www.${NAMES}`])).toEqual({
      shop: [SHOP.vip],
      'api.example.com': ['240.240.0.2'],
      [`www.${NAMES}`]: [FOREIGN_ADDRESS],
    });
  });
});
