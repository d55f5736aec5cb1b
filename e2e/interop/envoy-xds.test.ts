/** A real Envoy against our discovery protocol: bootstrap, mutual TLS to the control plane, SDS from the agent, delta and state of the world. */
import { connect } from 'node:tls';
import { XDS_TYPE } from '@weft/contracts';
import { freePort, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findEnvoy } from '../harness/envoy.ts';
import {
  cluster,
  endpoints,
  listener,
  mutualTls,
  poisonedListener,
  routes,
  startBackend,
  startControlPlane,
  startEverything,
  WORKLOAD_ID,
  type Content,
  type EnvoyUnderTest,
} from './hand-made.ts';

const found = findEnvoy();
const path = found.path ?? '';
if (found.path === undefined) console.warn(`skipped: Envoy interoperation (${found.reason})`);

const get = async (port: number): Promise<string> => {
  const answer = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5_000) });
  return `${answer.status} ${await answer.text()}`;
};

const statuses = (world: EnvoyUnderTest): Record<string, string> =>
  Object.fromEntries(
    (world.controlPlane.ads.connections()[0]?.types ?? []).map(({ typeUrl, status }) => [
      Object.entries(XDS_TYPE).find(([, url]) => url === typeUrl)?.[0] ?? typeUrl,
      status,
    ]),
  );

const SYNCED = { cluster: 'synced', endpoint: 'synced', listener: 'synced', route: 'synced' };

