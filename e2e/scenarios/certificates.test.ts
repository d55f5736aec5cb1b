/** Certificates that live for seconds, in a mesh under load. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { startLoad } from '../harness/load.ts';
import { startMesh, weft, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

describe('SE-01 renewal', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await startMesh({ args: ['--no-gateway', '--certificate-ttl', '20'] });
    await startEcho(mesh, { service: 'echo', version: 'v1' });
    await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
    await mesh.synced();
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  it('SE-01 certificates are renewed at half-life, twice, and no request fails meanwhile', async () => {
    const serials = async (): Promise<string[]> => {
      const { workloads } = await mesh.api<{ workloads: readonly { workload: string; serial: string }[] }>(
        '/api/v1/certificates',
      );
      return workloads.toSorted((a, b) => (a.workload < b.workload ? -1 : 1)).map((item) => item.serial);
    };
    const load = startLoad(await mesh.outbound('client', 'echo', 8000), { connections: 4, everyMs: 20 });
    let seen = await serials();
    expect(seen).toHaveLength(2);
    for (let renewal = 1; renewal <= 2; renewal += 1) {
      const before = seen;
      seen = await waitFor(
        async () => {
          const now = await serials();
          return now.every((serial, index) => serial !== before[index]) ? now : undefined;
        },
        { timeoutMs: 60_000, everyMs: 250, what: `renewal ${renewal}` },
      );
    }
    const { total, failed } = await load.stop();
    expect(failed).toEqual([]);
    expect(total).toBeGreaterThan(100);
  });

  it('SE-01 a lifetime too short to be kept is refused', async () => {
    expect(await weft(['up', '--certificate-ttl', '1'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('--certificate-ttl') as string,
    });
  });
});
