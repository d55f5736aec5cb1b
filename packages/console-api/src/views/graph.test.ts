import { FakeClock } from '@weft/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bookinfoSources, type Scenario } from '../testing.ts';
import { buildGraph, peersOf } from './graph.ts';
import { takePicture } from './picture.ts';

const LIMITS = { maxNodes: 400, maxEdges: 800 };
const picture = (scenario: Scenario = {}) => {
  const clock = new FakeClock(1_800_000_000_000);
  return takePicture(bookinfoSources(clock, scenario), clock.now(), 60_000);
};

describe('buildGraph', () => {
  it('draws who calls whom, with rates, latency and mutual TLS', () => {
    const graph = buildGraph(picture(), LIMITS);
    expect(graph.nodes.map(({ id }) => id)).toEqual([
      'unknown',
      'workload/default/details-v1',
      'workload/default/productpage-v1',
      'workload/default/ratings-v1',
      'workload/default/reviews-v1',
      'workload/default/reviews-v2',
      'workload/default/reviews-v3',
      'workload/weft-system/weft-gateway',
    ]);
    const edge = graph.edges.find(({ id }) => id === 'workload/default/reviews-v2>workload/default/ratings-v1>http');
    expect(edge).toMatchObject({
      mtls: 'mutual',
      mtlsPercent: 100,
      sourcePrincipal: 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews',
      health: { status: 'healthy' },
    });
    expect(edge?.traffic.requestsPerSecond).toBeCloseTo(4, 0);
    expect(edge?.traffic.latencyMs?.p50).toBeGreaterThan(0);
  });
  it('rates are per second of what was measured, in nodes, edges and codes alike', () => {
    const whole = picture();
    const graph = buildGraph({ ...whole, measuredMs: 15_000 }, LIMITS);
    const id = 'workload/default/reviews-v2>workload/default/ratings-v1>http';
    const edge = graph.edges.find((one) => one.id === id);
    const requests = edge?.traffic.requests ?? 0;
    expect(requests).toBeGreaterThan(0);
    expect(edge?.traffic.requestsPerSecond).toBeCloseTo(requests / 15, 2);
    expect(edge?.codes[0]?.requestsPerSecond).toBeCloseTo(requests / 15, 2);
    const node = graph.nodes.find((one) => one.id === 'workload/default/ratings-v1');
    expect(node?.inbound.requestsPerSecond).toBeCloseTo((node?.inbound.requests ?? 0) / 15, 2);
    expect(graph.windowMs).toBe(60_000);
  });
  it('draws an idle mesh too', () => {
    const graph = buildGraph(picture({ traffic: false }), LIMITS);
    expect(graph.edges).toEqual([]);
    expect(graph.nodes).toHaveLength(7);
    expect(graph.nodes.every(({ idle }) => idle)).toBe(true);
  });
  it('marks what fails, at the callee, the caller and the edge', () => {
    const graph = buildGraph(picture({ trouble: true }), LIMITS);
    const status = (id: string) => graph.nodes.find((node) => node.id === id)?.health.status;
    expect(status('workload/default/ratings-v1')).toBe('failure');
    expect(status('workload/default/reviews-v2')).toBe('failure');
    expect(status('workload/default/details-v1')).toBe('healthy');
    expect(graph.edges.filter(({ health }) => health.status === 'failure')).toHaveLength(2);
  });
  it('keeps the calls from and to a namespace', () => {
    const graph = buildGraph(picture(), LIMITS, ['weft-system']);
    expect(graph.edges.map(({ id }) => id)).toEqual([
      'unknown>workload/weft-system/weft-gateway>http',
      'workload/weft-system/weft-gateway>workload/default/productpage-v1>http',
    ]);
  });
  it('shows a call that met no workload as a call to the service', () => {
    const taken = picture({ traffic: false });
    const graph = buildGraph(
      {
        ...taken,
        calls: [
          {
            source: { namespace: 'default', workload: 'productpage-v1' },
            destination: { namespace: 'default', service: 'reviews', host: 'reviews.default.svc.cluster.local' },
            protocol: 'http',
            requests: 20,
            errors: 20,
            codes: [{ code: '503', flag: 'UH', grpcStatus: '', requests: 20 }],
            security: { mutualTls: 0, plaintext: 0 },
            bytesPerSecond: 0,
          },
        ],
      },
      LIMITS,
    );
    expect(graph.nodes.find(({ kind }) => kind === 'service')).toMatchObject({
      name: 'reviews',
      health: { status: 'failure' },
    });
    expect(graph.edges[0]).toMatchObject({ mtls: 'unknown', codes: [{ code: '503', flag: 'UH' }] });
  });
  it('never draws more than the limits, keeps the troubled, counts the rest, and leaves no edge without its ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 9 }), (maxNodes, maxEdges) => {
        const whole = buildGraph(picture({ trouble: true }), LIMITS);
        const graph = buildGraph(picture({ trouble: true }), { maxNodes, maxEdges });
        const ids = new Set(graph.nodes.map(({ id }) => id));
        expect(graph.nodes.length).toBeLessThanOrEqual(maxNodes);
        expect(graph.edges.length).toBeLessThanOrEqual(maxEdges);
        expect(graph.edges.every(({ source, target }) => ids.has(source) && ids.has(target))).toBe(true);
        expect(graph.hidden).toEqual({
          nodes: whole.nodes.length - graph.nodes.length,
          edges: whole.edges.length - graph.edges.length,
        });
        expect(graph.nodes.some(({ health }) => health.status === 'failure')).toBe(true);
      }),
    );
  });
  it('does not depend on the order of the measurements', () => {
    const taken = picture({ trouble: true });
    const inOrder = buildGraph(taken, LIMITS);
    fc.assert(
      fc.property(fc.shuffledSubarray([...taken.calls], { minLength: taken.calls.length }), (calls) => {
        expect(buildGraph({ ...taken, calls }, LIMITS)).toEqual(inOrder);
      }),
    );
  });
});

describe('peersOf', () => {
  it('lists the other ends, busiest first', () => {
    const graph = buildGraph(picture(), LIMITS);
    const names = peersOf(graph, 'workload/default/productpage-v1', 'callees').map(({ name }) => name);
    expect(names[0]).toBe('details-v1');
    expect(names.toSorted()).toEqual(['details-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3']);
    expect(peersOf(graph, 'workload/default/productpage-v1', 'callers').map(({ kind }) => kind)).toEqual(['gateway']);
  });
});
