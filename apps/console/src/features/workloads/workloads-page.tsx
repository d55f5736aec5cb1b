import type { WorkloadSummary } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { queries } from '../../api/queries.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { HealthBadge, Sparkline, SyncBadge, Tag } from '../../ui/badges.tsx';
import { type Column, DataTable, RowName } from '../../ui/data-table.tsx';
import { FilterBar, HealthChoice } from '../../ui/filter-bar.tsx';
import { HEALTH_ORDER } from '../../ui/health-order.ts';
import { Card, Empty, Loaded, Page } from '../../ui/page.tsx';
import { useSettings } from '../../ui/settings.tsx';
import { trafficColumns, trendColumn } from '../../ui/traffic-columns.tsx';
import { matches, namespacesOf, useListFilter } from '../../ui/use-list.ts';

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
    <Page title={text.workloads.title} command={commands.workloads()}>
      <Card flush>
        <Loaded query={query} height={320}>
          {({ items }) => {
            if (items.length === 0)
              return <Empty title={text.empty.mesh} how={text.empty.meshHow} command={commands.demo()} />;
            const { health } = filter.search;
            const rows = items.filter(
              (row) => matches(filter.search, row) && (health ?? row.health.status) === row.health.status,
            );
            return (
              <>
                <FilterBar filter={filter} namespaces={namespacesOf(items)}>
                  <HealthChoice value={health} onChange={(value) => filter.set({ health: value })} />
                </FilterBar>
                {rows.length === 0 ? (
                  <Empty title={text.filter.none} />
                ) : (
                  <DataTable
                    label={text.workloads.title}
                    columns={COLUMNS}
                    rows={rows}
                    rowKey={({ namespace, name }) => `${namespace}/${name}`}
                    initial={{ id: 'name', descending: false }}
                  />
                )}
              </>
            );
          }}
        </Loaded>
      </Card>
    </Page>
  );
}
