/** A minute without a control plane, under load (its own command: pnpm chaos). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { counterSum, scrape } from '../harness/metrics.ts';
import { startLoad } from '../harness/load.ts';
import { startMesh, supervisorStatus, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

const AWAY_MS = 60_000;
const SOURCE = /^istio_requests_total\{.*reporter="source".*destination_service="echo\.default\.svc\.cluster\.local"/;
const DESTINATION = /^istio_requests_total\{.*reporter="destination"/;

describe('OP-01 a minute without a control plane', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await startMesh();
    await Promise.all(['echo-a', 'echo-b'].map((name) => startEcho(mesh, { service: 'echo', version: 'v1', name })));
    await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
    await mesh.synced();
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  it('OP-01 killed again and again for 60 s at 200 rps: no request fails, and no counter is lost or doubled', async () => {
    const echo = await mesh.outbound('client', 'echo', 8000);
    const load = startLoad(echo, { connections: 20, everyMs: 95 });
    const endMs = Date.now() + AWAY_MS;
    let kills = 0;
    while (Date.now() < endMs) {
      const { controlPlanePid } = await supervisorStatus(mesh.state);
      if (controlPlanePid !== undefined) {
        process.kill(controlPlanePid, 'SIGKILL');
        kills += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { total, failed } = await load.stop();
    console.warn(`${total} requests, ${failed.length} failed, control plane killed ${kills} times`);
    expect(failed).toEqual([]);
    expect(total).toBeGreaterThan(10_000);
    await waitFor(async () => (await mesh.weft(['status'])).code === 0, {
      timeoutMs: 60_000,
      what: 'the control plane to be back',
    });
    await mesh.synced();
    const client = await mesh.workload('client');
    const servers = await Promise.all(['echo-a', 'echo-b'].map((name) => mesh.workload(name)));
    expect(counterSum(await scrape(client.adminAddress), SOURCE)).toBe(total);
    const pages = await Promise.all(servers.map(({ adminAddress }) => scrape(adminAddress)));
    expect(pages.reduce((sum, page) => sum + counterSum(page, DESTINATION), 0)).toBe(total);
    // What telemetry holds, restarted as often as it was, is the same number.
    await waitFor(
      async () => {
        const { edges } = await mesh.api<{ edges: readonly { traffic: { requests: number } }[] }>(
          '/api/v1/graph?windowMs=600000',
        );
        return edges.reduce((sum, edge) => sum + edge.traffic.requests, 0) === total;
      },
      { timeoutMs: 30_000, what: `the graph to show ${total} requests` },
    );
  });
});
