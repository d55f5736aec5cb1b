/** Proxies with two threads that carry their traffic: limits, figures and replacement are those of one proxy. */
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http } from '../harness/http.ts';
import { startLoad } from '../harness/load.ts';
import { counterSum, scrape, stats } from '../harness/metrics.ts';
import { type CommandResult, startMesh, type SupervisorWorkload, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

let mesh: TestMesh;
let caller: SupervisorWorkload;
let door: string;

beforeAll(async () => {
  mesh = await startMesh({ args: ['--proxy-concurrency', '2'] });
  await startEcho(mesh, { service: 'target', version: 'v1' });
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  caller = await mesh.workload('caller-v1');
  door = await mesh.outbound('caller-v1', 'target', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

const calls = async (count: number, query: string): Promise<Record<number, number>> => {
  const answers = await Promise.all(Array.from({ length: count }, () => http(`${door}/${query}`)));
  const counted: Record<number, number> = {};
  for (const { status } of answers) counted[status] = (counted[status] ?? 0) + 1;
  return counted;
};
/** Client connections that each thread took. */
const takenBy = async (): Promise<number[]> => {
  const text = await stats(caller.adminAddress);
  return [0, 1].map((worker) => counterSum(text, new RegExp(`\\.worker_${worker}\\.downstream_cx_total: `)));
};

describe('RE-05 across workers', () => {
  it('RE-05 across workers: no more requests at one time than the rule says, and figures are those of all', async () => {
    const page = (): Promise<string> => scrape(caller.adminAddress);
    const ok = /^istio_requests_total\{.*reporter="source".*response_code="200"/;
    let asked = 0;
    await waitFor(
      async () => {
        asked += 20;
        expect(await calls(20, '')).toEqual({ 200: 20 });
        return (await takenBy()).every((count) => count > 0);
      },
      { what: 'connections at both threads' },
    );
    await waitFor(async () => counterSum(await page(), ok) === asked, { what: 'all calls counted' });
    await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: target }
spec: { host: target, trafficPolicy: { connectionPool: { http: { http2MaxRequests: 3 } } } }
`);
    for (let round = 0; round < 2; round += 1) expect(await calls(20, '?delay=1000')).toEqual({ 200: 3, 503: 17 });
    await waitFor(async () => counterSum(await page(), ok) === asked + 6, { what: 'what was let through' });
    expect(counterSum(await page(), /^istio_requests_total\{.*response_code="503".*response_flags="UO"/)).toBe(34);
    await mesh.delete('destinationrule/target');
    expect(await calls(20, '?delay=100')).toEqual({ 200: 20 });
  });

  it('RE-09 across workers: a replacement on the same sockets loses nothing', async () => {
    const load = startLoad(door, { connections: 8, everyMs: 10 });
    for (const name of ['caller-v1', 'target-v1']) {
      await load.atLeast(100);
      const { code, stderr } = await mesh.weft(['restart', name]);
      expect([code, stderr]).toEqual([0, '']);
    }
    await load.atLeast(100);
    const { total, failed } = await load.stop();
    expect(failed).toEqual([]);
    expect(total).toBeGreaterThanOrEqual(300);
  });

  it('OP-06 ProxyConfig and MeshConfig say how many threads a proxy has, at once and without a lost request', async () => {
    const threads = async (workload: SupervisorWorkload): Promise<number> =>
      counterSum(await stats(workload.adminAddress), /^server\.concurrency: /);
    const proxies = [caller, await mesh.workload('target-v1'), await mesh.workload('weft-gateway')];
    /** Of caller, target and gateway. */
    const settled = (...wanted: readonly number[]): Promise<unknown> =>
      waitFor(
        async () => {
          const found = await Promise.all(proxies.map((proxy) => threads(proxy).catch(() => 0)));
          return found.join() === wanted.join();
        },
        { what: `${wanted.join()} threads`, timeoutMs: 60_000 },
      );
    await settled(2, 2, 2);
    const load = startLoad(door, { connections: 8, everyMs: 10 });
    await load.atLeast(50);
    const apply = (spec: string): Promise<CommandResult> =>
      mesh.weft(['apply', '-f', '-'], {
        input: `{ apiVersion: networking.istio.io/v1beta1, kind: ProxyConfig, metadata: { name: caller }, spec: ${spec} }`,
      });
    const applied = await apply(
      '{ selector: { matchLabels: { app: caller } }, concurrency: 1, image: { imageType: distroless } }',
    );
    expect(applied.code).toBe(0);
    expect(applied.stdout + applied.stderr).toMatch(/W0031.*spec\.image/);
    await settled(1, 2, 2);
    await mesh.apply(`
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: mesh }
spec: { defaultConfig: { concurrency: 1 } }
`);
    await settled(1, 1, 1);
    // One that joins has what is said from its beginning.
    await startEcho(mesh, { service: 'late', version: 'v1' });
    expect(await threads(await mesh.workload('late-v1'))).toBe(1);
    await mesh.delete('meshconfig/mesh');
    await settled(1, 2, 2);
    await mesh.delete('proxyconfig/caller');
    await settled(2, 2, 2);
    const { total, failed } = await load.stop();
    expect(failed).toEqual([]);
    expect(total).toBeGreaterThan(100);
    const refused = await apply('{ concurrency: -1 }');
    expect(refused.code).not.toBe(0);
    expect(refused.stdout + refused.stderr).toMatch(/spec\.concurrency/);
  }, 120_000);

  it('RE-05 across workers: a number of threads that no machine has is refused', async () => {
    const { code, stderr } = await mesh.weft(['up', '--proxy-concurrency', 'all']);
    expect([code, stderr]).toEqual([64, expect.stringMatching(/--proxy-concurrency needs a number from 0 to \d+/)]);
  });
});
