/** What of the graph is drawn under the chosen options. Pure. */
import type { GraphEdge, GraphNode, GraphView } from '@weft/contracts/console-views';
import type { Topology } from './layout.ts';

export interface PictureOptions {
  /** Only what is not well, and what it calls or is called by. */
  readonly problems: boolean;
  readonly idle: boolean;
}

export interface Drawn {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

const troubled = ({ health }: { readonly health: GraphNode['health'] }): boolean =>
  health.status === 'failure' || health.status === 'degraded' || health.status === 'not-ready';

export function choose(graph: GraphView, { problems, idle }: PictureOptions): Drawn {
  const shown = graph.nodes.filter((node) => idle || !node.idle || troubled(node));
  if (!problems) return within(shown, graph.edges);
  const bad = new Set(shown.filter(troubled).map(({ id }) => id));
  for (const edge of graph.edges) if (troubled(edge)) bad.add(edge.source).add(edge.target);
  const near = new Set(bad);
  for (const { source, target } of graph.edges) {
    if (bad.has(source)) near.add(target);
    if (bad.has(target)) near.add(source);
  }
  const edges = graph.edges.filter(({ source, target }) => bad.has(source) || bad.has(target));
  return within(
    shown.filter(({ id }) => near.has(id)),
    edges,
  );
}

function within(nodes: readonly GraphNode[], edges: readonly GraphEdge[]): Drawn {
  const ids = new Set(nodes.map(({ id }) => id));
  return { nodes, edges: edges.filter(({ source, target }) => ids.has(source) && ids.has(target)) };
}

export const topologyOf = ({ nodes, edges }: Drawn): Topology => ({
  nodes: nodes.map(({ id }) => id),
  edges: edges.map(({ source, target }) => [source, target] as const),
});

/** 1.25–6 px, by the logarithm of the rate. */
export const widthOf = ({ traffic: { requestsPerSecond, bytesPerSecond = 0 } }: GraphEdge): number =>
  1.25 + Math.min(4.75, Math.log10(1 + Math.max(requestsPerSecond, bytesPerSecond / 1_000)) * 1.6);
