/** h2spec's verdict about Weft and about a real Envoy, in one run: counts are comparable only so, as they hang on time-outs. */
import { freePort, tempDir } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeTo } from '../harness/edge.ts';
import { type Envoy, findEnvoy, startEnvoy } from '../harness/envoy.ts';
import { findH2Spec, judge } from '../harness/h2spec.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

const SECONDS = 5;
const folder = await tempDir('h2spec');
const h2spec = findH2Spec(folder.path);
const found = findEnvoy();
const missing = h2spec.path === undefined ? h2spec.reason : found.path === undefined ? found.reason : undefined;

/** What answers 200 to all, over HTTP/1.1 and HTTP/2. */
const bootstrap = (port: number, admin: number): Record<string, unknown> => ({
  admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
  static_resources: {
    listeners: [
      {
        address: { socket_address: { address: '127.0.0.1', port_value: port } },
        filter_chains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.http_connection_manager',
                typed_config: {
                  '@type':
                    'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                  stat_prefix: 'h2spec',
                  route_config: {
                    virtual_hosts: [
                      {
                        name: 'all',
                        domains: ['*'],
                        routes: [
                          {
                            match: { prefix: '/' },
                            direct_response: { status: 200, body: { inline_string: 'x'.repeat(100) } },
                          },
                        ],
                      },
                    ],
                  },
                  http_filters: [
                    {
                      name: 'envoy.filters.http.router',
                      typed_config: {
                        '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                      },
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  },
});

describe('TR-11 h2spec, Weft beside Envoy', () => {
  let mesh: TestMesh | undefined;
  let envoy: Envoy | undefined;
  beforeAll(async () => {
    if (missing !== undefined) return;
    mesh = await startMesh();
    await startEcho(mesh, { service: 'echo', version: 'v1' });
    await mesh.apply(edgeTo('echo'));
  });
  afterAll(async () => {
    await envoy?.stop();
    await mesh?.[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  it('TR-11 Weft passes whatever Envoy passes', async ({ skip }) => {
    if (missing !== undefined || h2spec.path === undefined || found.path === undefined) return skip(missing);
    const [port, admin] = [await freePort(), await freePort()];
    envoy = await startEnvoy({
      path: found.path,
      bootstrap: bootstrap(port, admin),
      directory: folder.path,
      admin: `127.0.0.1:${admin}`,
    });
    const theirs = await judge(h2spec.path, `http://127.0.0.1:${port}`, SECONDS);
    const ours = await judge(h2spec.path, mesh?.gateway ?? '', SECONDS);
    console.warn(`h2spec: Weft ${ours.passed} of 145, Envoy ${found.version} ${theirs.passed} of 145`);
    console.warn(`Weft fails: ${ours.failures.join('; ')}\nEnvoy fails: ${theirs.failures.join('; ')}`);
    expect(ours.failures.filter((failure) => !theirs.failures.includes(failure))).toEqual([]);
    expect(ours.passed).toBeGreaterThanOrEqual(theirs.passed);
  });
});
