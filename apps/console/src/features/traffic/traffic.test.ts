import type { GraphEdge, GraphNode, GraphView, HealthStatus } from '@weft/contracts/console-views';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { curveBetween, pointAt } from './curve.ts';
import {
  gridLayout,
  keepPlaces,
  layeredLayout,
  NODE_HEIGHT,
  NODE_WIDTH,
  type Positions,
  topologyKey,
} from './layout.ts';
import { dotsAt, motionOf, seedOf } from './motion.ts';
import { choose, widthOf } from './picture.ts';

const quiet = { requestsPerSecond: 0, requests: 0, errorPercent: 0 };
const health = (status: HealthStatus) => ({ status, why: '', reasons: [] });
const node = (id: string, status: HealthStatus = 'healthy', idle = false): GraphNode => ({
  id,
  kind: 'workload',
  namespace: 'default',
  name: id,
  idle,
  health: health(status),
  inbound: quiet,
  outbound: quiet,
});
const edge = (source: string, target: string, status: HealthStatus = 'healthy', rps = 1): GraphEdge => ({
  id: `${source}>${target}`,
  source,
  target,
  protocol: 'http',
  traffic: { requestsPerSecond: rps, requests: rps * 60, errorPercent: 0 },
  mtls: 'mutual',
  mtlsPercent: 100,
  codes: [],
  health: health(status),
});
const graph = (nodes: readonly GraphNode[], edges: readonly GraphEdge[]): GraphView => ({
  generatedAt: 0,
  windowMs: 60_000,
  nodes,
  edges,
  hidden: { nodes: 0, edges: 0 },
});

const covers = (positions: Positions): boolean => {
  const points = Object.values(positions);
  return points.some((p, i) =>
    points.some((q, j) => i < j && Math.abs(p.x - q.x) < NODE_WIDTH && Math.abs(p.y - q.y) < NODE_HEIGHT),
  );
};
const topology = fc.integer({ min: 1, max: 14 }).chain((n) =>
  fc.record({
    nodes: fc.constant(Array.from({ length: n }, (_, i) => `n${i}`)),
    edges: fc.uniqueArray(
      fc
        .tuple(fc.integer({ min: 0, max: n - 1 }), fc.integer({ min: 0, max: n - 1 }))
        .map(([a, b]) => [`n${a}`, `n${b}`] as const),
      { maxLength: 24, selector: ([a, b]) => `${a}>${b}` },
    ),
  }),
);

describe('layout', () => {
  it('puts callers left of callees', () => {
    const { a, b, c } = layeredLayout({
      nodes: ['a', 'b', 'c'],
      edges: [
        ['a', 'b'],
        ['b', 'c'],
      ],
    });
    expect((a?.x ?? 0) + NODE_WIDTH).toBeLessThan(b?.x ?? 0);
    expect((b?.x ?? 0) + NODE_WIDTH).toBeLessThan(c?.x ?? 0);
  });
  it('places every node, none over another, whatever calls whom', () => {
    fc.assert(
      fc.property(topology, (shape) => {
        for (const positions of [layeredLayout(shape), gridLayout(shape)]) {
          expect(Object.keys(positions).sort()).toEqual([...shape.nodes].sort());
          expect(covers(positions)).toBe(false);
        }
      }),
    );
  });
  it('moves nothing that is seen when nodes come and go', () => {
    fc.assert(
      fc.property(topology, fc.integer({ min: 1, max: 3 }), (shape, more) => {
        const before = layeredLayout(shape);
        const added = Array.from({ length: Math.min(more, shape.nodes.length) }, (_, i) => `new${i}`);
        const next = {
          nodes: [...shape.nodes, ...added],
          edges: [...shape.edges, ...added.map((id) => [shape.nodes[0] ?? '', id] as const)],
        };
        const after = keepPlaces(next, before);
        expect(after).toBeDefined();
        for (const id of shape.nodes) expect(after?.[id]).toEqual(before[id]);
        expect(covers(after ?? {})).toBe(false);
      }),
    );
  });
  it('starts anew when little is left', () => {
    expect(keepPlaces({ nodes: ['a', 'b', 'c'], edges: [] }, { a: { x: 0, y: 0 } })).toBeUndefined();
    expect(keepPlaces({ nodes: ['a'], edges: [] }, {})).toBeUndefined();
  });
  it('knows a topology by its nodes and edges alone', () => {
    const one = topologyKey({ nodes: ['a', 'b'], edges: [['a', 'b']] });
    expect(one).not.toBe(topologyKey({ nodes: ['a', 'b'], edges: [['b', 'a']] }));
    expect(one).toBe(topologyKey({ nodes: ['a', 'b'], edges: [['a', 'b']] }));
  });
});

