import { SegmentedControl, Switch } from '@mantine/core';
import { useReducedMotion } from '@mantine/hooks';
import type { GraphEdge, GraphView } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useMemo } from 'react';
import { queries } from '../../api/queries.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import type { TrafficSearch } from '../../router.tsx';
import { HealthBadge, MtlsBadge } from '../../ui/badges.tsx';
import { type Column, DataTable } from '../../ui/data-table.tsx';
import { Card, Command, Empty, Loaded, Page, Quiet } from '../../ui/page.tsx';
import { useSettings } from '../../ui/settings.tsx';
import { usePageKeys } from '../../ui/shortcuts.tsx';
import { NodeLink, trafficColumns } from '../../ui/traffic-columns.tsx';
import { choose, type Drawn } from './picture.ts';
import { Ill, SidePanel } from './side-panel.tsx';
import styles from './traffic.module.css';

const Flow = lazy(() => import('./flow.tsx'));

export default function TrafficPage() {
  const { windowMs, paused } = useSettings();
  const query = useQuery(queries.graph(windowMs, paused));
  const { view, problems = false, idle = true, still = false } = useSearch({ from: '/traffic' });
  const navigate = useNavigate({ from: '/traffic' });
  const reduced = useReducedMotion();
  const set = (change: Readonly<Record<string, unknown>>): void =>
    void navigate({
      search: (former: TrafficSearch) =>
        Object.fromEntries(Object.entries({ ...former, ...change }).filter(([, value]) => value !== undefined)),
      replace: true,
    });
  const keys = useMemo(
    () => ({
      problems: () =>
        void navigate({
          search: ({ problems: on, ...rest }: TrafficSearch) => (on ? rest : { ...rest, problems: true }),
          replace: true,
        }),
      close: () => void navigate({ search: ({ sel: _selected, ...rest }: TrafficSearch) => rest, replace: true }),
    }),
    [navigate],
  );
  usePageKeys(keys);

  return (
    <Page title={text.traffic.title} command={commands.traffic()} full>
      <div className={styles.bar}>
        <SegmentedControl
          size="xs"
          aria-label={text.traffic.view}
          value={view ?? 'graph'}
          data={[
            { value: 'graph', label: text.traffic.graph },
            { value: 'table', label: text.traffic.table },
          ]}
          onChange={(value) => set({ view: value === 'table' ? 'table' : undefined })}
        />
        <Switch
          size="xs"
          label={text.traffic.problems}
          checked={problems}
          onChange={({ currentTarget: { checked } }) => set({ problems: checked || undefined })}
        />
        <Switch
          size="xs"
          label={text.traffic.idle}
          checked={idle}
          onChange={({ currentTarget: { checked } }) => set({ idle: checked ? undefined : false })}
        />
        <Switch
          size="xs"
          label={text.traffic.motion}
          checked={!still && !reduced}
          disabled={reduced}
          onChange={({ currentTarget: { checked } }) => set({ still: checked ? undefined : true })}
        />
        <span className={styles.spring} />
        {query.data && (
          <span className="muted">{text.traffic.counts(query.data.nodes.length, query.data.edges.length)}</span>
        )}
      </div>
      <Loaded query={query} height={520}>
        {(graph) => (
          <Picture
            graph={graph}
            drawn={choose(graph, { problems, idle })}
            table={view === 'table'}
            problems={problems}
            moving={!still && !reduced && !paused}
          />
        )}
      </Loaded>
    </Page>
  );
}

interface PictureProps {
  readonly graph: GraphView;
  readonly drawn: Drawn;
  readonly table: boolean;
  readonly problems: boolean;
  readonly moving: boolean;
}

function Picture({ graph, drawn, table, problems, moving }: PictureProps) {
  const { sel } = useSearch({ from: '/traffic' });
  const navigate = useNavigate({ from: '/traffic' });
  const select = (id: string | undefined): void =>
    void navigate({
      search: ({ sel: _former, ...rest }: TrafficSearch) => (id === undefined ? rest : { ...rest, sel: id }),
      replace: true,
    });
  const open = [...graph.nodes, ...graph.edges].some(({ id }) => id === sel);
  if (graph.nodes.length === 0)
    return (
      <Card>
        <Empty title={text.empty.mesh} how={text.empty.meshHow} command={commands.demo()}>
          <Command line={commands.run()} />
        </Empty>
      </Card>
    );
  if (drawn.nodes.length === 0)
    return (
      <Card>
        {problems ? (
          <Empty title={text.traffic.noProblems} how={text.traffic.noProblemsHow} />
        ) : (
          <Empty title={text.empty.traffic} how={text.empty.trafficHow} command={commands.demo()} />
        )}
      </Card>
    );
  return (
    <div className={styles.picture} data-panel={open}>
      <div className={styles.main}>
        {graph.edges.length === 0 && (
          <div className={styles.notice}>
            <span>
              <strong>{text.empty.traffic}.</strong> {text.empty.trafficHow}
            </span>
            <Command line={commands.demo()} />
          </div>
        )}
        {table ? (
          <div className={styles.scroll}>
            <EdgeTable graph={graph} edges={drawn.edges} />
          </div>
        ) : (
          <div className={styles.canvasBox}>
            <Suspense>
              <Flow drawn={drawn} selected={open ? sel : undefined} select={select} moving={moving} />
            </Suspense>
            {!open && <Ill nodes={drawn.nodes} select={select} />}
          </div>
        )}
        {graph.hidden.nodes + graph.hidden.edges > 0 && (
          <Quiet>{text.traffic.hidden(graph.hidden.nodes, graph.hidden.edges)}</Quiet>
        )}
      </div>
      {open && <SidePanel graph={graph} selected={sel} select={select} />}
    </div>
  );
}

function EdgeTable({ graph, edges }: { readonly graph: GraphView; readonly edges: readonly GraphEdge[] }) {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const end = (id: string) => {
    const node = nodes.get(id);
    return node ? <NodeLink {...node} /> : id;
  };
  const columns: readonly Column<GraphEdge>[] = [
    { id: 'from', title: text.columns.from, by: ({ source }) => source, cell: ({ source }) => end(source) },
    { id: 'to', title: text.columns.to, by: ({ target }) => target, cell: ({ target }) => end(target) },
    { id: 'protocol', title: text.columns.protocol, by: ({ protocol }) => protocol, cell: ({ protocol }) => protocol },
    {
      id: 'health',
      title: text.columns.health,
      by: ({ health }) => health.status,
      cell: ({ health }) => <HealthBadge health={health} plain />,
    },
    ...trafficColumns<GraphEdge>(({ traffic }) => traffic),
    { id: 'mtls', title: text.columns.mtls, by: ({ mtls }) => mtls, cell: ({ mtls }) => <MtlsBadge mtls={mtls} /> },
  ];
  return (
    <DataTable
      label={text.traffic.title}
      columns={columns}
      rows={edges}
      rowKey={({ id }) => id}
      initial={{ id: 'rate', descending: true }}
    />
  );
}
