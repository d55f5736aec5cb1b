// The program answers DNS from what the control plane says, and goes on when the control plane is away.
import { readFile } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import { join } from 'node:path';
import { NameTableSchema } from '@weft/contracts/lean/istio/networking/nds/v1/nds';
import { XDS_TYPE } from '@weft/contracts';
import { createTestAuthority, freePort, type TempDir, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode, type Resources, startControlPlane } from '../test-support/control-plane.ts';
import { fetchPage, installProxy, type ProxyChild, startProxyChild } from '../test-support/proxy-program.ts';

const NODE = 'sidecar~10.244.0.4~reviews-v1.default~default.svc.cluster.local';
const IDENTITY = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';
const METADATA = JSON.stringify({
  NAMESPACE: 'default',
  SERVICE_ACCOUNT: 'bookinfo-reviews',
  WORKLOAD_NAME: 'reviews-v1',
});
const authority = createTestAuthority();
let dir: TempDir;
let program: string;

beforeAll(async () => {
  ({ dir, program } = await installProxy());
}, 60_000);
afterAll(() => dir.remove());

const named = (ip: string): Resources => ({
  [XDS_TYPE.nameTable]: {
    names: encode(NameTableSchema, {
      table: {
        'ratings.default.svc.cluster.local': {
          ips: [ip],
          registry: 'Kubernetes',
          shortname: 'ratings',
          namespace: 'default',
        },
      },
    }),
  },
});

interface Started extends AsyncDisposable {
  readonly admin: string;
  resolve(name: string): Promise<readonly string[]>;
}

async function start(xds: string, dns = true): Promise<Started> {
  const admin = `127.0.0.1:${await freePort()}`;
  const port = await freePort();
  const proxy: ProxyChild = startProxyChild(program, [
    '--node-id', NODE, '--metadata', METADATA, '--xds', xds, '--save-dir', join(dir.path, 'save'),
    '--admin', admin, '--parent-fd', '3', ...(dns ? ['--dns-listen', `127.0.0.1:${port}`] : []),
  ]); // prettier-ignore
  const secret = authority.issue(IDENTITY);
  proxy.send({
    type: 'secrets',
    default: { ...secret, spiffeId: IDENTITY, expiresAt: Date.now() + 3_600_000 },
    rootCaPem: authority.rootsPem,
  });
  const resolver = new Resolver({ timeout: 5_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return {
    admin,
    resolve: (name) => resolver.resolve4(name),
    async [Symbol.asyncDispose]() {
      resolver.cancel();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

const isReady = async ({ admin }: Started): Promise<boolean> =>
  (await fetchPage(admin, '/ready').catch(() => ({ status: 0 }))).status === 200;

describe('the proxy program', () => {
  it('answers for the names it was told, follows their changes, and keeps them while the control plane is away', async () => {
    const xdsPort = await freePort();
    {
      await using plane = await startControlPlane(authority, named('10.96.0.1'), xdsPort);
      await using proxy = await start(plane.address);
      await waitFor(() => isReady(proxy), { what: 'ready' });
      expect(await proxy.resolve('ratings')).toEqual(['10.96.0.1']);
      await expect(proxy.resolve('nobody.default.svc.cluster.local')).rejects.toMatchObject({ code: 'ENOTFOUND' });
      await expect(proxy.resolve('www.example.org')).rejects.toMatchObject({ code: 'ESERVFAIL' });
      plane.set(named('10.96.0.2'));
      await waitFor(async () => (await proxy.resolve('ratings.default'))[0] === '10.96.0.2', {
        what: 'the new address',
      });
      const stats = (await fetchPage(proxy.admin, '/stats?filter=^dns')).body;
      expect(stats).toContain('dns.names: 1\n');
      expect(stats).toContain('dns.rq_unknown: 2\n');
      const saved = join(dir.path, 'save', 'last-good.xds');
      await waitFor(async () => (await readFile(saved)).includes('10.96.0.2'), { what: 'saved' });
    }
    await using proxy = await start(`127.0.0.1:${xdsPort}`);
    await waitFor(() => isReady(proxy), { what: 'ready from disk' });
    expect(await proxy.resolve('ratings')).toEqual(['10.96.0.2']);
  }, 60_000);

  it('asks for names only when it is to answer', async () => {
    await using plane = await startControlPlane(authority, named('10.96.0.1'));
    await using proxy = await start(plane.address, false);
    await waitFor(() => isReady(proxy), { what: 'ready' });
    expect(plane.ads.connections().flatMap(({ types }) => types.map(({ typeUrl }) => typeUrl))).not.toContain(
      XDS_TYPE.nameTable,
    );
  });
});
