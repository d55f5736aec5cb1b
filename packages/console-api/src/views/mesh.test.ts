import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { bookinfoSources, type Scenario } from '../testing.ts';
import { buildCertificate } from './certificates.ts';
import { buildGraph } from './graph.ts';
import { buildMesh } from './mesh.ts';
import { takePicture } from './picture.ts';
import { buildProxy, syncOf } from './proxies.ts';
import { buildServices } from './services.ts';
import { buildWorkloads } from './workloads.ts';

const mesh = (scenario: Scenario = {}) => {
  const clock = new FakeClock(1_800_000_000_000);
  const sources = bookinfoSources(clock, scenario);
  const picture = takePicture(sources, clock.now(), 60_000);
  return buildMesh({
    info: sources.mesh.info(),
    picture,
    graph: buildGraph(picture, { maxNodes: 400, maxEdges: 800 }),
    services: buildServices(picture, new Map()),
    workloads: buildWorkloads(picture, new Map()),
    proxies: picture.proxies.map((proxy) => buildProxy(proxy, clock.now())),
    config: sources.config.list(),
    certificates: sources.certificates.workloads().map((found) => buildCertificate(found, clock.now())),
  });
};

describe('buildMesh', () => {
  it('says so when nothing needs attention', () => {
    expect(mesh()).toMatchObject({
      health: { status: 'healthy', why: 'Nothing needs attention.' },
      mtlsPercent: 100,
      counts: {
        services: 4,
        workloads: 7,
        proxies: 7,
        proxiesSynced: 7,
        config: 5,
        configErrors: 0,
        configWarnings: 1,
      },
      attention: [],
    });
  });
  it('lists what needs attention, worst first, each with its object', () => {
    const { health, attention } = mesh({ trouble: true });
    expect(health.status).toBe('failure');
    expect(health.why).toMatch(/^ratings: 12 % of requests failed with 5xx .* And \d+ more\.$/);
    expect(attention.map(({ object }) => `${object.kind} ${object.name}`)).toEqual([
      'service ratings',
      'workload reviews-v2',
      'workload reviews-v3',
      'workload ratings-v1',
      'certificate details-v1',
    ]);
    expect(attention.at(-1)?.message).toBe(
      'The certificate of details-v1 has used 88 % of its life and was not renewed.',
    );
  });
  it('tells an empty mesh how to begin', () => {
    const { health } = mesh({ empty: true });
    expect(health.status).toBe('unknown');
    expect(health.why).toContain('weft demo');
  });
});

describe('certificates', () => {
  it.each([
    [50, 'valid'],
    [80, 'ending'],
    [100, 'expired'],
  ] as const)('%i %% of its life is %s', (now, state) => {
    const record = { subject: 's', serial: '1', issuer: 'i', fingerprint: 'f', notBefore: 0, notAfter: 100 };
    expect(buildCertificate(record, now)).toMatchObject({ state, lifeUsedPercent: now });
  });
});

describe('syncOf', () => {
  const proxy = (connected: boolean, ...states: ('synced' | 'stale' | 'not-sent' | 'rejected')[]) => ({
    id: 'p',
    namespace: 'default',
    name: 'p',
    kind: 'sidecar' as const,
    connected,
    sync: states.map((state) => ({ type: 'CDS', state })),
  });
  it('is the worst of its types; what was never needed does not count', () => {
    expect(syncOf(proxy(true, 'synced', 'not-sent'))).toBe('synced');
    expect(syncOf(proxy(true, 'synced', 'stale'))).toBe('stale');
    expect(syncOf(proxy(true, 'stale', 'rejected'))).toBe('rejected');
    expect(syncOf(proxy(true))).toBe('not-sent');
    expect(syncOf(proxy(false, 'synced'))).toBe('disconnected');
    expect(syncOf(undefined)).toBe('disconnected');
  });
});
