import { describe, expect, it } from 'vitest';
import { FakeClock } from '@weft/testkit';
import { createAdmissions } from './admission.ts';
import { createLoopbackPlacer } from './loopback-placer.ts';
import type { WorkloadSpec } from './mesh-link.ts';
import { createLocalRegistry } from './registry.ts';
import { stateDirAt } from './state-dir.ts';

function admissions(block: number | undefined) {
  const registry = createLocalRegistry('mesh', 'cluster.local');
  const made = createAdmissions({
    registry,
    clock: new FakeClock(),
    dir: stateDirAt('/nowhere'),
    placer: createLoopbackPlacer(block, [{ gatewayPort: 80, bind: '127.0.0.1', port: 8080 }]),
    endpoints: () => ({
      xdsAddress: '127.0.0.1:1',
      caAddress: '127.0.0.1:2',
      rootCaPem: '',
      adminToken: '',
      certificateTtlMs: 1,
    }),
    proxyFlags: ({ name }) => [`--of=${name}`],
  });
  return { registry, ...made };
}

const spec = (service: string, change: Partial<WorkloadSpec> = {}): WorkloadSpec => ({
  name: `${service}-v1`,
  namespace: 'default',
  kind: 'sidecar',
  service,
  serviceAccount: service,
  labels: { app: service, version: 'v1' },
  ports: [{ name: 'http', servicePort: 9080, appAddress: '127.0.0.1', appPort: 4000 }],
  ...change,
});

describe.runIf(process.platform === 'linux')('createAdmissions in the loopback form', () => {
  it('gives each workload an address and each service one address per client', async () => {
    const { admit, registry } = admissions(241);
    const reviews = await admit(spec('reviews'));
    const ratings = await admit(spec('ratings'));
    expect(reviews.address).toBe('127.241.1.1');
    expect(ratings.address).toBe('127.241.2.1');
    expect(ratings.outbound).toEqual([
      { hostname: 'reviews.default.svc.cluster.local', servicePort: 9080, bind: '127.241.2.2', port: 9080 },
      { hostname: 'ratings.default.svc.cluster.local', servicePort: 9080, bind: '127.241.2.3', port: 9080 },
    ]);
    // The one that came first can call the one that came later.
    const [first] = registry.state().workloads;
    expect(first?.interception).toMatchObject({ outbound: [{ bind: '127.241.1.2' }, { bind: '127.241.1.3' }] });
  });

  it('keeps a service whose last workload left, and gives its address again', async () => {
    const { admit, leave, registry } = admissions(242);
    await admit(spec('reviews'));
    leave('reviews-v1', 'default');
    expect(registry.state().workloads).toEqual([]);
    expect(registry.state().services.map((service) => service.hostname)).toEqual(['reviews.default.svc.cluster.local']);
    expect((await admit(spec('reviews'))).address).toBe('127.242.1.1');
  });

  it.each([
    ['a name that is no DNS label', { name: 'Reviews_1' }, 'is not a DNS label'],
    ['a namespace with a slash', { namespace: 'a/b' }, 'is not a DNS label'],
    ['a gateway under another account', { kind: 'gateway' as const }, 'service account weft-gateway'],
  ])('refuses %s', async (_, change, message) => {
    await expect(admissions(243).admit(spec('reviews', change))).rejects.toThrow(message);
  });

  it('refuses a second workload of the same name, and says how to go on', async () => {
    const { admit } = admissions(244);
    await admit(spec('reviews'));
    await expect(admit(spec('reviews'))).rejects.toMatchObject({
      code: 'WEFT_NAME_TAKEN',
      fix: 'choose another name with --name',
    });
  });

  it('uses ports of 127.0.0.1 where there are no other loopback addresses', async () => {
    const { admit } = admissions(undefined);
    const { address, ports, outbound, adminAddress } = await admit(spec('reviews'));
    expect([address, outbound[0]?.bind, adminAddress.split(':')[0]]).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1']);
    const used = [ports[0]?.meshPort, outbound[0]?.port, Number(adminAddress.split(':')[1])];
    expect(new Set(used).size).toBe(3);
  });
});