describe.skipIf(found.path === undefined).each(['DELTA_GRPC', 'GRPC'] as const)('Envoy by %s', (api) => {
  let world: EnvoyUnderTest;
  let one: Awaited<ReturnType<typeof startBackend>>;
  let two: Awaited<ReturnType<typeof startBackend>>;
  let port: number;
  let content: Content;

  beforeAll(async () => {
    [one, two, port] = [await startBackend('one'), await startBackend('two'), await freePort()];
    content = {
      clusters: [cluster('c1')],
      endpoints: [endpoints('c1', [one.port])],
      listeners: [listener('l', port, 'r')],
      routes: [routes('r', 'c1')],
    };
    world = await startEverything(path, content, api);
    await world.envoy.ready();
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
  });
  const serve = (next: Content): void => {
    content = { ...content, ...next };
    world.controlPlane.serve(content);
  };

  it('becomes ready, serves, and has acknowledged everything', async () => {
    expect(await get(port)).toBe('200 one');
    await waitFor(() => JSON.stringify(statuses(world)) === JSON.stringify(SYNCED));
    const [connection] = world.controlPlane.ads.connections();
    expect(connection).toMatchObject({ peer: { spiffeId: WORKLOAD_ID }, protocol: api === 'GRPC' ? 'sotw' : 'delta' });
    expect(world.sds.streams()).toBeGreaterThan(0);
  });

  it('moves from one cluster to another without a failed request, and the former one goes', async () => {
    const answers = new Map<string, number>();
    let running = true;
    const traffic = (async () => {
      while (running) {
        const answer = await get(port);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    })();
    for (const [name, backend] of [
      ['c2', two],
      ['c3', one],
      ['c4', two],
    ] as const) {
      serve({ clusters: [cluster(name)], endpoints: [endpoints(name, [backend.port])], routes: [routes('r', name)] });
      await waitFor(async () => (await world.envoy.admin('/clusters')).includes(`${name}::127.0.0.1:${backend.port}`));
      await waitFor(async () => !/^c\d::/m.test((await world.envoy.admin('/clusters')).replaceAll(`${name}::`, '')));
    }
    running = false;
    await traffic;
    expect([...answers.keys()].sort((a, b) => a.localeCompare(b))).toEqual(['200 one', '200 two']);
    expect(await get(port)).toBe('200 two');
    await waitFor(() => JSON.stringify(statuses(world)) === JSON.stringify(SYNCED));
  });

  it('a changed cluster gets its endpoints again, though they are the same, and does not warm for ever', async () => {
    serve({ clusters: [cluster('c4', { connect_timeout: '2s' })] });
    await waitFor(async () => {
      const dump = await world.envoy.admin('/config_dump?resource=dynamic_active_clusters');
      return dump.includes('"connect_timeout": "2s"');
    });
    expect(await world.envoy.admin('/config_dump?resource=dynamic_warming_clusters')).not.toContain('"c4"');
    expect(await get(port)).toBe('200 two');
  });

  it('endpoints move by an endpoint push alone', async () => {
    const before = world.controlPlane.ads.connections()[0]?.types.find(({ typeUrl }) => typeUrl === XDS_TYPE.cluster);
    serve({ endpoints: [endpoints('c4', [one.port])] });
    await waitFor(async () => (await get(port)) === '200 one');
    const after = world.controlPlane.ads.connections()[0]?.types.find(({ typeUrl }) => typeUrl === XDS_TYPE.cluster);
    expect(after?.sent?.nonce).toBe(before?.sent?.nonce);
  });

  it('a listener with an unknown route name or a cluster without endpoints is not held up', async () => {
    const second = await freePort();
    serve({
      listeners: [...(content.listeners ?? []), listener('l2', second, 'nowhere')],
      clusters: [cluster('c4'), cluster('c5')],
    });
    expect(await waitFor(() => get(second).catch(() => ''))).toBe('404 ');
    await waitFor(async () =>
      (await world.envoy.admin('/config_dump?resource=dynamic_active_clusters')).includes('"c5"'),
    );
    serve({ listeners: [listener('l', port, 'r')], clusters: [cluster('c4')] });
    await waitFor(() =>
      get(second).then(
        () => false,
        () => true,
      ),
    );
  });

  it('one poisoned listener is refused with its reason, the rest stands, and it is not sent in a loop', async () => {
    const third = await freePort();
    const good = listener('good', third, 'r');
    serve({ listeners: [listener('l', port, 'r'), good, poisonedListener('bad', await freePort())] });
    const nacked = await waitFor(() =>
      world.controlPlane.ads.connections()[0]?.types.find(({ status }) => status === 'nacked'),
    );
    expect(nacked.nacked?.message).toMatch(/bad.*no\.such\.filter/s);
    expect(await get(port)).toBe('200 one');
    expect(await waitFor(() => get(third).catch(() => ''))).toBe('200 one');
    const { rejects } = world.controlPlane.ads.counters();
    serve({ listeners: [listener('l', port, 'r')] });
    await waitFor(() => JSON.stringify(statuses(world)) === JSON.stringify(SYNCED));
    expect(world.controlPlane.ads.counters().rejects).toBe(rejects);
  });

  it('serves on while the control plane is away, and is in sync once it is back with other content', async () => {
    const { port: xdsPort } = world.controlPlane;
    await world.controlPlane.close();
    expect(await get(port)).toBe('200 one');
    content = {
      ...content,
      clusters: [cluster('c6')],
      endpoints: [endpoints('c6', [two.port])],
      routes: [routes('r', 'c6')],
    };
    world.controlPlane = await startControlPlane(world.authority, content, xdsPort);
    await waitFor(async () => (await get(port)) === '200 two', { timeoutMs: 60_000 });
    await waitFor(() => JSON.stringify(statuses(world)) === JSON.stringify(SYNCED));
    await waitFor(async () => !(await world.envoy.admin('/clusters')).includes('c4::'));
  });

  it('presents the certificate of the agent, also a renewed one, and wants one of the mesh', async () => {
    const secure = await freePort();
    serve({ listeners: [listener('l', port, 'r'), listener('tls', secure, 'r', mutualTls())] });
    const first = await waitFor(() => peerSerial(secure, world).catch(() => ''));
    world.secrets.renew();
    await waitFor(async () => (await peerSerial(secure, world)) !== first);
    await expect(peerSerial(secure, world, false)).rejects.toThrow();
  });
});

/** Serial of the certificate on a port that answers a request. @param own whether to show a certificate. */
function peerSerial(port: number, world: EnvoyUnderTest, own = true): Promise<string> {
  const { certChainPem: cert, privateKeyPem: key } = world.authority.issue(WORKLOAD_ID);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: world.authority.rootsPem,
      checkServerIdentity: () => undefined,
      ...(own ? { cert, key } : {}),
    });
    socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'));
    socket.once('data', (data) => {
      const { serialNumber, subjectaltname } = socket.getPeerCertificate();
      socket.destroy();
      if (data.toString('latin1').startsWith('HTTP/1.1 200') && subjectaltname === `URI:${WORKLOAD_ID}`)
        resolve(serialNumber);
      else reject(new Error(`${subjectaltname} answered ${data.toString('latin1').slice(0, 100)}`));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
  });
}
