/** The drawn graph: nodes as elements, edges as SVG, what moves on one canvas over both. */
import '@xyflow/react/dist/base.css';
import type { GraphEdge, GraphNode } from '@weft/contracts/console-views';
import { ActionIcon, Tooltip } from '@mantine/core';
import {
  Background,
  BackgroundVariant,
  type Edge,
  EdgeLabelRenderer,
  type EdgeChange,
  type EdgeProps,
  Handle,
  type Node,
  type NodeChange,
  type NodeProps,
  Panel,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStore,
} from '@xyflow/react';
import {
  Boxes,
  Cloud,
  DoorOpen,
  Globe,
  Lock,
  LockOpen,
  type LucideIcon,
  Maximize,
  Minus,
  Network,
  Plus,
  Sparkles,
} from 'lucide-react';
import { memo, useEffect, useMemo } from 'react';
import { percent, rate } from '../../format/numbers.ts';
import { text } from '../../i18n/text.ts';
import { HealthIcon, Toned } from '../../ui/badges.tsx';
import { errorTone } from '../../ui/tone.ts';
import { latencyText } from '../../ui/traffic-columns.tsx';
import { curveBetween, pathOf, pointAt } from './curve.ts';
import styles from './flow.module.css';
import { NODE_HEIGHT, NODE_WIDTH, type Point } from './layout.ts';
import { LABEL_ZOOM, MovingTraffic } from './moving-traffic.tsx';
import { type Drawn, topologyOf, widthOf } from './picture.ts';
import { useLayout } from './use-layout.ts';

type FlowNode = Node<{ readonly node: GraphNode }, 'mesh'>;
type FlowEdge = Edge<{ readonly edge: GraphEdge; readonly source: Point; readonly target: Point }, 'mesh'>;

interface FlowProps {
  readonly drawn: Drawn;
  readonly selected: string | undefined;
  readonly select: (id: string | undefined) => void;
  readonly moving: boolean;
}

const KIND_ICONS: Readonly<Record<GraphNode['kind'], LucideIcon>> = {
  workload: Boxes,
  gateway: DoorOpen,
  service: Network,
  external: Globe,
  unknown: Cloud,
};
/** Above so many edges motion would cost more than it tells. */
const MOVING_EDGES = 300;
// The buttons at the left edge lie beside the graph, however much of the height it takes.
const FIT = { padding: { x: 0.06, y: 0.06, left: '62px' }, maxZoom: 1.1, duration: 0 } as const;

export default function Flow(props: FlowProps) {
  return (
    <ReactFlowProvider>
      <FlowView {...props} />
    </ReactFlowProvider>
  );
}

function FlowView({ drawn, selected, select, moving }: FlowProps) {
  const { positions, generation, tidy } = useLayout(topologyOf(drawn));
  const { fitView, zoomIn, zoomOut } = useReactFlow();

  useEffect(() => {
    if (generation === 0) return undefined;
    const frame = requestAnimationFrame(() => void fitView(FIT));
    return () => cancelAnimationFrame(frame);
  }, [generation, fitView]);

  // The panel takes room from the picture: it fits itself into what is left.
  const panel = selected !== undefined;
  useEffect(() => {
    const timer = setTimeout(() => void fitView(FIT), 60);
    return () => clearTimeout(timer);
  }, [panel, fitView]);

  const related = useMemo(() => relatedTo(selected, drawn.edges), [selected, drawn.edges]);
  const nodes = drawn.nodes.flatMap((node): FlowNode[] => {
    const position = positions[node.id];
    if (!position) return [];
    const dimmed = related !== undefined && !related.has(node.id);
    return [
      {
        id: node.id,
        type: 'mesh',
        position,
        data: { node },
        selected: node.id === selected,
        width: NODE_WIDTH,
        height: NODE_HEIGHT,
        className: dimmed ? (styles.dimmed ?? '') : '',
        ariaLabel: text.traffic.nodeLabel(
          node.name,
          text.kind[node.kind],
          text.health[node.health.status],
          rate(node.inbound.requestsPerSecond),
          percent(node.inbound.errorPercent),
        ),
      },
    ];
  });
  const edges = drawn.edges.flatMap((edge): FlowEdge[] => {
    const [source, target] = [positions[edge.source], positions[edge.target]];
    if (!source || !target) return [];
    const dimmed = related !== undefined && !related.has(edge.id);
    return [
      {
        id: edge.id,
        type: 'mesh',
        source: edge.source,
        target: edge.target,
        data: { edge, source, target },
        selected: edge.id === selected,
        className: dimmed ? (styles.dimmed ?? '') : '',
        ariaLabel: `${edge.source} → ${edge.target}`,
      },
    ];
  });

  return (
    <div className={styles.flow} role="application" aria-label={text.traffic.graphLabel}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        onNodeClick={(_event, node) => select(node.id)}
        onEdgeClick={(_event, edge) => select(edge.id)}
        onPaneClick={() => select(undefined)}
        onNodesChange={(changes) => selectByKey(changes, select)}
        onEdgesChange={(changes) => selectByKey(changes, select)}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesReconnectable={false}
        deleteKeyCode={null}
        multiSelectionKeyCode={null}
        onlyRenderVisibleElements
        minZoom={0.15}
        maxZoom={2}
        fitView
        fitViewOptions={FIT}
        proOptions={{ hideAttribution: false }}
      >
        <Background variant={BackgroundVariant.Dots} gap={22} size={1.2} className={styles.ground ?? ''} />
        {moving && edges.length <= MOVING_EDGES && <MovingTraffic edges={drawn.edges} positions={positions} />}
        <Panel position="bottom-left" className={styles.controls ?? ''}>
          <Control label={text.traffic.zoomIn} icon={Plus} act={() => void zoomIn()} />
          <Control label={text.traffic.zoomOut} icon={Minus} act={() => void zoomOut()} />
          <Control label={text.traffic.fit} icon={Maximize} act={() => void fitView(FIT)} />
          <Control label={text.traffic.tidy} icon={Sparkles} act={tidy} />
        </Panel>
      </ReactFlow>
    </div>
  );
}

