import { HEALTH_ORDER } from '../../ui/health-order.ts';
import type { ServiceSummary } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { queries } from '../../api/queries.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { HealthBadge, Sparkline, Tag, Tags, Toned } from '../../ui/badges.tsx';
import { type Column, RowName } from '../../ui/data-table.tsx';
import { HealthList } from '../../ui/health-list.tsx';
import { useSettings } from '../../ui/settings.tsx';
import { trafficColumns, trendColumn } from '../../ui/traffic-columns.tsx';
import { useListFilter } from '../../ui/use-list.ts';

const COLUMNS: readonly Column<ServiceSummary>[] = [
  {
    id: 'name',
    title: text.columns.name,
    by: ({ name }) => name,
    cell: ({ namespace, name }) => (
      <Link to="/services/$ns/$name" params={{ ns: namespace, name }}>
        <RowName>{name}</RowName>
      </Link>
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
  ...trafficColumns<ServiceSummary>(({ traffic }) => traffic),
  trendColumn(text.columns.trend, ({ trend }) => <Sparkline points={trend} />),
  {
    id: 'versions',
    title: text.columns.versions,
    cell: ({ versions }) => (
      <Tags>
        {versions.map((version) => (
          <Tag key={version}>{version}</Tag>
        ))}
      </Tags>
    ),
  },
  {
    id: 'endpoints',
    title: text.columns.endpoints,
    right: true,
    by: ({ endpoints }) => endpoints.ready,
    cell: ({ endpoints: { ready, total } }) => (
      <Toned tone={ready < total ? 'warn' : 'none'}>
        {ready}/{total}
      </Toned>
    ),
  },
];

export default function ServicesPage() {
  const { windowMs, paused } = useSettings();
  const query = useQuery(queries.services(windowMs, paused));
  const filter = useListFilter(useSearch({ from: '/services' }));
  return (
    <HealthList
      title={text.services.title}
      command={commands.services()}
      query={query}
      filter={filter}
      columns={COLUMNS}
    />
  );
}
