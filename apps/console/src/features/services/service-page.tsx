import type { EndpointView } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { queries } from '../../api/queries.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { Badge, HealthBadge, Tag, Tags } from '../../ui/badges.tsx';
import { type Column, DataTable, RowName } from '../../ui/data-table.tsx';
import { Card, Empty, Loaded, Page, Side, Stack } from '../../ui/page.tsx';
import { useSettings } from '../../ui/settings.tsx';
import { STATE_TONE } from '../../ui/tone.ts';
import { CodeTable, ConfigLinks, PeerTable, trafficColumns } from '../../ui/traffic-columns.tsx';

const Charts = lazy(() => import('../../ui/charts.tsx'));

const ENDPOINTS: readonly Column<EndpointView>[] = [
  {
    id: 'name',
    title: text.columns.name,
    by: ({ workload }) => workload,
    cell: ({ namespace, workload, version }) => (
      <>
        <Link to="/workloads/$ns/$name" params={{ ns: namespace, name: workload }}>
          <RowName>{workload}</RowName>
        </Link>{' '}
        {version !== undefined && <Tag>{version}</Tag>}
      </>
    ),
  },
  {
    id: 'state',
    title: text.columns.state,
    cell: ({ state }) => (
      <Badge tone={STATE_TONE[state]} plain>
        {text.state[state]}
      </Badge>
    ),
  },
  {
    id: 'address',
    title: text.columns.address,
    cell: ({ address, port }) => (
      <span className="mono">
        {address}:{port}
      </span>
    ),
  },
  ...trafficColumns<EndpointView>(({ traffic }) => traffic),
];

export default function ServicePage() {
  const { ns, name } = useParams({ from: '/services/$ns/$name' });
  const { windowMs, paused } = useSettings();
  const query = useQuery(queries.service(ns, name, windowMs, paused));
  const service = query.data;
  return (
    <Page
      title={name}
      crumb={<Link to="/services">{text.services.title}</Link>}
      beside={
        <>
          {service && <HealthBadge health={service.health} />}
          <Tag>{ns}</Tag>
          <Tags>
            {service?.ports.map(({ name: port, port: number }) => (
              <Tag key={number}>
                {port} {number}
              </Tag>
            ))}
          </Tags>
        </>
      }
      why={service?.health.why}
      command={commands.service(ns, name)}
    >
      <Loaded query={query} height={420}>
        {({ endpointList, callers, codes, config }) => (
          <>
            <Suspense>
              <Charts subject={{ namespace: ns, service: name }} />
            </Suspense>
            <Side>
              <Stack>
                <Card title={text.services.endpoints} flush>
                  {endpointList.length === 0 ? (
                    <Empty title={text.empty.mesh} command={commands.run()} />
                  ) : (
                    <DataTable
                      label={text.services.endpoints}
                      columns={ENDPOINTS}
                      rows={endpointList}
                      rowKey={({ workload, port }) => `${workload}:${port}`}
                    />
                  )}
                </Card>
                <Card title={text.services.callers} flush>
                  <PeerTable label={text.services.callers} peers={callers} />
                </Card>
              </Stack>
              <Stack>
                <Card title={text.services.answers} flush>
                  <CodeTable codes={codes} />
                </Card>
                <Card title={text.services.config}>
                  <ConfigLinks refs={config} />
                </Card>
              </Stack>
            </Side>
          </>
        )}
      </Loaded>
    </Page>
  );
}
