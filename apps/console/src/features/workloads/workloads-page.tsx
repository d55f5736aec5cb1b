import type { WorkloadSummary } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { queries } from '../../api/queries.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { HealthBadge, Sparkline, SyncBadge, Tag } from '../../ui/badges.tsx';
import { type Column, RowName } from '../../ui/data-table.tsx';
import { HealthList } from '../../ui/health-list.tsx';
import { HEALTH_ORDER } from '../../ui/health-order.ts';
import { useSettings } from '../../ui/settings.tsx';
import { trafficColumns, trendColumn } from '../../ui/traffic-columns.tsx';
import { useListFilter } from '../../ui/use-list.ts';

const COLUMNS: readonly Column<WorkloadSummary>[] = [
  {
    id: 'name',
    title: text.columns.name,
    by: ({ name }) => name,
    cell: ({ namespace, name, kind }) => (
      <>
        <Link to="/workloads/$ns/$name" params={{ ns: namespace, name }}>
          <RowName>{name}</RowName>
        </Link>{' '}
        {kind === 'gateway' && <Tag>{text.kind.gateway}</Tag>}
      </>
    ),
  },
  {
    id: 'namespace',
    title: text.columns.namespace,
    by: ({ namespace }) => namespace,
    cell: ({ namespace }) => namespace,
  },
  {
    id: 'health',
    title: text.columns.health,
    by: ({ health }) => HEALTH_ORDER.indexOf(health.status),
    cell: ({ health }) => <HealthBadge health={health} plain />,
  },
  ...trafficColumns<WorkloadSummary>(({ inbound }) => inbound),
  trendColumn(text.columns.trend, ({ trend }) => <Sparkline points={trend} />),
  {
    id: 'service',
    title: text.columns.service,
    by: ({ service }) => service ?? '',
    cell: ({ namespace, service }) =>
      service === undefined ? (
        <span className="muted">–</span>
      ) : (
        <Link to="/services/$ns/$name" params={{ ns: namespace, name: service }}>
          {service}
        </Link>
      ),
  },
  {
    id: 'proxy',
    title: text.columns.proxy,
    by: ({ proxy }) => proxy,
    cell: ({ proxy }) => <SyncBadge state={proxy} />,
  },
];

export default function WorkloadsPage() {
  const { windowMs, paused } = useSettings();
  const query = useQuery(queries.workloads(windowMs, paused));
  const filter = useListFilter(useSearch({ from: '/workloads' }));
  return (
    <HealthList
      title={text.workloads.title}
      command={commands.workloads()}
      query={query}
      filter={filter}
      columns={COLUMNS}
    />
  );
}
