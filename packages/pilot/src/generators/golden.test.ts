import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bookinfo, isolatedBookinfo } from '../testing/registry.ts';
import { contextOf, snapshotOf } from '../testing/snapshots.ts';
import { messageJson, SCHEMAS } from '../testing/json.ts';
import { refPath } from '../config-store/config-object.ts';
import { buildClusters } from './clusters.ts';
import { buildEndpoints, endpointNames } from './endpoints.ts';
import { buildListeners } from './listeners.ts';
import { buildRoutes, routeNames } from './routes.ts';

// A case is a folder: config.yaml goes in, a file for each proxy and kind comes out. After a wanted change: vitest -u, then read the diff.
const TESTDATA = fileURLToPath(new URL('./testdata/', import.meta.url));
const PROXIES = ['productpage-v1', 'reviews-v1', 'weft-system/gateway'];

describe.each(readdirSync(TESTDATA))('%s', (name) => {
  const yaml = readFileSync(`${TESTDATA}/${name}/config.yaml`, 'utf8');
  // Of some the workloads' connections are redirected to their sidecars.
  const registry = name.startsWith('captured') ? isolatedBookinfo() : bookinfo();
  const snapshot = snapshotOf({ yaml, registry, mesh: { accessLogFile: '/dev/stdout' } });
  it.each(PROXIES)('as %s gets it', async (proxy) => {
    const context = contextOf(snapshot, proxy);
    const made = {
      cluster: buildClusters(context),
      endpoint: buildEndpoints(context, endpointNames(context)),
      listener: buildListeners(context),
      route: buildRoutes(context, routeNames(context)),
    };
    for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const) {
      const out = made[kind].map((resource) => ({
        sources: resource.sources.map(refPath),
        // One list of generated kinds: each message is of the schema of its kind.
        resource: messageJson(SCHEMAS[kind], resource.message as never),
      }));
      await expect(`${JSON.stringify(out, undefined, 2)}\n`).toMatchFileSnapshot(
        `${TESTDATA}/${name}/${proxy.replace('/', '.')}.${kind}.json`,
      );
    }
  });
});
