import { describe, expect, it } from 'vitest';
import { FakeClock } from '@weft/testkit';
import { createAdmissions } from '../admission.ts';
import type { WorkloadSpec } from '../mesh-link.ts';
import { createLocalRegistry } from '../registry.ts';
import { stateDirAt } from '../state-dir.ts';
import { createPodPlacer } from './pod-placer.ts';
import { podProxyFlags } from './pod-proxy.ts';

const BINDS = [{ gatewayPort: 80, bind: '127.0.0.1', port: 8080 }];
const SURROUNDINGS = { tool: 'nft', dnsSocket: '/s/dns.sock', etcDir: '/s/etc' } as const;

function admissions() {
  const registry = createLocalRegistry('mesh', 'cluster.local');
  const endpoints = () => ({
    xdsAddress: '10.244.0.1:15012',
    caAddress: '10.244.0.1:15013',
    rootCaPem: '',
    adminToken: '',
    certificateTtlMs: 1,
  });
  const placer = createPodPlacer(SURROUNDINGS, BINDS);
  const dir = stateDirAt('/nowhere');
  const proxyFlags = (): readonly string[] => [];
  return { registry, ...createAdmissions({ registry, clock: new FakeClock(), dir, placer, endpoints, proxyFlags }) };
}

const spec = (service: string, change: Partial<WorkloadSpec> = {}): WorkloadSpec => ({
  name: `${service}-v1`,
  namespace: 'default',
  kind: 'sidecar',
  service,
  serviceAccount: service,
  labels: { app: service, version: 'v1' },
  ports: [{ name: 'http', servicePort: 9080, appAddress: '127.0.0.1', appPort: 9080 }],
  ...change,
});

describe('createPodPlacer', () => {
  it('gives a workload a pod where peers call the port of its program, and its service a virtual IP', async () => {
    const { admit, registry } = admissions();
    const admission = await admit(spec('reviews'));
    expect(admission).toMatchObject({
      address: '10.244.0.2',
      adminAddress: '127.0.0.1:15000',
      ports: [{ servicePort: 9080, meshPort: 9080, appPort: 9080 }],
      outbound: [],
      gatewayBinds: [],
      pod: { index: 2, address: '10.244.0.2', prefixLength: 16, hubAddress: '10.244.0.1', redirect: true, tool: 'nft' },
    });
    expect(registry.state().workloads[0]?.interception).toEqual({ mode: 'redirect' });
    expect(registry.state().services[0]?.vip).toBe('10.96.0.16');
  });

  it('keeps the virtual IP when the last workload left, and gives the next pod another address', async () => {
    const { admit, leave, registry } = admissions();
    await admit(spec('reviews'));
    leave('reviews-v1', 'default');
    expect((await admit(spec('reviews'))).address).toBe('10.244.0.3');
    expect(registry.state().services[0]?.vip).toBe('10.96.0.16');
  });

  it('gives a gateway a pod without rules, and the sockets of the host', async () => {
    const { admit } = admissions();
    const gateway = spec('x', { kind: 'gateway', serviceAccount: 'weft-gateway', ports: [] });
    expect(await admit(gateway)).toMatchObject({ gatewayBinds: BINDS, pod: { redirect: false } });
  });
});

describe('podProxyFlags', () => {
  it('marks what a sidecar sends, and has both kinds of pods answer DNS where their programs ask', () => {
    expect(podProxyFlags({ redirect: true, dnsSocket: '/s' })).toEqual([
      '--socket-mark=1337',
      '--dns-listen=127.0.0.1:15053',
      '--dns-upstream=unix:/s',
      '--dns-authoritative',
    ]);
    expect(podProxyFlags({ redirect: false, dnsSocket: '/s' })[0]).toBe('--dns-listen=127.0.0.1:53');
  });
});