describe('curve', () => {
  it('begins at the source and ends at the target', () => {
    const curve = curveBetween({ x: 0, y: 0 }, { x: 500, y: 200 });
    expect(pointAt(curve, 0)).toEqual(curve.from);
    expect(pointAt(curve, 1)).toEqual(curve.to);
    expect(pointAt(curve, 0.5).x).toBeCloseTo((curve.from.x + curve.to.x) / 2);
  });
});

describe('motion', () => {
  it('stands still without traffic, and is denser with more and slower with latency', () => {
    const of = (requestsPerSecond: number, p50: number) =>
      motionOf({ traffic: { ...quiet, requestsPerSecond, latencyMs: { p50, p95: p50, p99: p50 } } });
    expect(of(0, 5).dots).toBe(0);
    expect(of(0.1, 5).dots).toBe(1);
    expect(of(100, 5).dots).toBeGreaterThan(of(5, 5).dots);
    expect(of(5, 2_000).speed).toBeLessThan(of(5, 5).speed);
    expect(of(5, 100_000).speed).toBeGreaterThan(0);
  });
  it('depends on the time alone, and shows failures in their share', () => {
    const motion = { dots: 4, speed: 0.5, failing: 0.25 };
    expect(dotsAt(motion, 12.5, 0.3)).toEqual(dotsAt(motion, 12.5, 0.3));
    const trips = Array.from({ length: 400 }, (_, i) => dotsAt(motion, i * 2, seedOf('a'))).flat();
    expect(trips.every(({ at }) => at >= 0 && at < 1)).toBe(true);
    const share = trips.filter(({ failed }) => failed).length / trips.length;
    expect(share).toBeGreaterThan(0.15);
    expect(share).toBeLessThan(0.35);
    expect(dotsAt({ ...motion, failing: 0 }, 3, 0).some(({ failed }) => failed)).toBe(false);
  });
});

describe('choose', () => {
  const picture = graph(
    [
      node('a'),
      node('b', 'failure'),
      node('c'),
      node('d'),
      node('lone', 'healthy', true),
      node('ill', 'not-ready', true),
    ],
    [edge('a', 'b', 'failure'), edge('b', 'c'), edge('c', 'd')],
  );
  it('draws all, or leaves out idle nodes that are well', () => {
    expect(choose(picture, { problems: false, idle: true }).nodes).toHaveLength(6);
    expect(choose(picture, { problems: false, idle: false }).nodes.map(({ id }) => id)).toEqual([
      'a',
      'b',
      'c',
      'd',
      'ill',
    ]);
  });
  it('draws problems with their neighbours', () => {
    const { nodes, edges } = choose(picture, { problems: true, idle: true });
    expect(nodes.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'ill']);
    expect(edges.map(({ id }) => id)).toEqual(['a>b', 'b>c']);
  });
  it('is empty when all is well', () => {
    expect(choose(graph([node('a'), node('b')], [edge('a', 'b')]), { problems: true, idle: true }).nodes).toEqual([]);
  });
  it('draws busier edges thicker, within limits', () => {
    const widths = [0, 1, 10, 1_000, 1e9].map((rps) => widthOf(edge('a', 'b', 'healthy', rps)));
    expect(widths).toEqual(widths.toSorted((x, y) => x - y));
    expect(Math.max(...widths)).toBeLessThanOrEqual(6);
  });
});