/** Enter on a focused node or edge arrives as a wish to select it; what is selected stands in the address alone. */
function selectByKey(
  changes: readonly (NodeChange<FlowNode> | EdgeChange<FlowEdge>)[],
  select: (id: string) => void,
): void {
  for (const change of changes) if (change.type === 'select' && change.selected) select(change.id);
}

const Control = ({
  label,
  icon: Icon,
  act,
}: {
  readonly label: string;
  readonly icon: LucideIcon;
  readonly act: () => void;
}) => (
  <Tooltip label={label} position="right" withArrow>
    <ActionIcon variant="default" size={30} aria-label={label} onClick={act}>
      <Icon size={15} />
    </ActionIcon>
  </Tooltip>
);

/** The selected node with its edges and their ends, or the edge with its two. */
function relatedTo(selected: string | undefined, edges: readonly GraphEdge[]): ReadonlySet<string> | undefined {
  if (selected === undefined) return undefined;
  const related = new Set([selected]);
  for (const { id, source, target } of edges)
    if (source === selected || target === selected || id === selected) related.add(id).add(source).add(target);
  return related;
}

const MeshNode = memo(({ data: { node }, selected }: NodeProps<FlowNode>) => {
  const Icon = KIND_ICONS[node.kind];
  const { inbound, outbound, health } = node;
  const shown = inbound.requests > 0 ? inbound : outbound;
  return (
    <div
      className={styles.node}
      data-kind={node.kind}
      data-health={health.status}
      data-selected={selected}
      data-idle={node.idle}
    >
      <Handle type="target" position={Position.Left} className={styles.handle ?? ''} />
      <div className={styles.nodeHead}>
        <Icon size={15} aria-hidden className={styles.kind ?? ''} />
        <span className={styles.nodeName}>
          {node.kind === 'unknown' ? text.kind.unknown : (node.service ?? node.name)}
        </span>
        {node.version !== undefined && node.kind === 'workload' && (
          <span className={styles.version}>{node.version}</span>
        )}
        <HealthIcon status={health.status} size={15} />
      </div>
      <div className={styles.nodeFoot}>
        {node.idle ? (
          text.traffic.idleNode
        ) : (
          <>
            <span>{rate(shown.requestsPerSecond)}</span>
            {shown.errorPercent > 0 && (
              <Toned tone={errorTone(shown.errorPercent)}>{percent(shown.errorPercent)}</Toned>
            )}
            {shown.latencyMs && <span>{latencyText(shown.latencyMs.p95)}</span>}
          </>
        )}
      </div>
      <Handle type="source" position={Position.Right} className={styles.handle ?? ''} />
    </div>
  );
});
MeshNode.displayName = 'MeshNode';

const zoomSelector = ({ transform }: { readonly transform: readonly [number, number, number] }): boolean =>
  transform[2] >= LABEL_ZOOM;

const MeshEdge = memo(({ id, data, selected }: EdgeProps<FlowEdge>) => {
  const labelled = useStore(zoomSelector);
  if (!data) return null;
  const { edge, source, target } = data;
  const curve = curveBetween(source, target);
  const middle = pointAt(curve, 0.5);
  const path = pathOf(curve);
  const Seal = edge.mtls === 'mutual' ? Lock : LockOpen;
  return (
    <>
      <path
        id={id}
        d={path}
        className={styles.edge}
        data-health={edge.health.status}
        data-mtls={edge.mtls}
        data-selected={selected}
        style={{ strokeWidth: widthOf(edge) }}
      />
      <path d={path} className={styles.edgeHit} />
      {(labelled || selected) && (
        <EdgeLabelRenderer>
          <div
            className={styles.label}
            data-selected={selected}
            style={{ transform: `translate(-50%, -50%) translate(${middle.x}px, ${middle.y}px)` }}
          >
            {edge.mtls !== 'unknown' && (
              <Seal
                size={11}
                className={styles.seal}
                data-mtls={edge.mtls}
                role="img"
                aria-label={text.mtls[edge.mtls]}
              />
            )}
            <span>{rate(edge.traffic.requestsPerSecond)}</span>
            {edge.traffic.errorPercent > 0 && (
              <Toned tone={errorTone(edge.traffic.errorPercent)}>{percent(edge.traffic.errorPercent)}</Toned>
            )}
            {edge.traffic.latencyMs && <span className={styles.faint}>{latencyText(edge.traffic.latencyMs.p95)}</span>}
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  );
});
MeshEdge.displayName = 'MeshEdge';

const NODE_TYPES = { mesh: MeshNode };
const EDGE_TYPES = { mesh: MeshEdge };
