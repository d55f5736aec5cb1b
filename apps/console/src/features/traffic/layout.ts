/** Where nodes stand: callers left, callees right. Pure, so that it runs in a worker as well as in a test. */
import { Graph, layout as dagreLayout } from '@dagrejs/dagre';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export type Positions = Readonly<Record<string, Point>>;

/** What matters for placing: nothing of rates or health, so that a tick moves nothing. */
export interface Topology {
  readonly nodes: readonly string[];
  readonly edges: readonly (readonly [source: string, target: string])[];
}

export const NODE_WIDTH = 208;
export const NODE_HEIGHT = 66;
const COLUMN_GAP = 124;
const ROW_GAP = 34;

export const topologyKey = ({ nodes, edges }: Topology): string =>
  [...nodes, '|', ...edges.map(([source, target]) => `${source}>${target}`)].join('\n');

/** Layers from left to right. `tight-tree` keeps thousands of nodes affordable. */
export function layeredLayout({ nodes, edges }: Topology): Positions {
  const graph = new Graph();
  graph.setGraph({ rankdir: 'LR', ranker: 'tight-tree', nodesep: ROW_GAP, ranksep: COLUMN_GAP });
  graph.setDefaultEdgeLabel(() => ({}));
  const connected = new Set(edges.flat());
  for (const id of nodes) if (connected.has(id)) graph.setNode(id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const [source, target] of edges) if (source !== target) graph.setEdge(source, target);
  dagreLayout(graph);
  const placed: Record<string, Point> = {};
  let bottom = -ROW_GAP;
  for (const id of graph.nodes()) {
    const { x = 0, y = 0 } = graph.node(id) as Partial<Point>;
    placed[id] = { x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 };
    bottom = Math.max(bottom, y + NODE_HEIGHT / 2);
  }
  // Whoever neither calls nor is called stands below, in rows.
  const alone = nodes.filter((id) => !connected.has(id));
  const perRow = Math.max(4, Math.ceil(Math.sqrt(alone.length * 2)));
  for (const [i, id] of alone.entries())
    placed[id] = gridPoint(i, perRow, bottom + (connected.size > 0 ? ROW_GAP * 2 : ROW_GAP));
  return placed;
}

const gridPoint = (i: number, perRow: number, top: number): Point => ({
  x: (i % perRow) * (NODE_WIDTH + ROW_GAP),
  y: top + Math.floor(i / perRow) * (NODE_HEIGHT + ROW_GAP),
});

/** When layering takes too long: rows, in the order given. */
export function gridLayout({ nodes }: Topology): Positions {
  const perRow = Math.max(1, Math.ceil(Math.sqrt(nodes.length)));
  return Object.fromEntries(nodes.map((id, i) => [id, gridPoint(i, perRow, 0)]));
}

/**
 * Keeps what the user sees where it is. New nodes stand right of their callers (else left of their callees, else below),
 * and step down until they cover nobody. @returns undefined when too little is left of the former picture to keep.
 */
export function keepPlaces({ nodes, edges }: Topology, former: Positions): Positions | undefined {
  const kept = nodes.filter((id) => former[id]);
  if (kept.length === 0 || kept.length * 2 < nodes.length) return undefined;
  const placed: Record<string, Point> = Object.fromEntries(
    kept.flatMap((id) => (former[id] ? [[id, former[id]]] : [])),
  );
  for (const id of nodes) {
    if (placed[id]) continue;
    const caller = edges.find(([source, target]) => target === id && placed[source])?.[0];
    const callee = edges.find(([source, target]) => source === id && placed[target])?.[1];
    const step = NODE_WIDTH + COLUMN_GAP;
    const beside = caller === undefined ? callee : caller;
    const origin = beside === undefined ? undefined : placed[beside];
    const wanted: Point = origin
      ? { x: origin.x + (caller === undefined ? -step : step), y: origin.y }
      : { x: 0, y: Math.max(...Object.values(placed).map(({ y }) => y)) + NODE_HEIGHT + ROW_GAP };
    placed[id] = freePoint(wanted, Object.values(placed));
  }
  return placed;
}

function freePoint(wanted: Point, taken: readonly Point[]): Point {
  let point = wanted;
  while (
    taken.some(({ x, y }) => Math.abs(x - point.x) < NODE_WIDTH && Math.abs(y - point.y) < NODE_HEIGHT + ROW_GAP / 2)
  )
    point = { x: point.x, y: point.y + NODE_HEIGHT + ROW_GAP };
  return point;
}
