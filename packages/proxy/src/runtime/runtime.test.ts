import { describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '@weft/kit';
import type { ResourceSet } from '../ports.ts';
import { PRIVATE_CELLS } from '../shared/shared-cells.ts';
import { createStats } from '../stats/stats.ts';
import { workloadOfMetadata } from '../stats/workload-labels.ts';
import { TestSecrets } from '../test-support/harness.ts';
import { httpChain, listener, namedRoutes, resourceSet, staticCluster, toCluster } from '../test-support/resources.ts';
import { TimerQueue } from '../timers/timer-queue.ts';
import { watchSecrets } from '../tls/tls-material.ts';
import { createCompiler } from './compiler.ts';
import type { Runtime } from './runtime.ts';

const runtime = (): Runtime =>
  createCompiler({
    clock: systemClock,
    timers: new TimerQueue(systemClock),
    random: systemRandom,
    stats: createStats(workloadOfMetadata({})),
    shared: PRIVATE_CELLS,
    secrets: watchSecrets(new TestSecrets(), () => {}),
    accessLogs: undefined,
    hasAddress: () => true,
    loadOriginalDestinations: undefined,
  }).runtime;

const RESOURCES: ResourceSet = resourceSet({
  listeners: [listener('in', [httpChain('r')])],
  routes: [namedRoutes('r', toCluster('a'))],
  clusters: [staticCluster('a', [1])],
});

describe('runtime', () => {
  it('compiles nothing but what is new', () => {
    const { compile } = runtime();
    const first = compile(RESOURCES);
    const clusters = new Map(RESOURCES.clusters).set('b', staticCluster('b', [2]));
    const second = compile({ ...RESOURCES, clusters });
    expect([...second.clusters.keys()]).toEqual(['a', 'b']);
    expect(second.clusters.get('a')).toBe(first.clusters.get('a'));
    expect(second.listeners).toBe(first.listeners);
    expect(second.tables).toBe(first.tables);
    expect(second.endpoints).toBe(first.endpoints);
  });
  it('goes on saying what is refused, and keeps what stood before', () => {
    const { compile } = runtime();
    const first = compile(RESOURCES);
    const bad = { ...RESOURCES, routes: new Map([['r', namedRoutes('r', {})]]) };
    const second = compile(bad);
    expect(second.rejected).toMatchObject([{ type: 'route', name: 'r' }]);
    expect(second.tables.get('r')).toBe(first.tables.get('r'));
    expect(compile(bad).rejected).toEqual(second.rejected);
    expect(compile(RESOURCES).rejected).toEqual([]);
  });
});
