/** Istio's own command reads what the admin page of Weft's proxy shows, as it reads Envoy's. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findIstioctl, findIstiod } from '../harness/istiod.ts';
import { startWorld, type World } from './istiod-world.ts';
import { service, sidecar, virtualService } from './istiod-yaml.ts';

const istiod = findIstiod();
const istioctl = findIstioctl();
const missing = [istiod, istioctl].find(({ path }) => path === undefined);
if (missing?.path === undefined && missing !== undefined)
  console.warn(`skipped: istioctl reads the configuration of Weft's proxy (${missing.reason})`);

const run = promisify(execFile);
const [DUMP, CLUSTERS] = ['config_dump.json', 'clusters.json'] as const;
let world: World;

/** What it prints below its headline, with single blanks between columns. */
const lines = async (what: string, from: string, ...flags: string[]): Promise<string[]> => {
  const args = ['proxy-config', what, '-f', join(world.directory, from), ...flags];
  const { stdout } = await run(istioctl.path ?? '', args, { timeout: 60_000 });
  return stdout
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().replaceAll(/\s+/g, ' '));
};

describe.skipIf(missing !== undefined)("OP-04 istioctl proxy-config of Weft's proxy", () => {
  beforeAll(async () => {
    world = await startWorld(istiod.path ?? '', {
      config: (block) => ({
        sidecar: sidecar(
          'client',
          [
            `{ port: { number: 8000, protocol: HTTP, name: http }, bind: ${block}.1.1, captureMode: NONE, hosts: ["./*"] }`,
          ],
          [
            `{ port: { number: 9000, protocol: HTTP, name: in }, bind: ${block}.1.1, captureMode: NONE, defaultEndpoint: 127.0.0.1:9 }`,
          ],
        ),
        shop: service('shop', { v1: `${block}.9.1` }, '[{ name: v1, labels: { version: v1 } }]'),
        'shop-vs': virtualService('shop', [
          '{ match: [{ uri: { prefix: /a } }], route: [{ destination: { host: shop.mesh.test, subset: v1 } }] }',
          '{ route: [{ destination: { host: shop.mesh.test } }] }',
        ]),
      }),
      mesh: () => ({ defaultProviders: { metrics: ['prometheus'] } }),
    });
    const client = await world.start({ name: 'client', index: 1 });
    await waitFor(async () => {
      const dump = await client.admin('/config_dump?include_eds');
      await writeFile(join(world.directory, DUMP), dump);
      return dump.includes('shop.mesh.test:8000');
    });
    await writeFile(join(world.directory, CLUSTERS), await client.admin('/clusters?format=json'));
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  it('clusters, with their subsets and rules', async () => {
    const all = await lines('clusters', DUMP, '--fqdn', 'shop.mesh.test');
    expect(all).toEqual([
      'shop.mesh.test 8000 - outbound EDS shop.default',
      'shop.mesh.test 8000 v1 outbound EDS shop.default',
    ]);
  });

  it('listeners, with what they match and where they lead', async () => {
    const all = await lines('listeners', DUMP);
    expect(all).toContain(`${world.block}.1.1 8000 ALL Route: 8000`);
    expect(all).toContainEqual(
      expect.stringMatching(/ 9000 Trans: tls; App: istio,.* Addr: \*:9000 Cluster: inbound\|9000\|\|$/),
    );
  });

  it('routes', async () => {
    const all = await lines('routes', DUMP, '--name', '8000');
    expect(all).toEqual([
      '8000 shop.mesh.test:8000 shop.mesh.test, shop.mesh.test. /a* shop.default',
      '8000 shop.mesh.test:8000 shop.mesh.test, shop.mesh.test. /* shop.default',
    ]);
  });

  it('endpoints', async () => {
    const cluster = 'outbound|8000|v1|shop.mesh.test';
    expect(await lines('endpoints', CLUSTERS, '--cluster', cluster)).toEqual([
      `${world.block}.9.1:8080 HEALTHY OK ${cluster}`,
    ]);
  });

  it('secrets, which hold no key', async () => {
    const all = await lines('secret', DUMP);
    expect(all).toContainEqual(expect.stringMatching(/^default Cert Chain ACTIVE true /));
    expect(all).toContainEqual(expect.stringMatching(/^ROOTCA CA ACTIVE true /));
  });
});
