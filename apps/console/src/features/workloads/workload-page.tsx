import type { WorkloadDetails } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { queries } from '../../api/queries.ts';
import { accountOf, dateTime, span, until } from '../../format/numbers.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { Badge, HealthBadge, Meter, SyncBadge, Tag, Tags } from '../../ui/badges.tsx';
import { AccessLog } from '../../ui/access-log.tsx';
import { Card, Facts, Grid, Loaded, Page, Side, Stack } from '../../ui/page.tsx';
import { useNow, useSettings } from '../../ui/settings.tsx';
import { CERTIFICATE_TONE, STATE_TONE } from '../../ui/tone.ts';
import { CodeTable, ConfigLinks, PeerTable } from '../../ui/traffic-columns.tsx';
import { SyncTable } from '../../ui/sync-table.tsx';

const Charts = lazy(() => import('../../ui/charts.tsx'));

export default function WorkloadPage() {
  const { ns, name } = useParams({ from: '/workloads/$ns/$name' });
  const { windowMs, paused } = useSettings();
  const query = useQuery(queries.workload(ns, name, windowMs, paused));
  const workload = query.data;
  return (
    <Page
      title={name}
      crumb={<Link to="/workloads">{text.workloads.title}</Link>}
      beside={
        <>
          {workload && <HealthBadge health={workload.health} />}
          <Tag>{ns}</Tag>
          {workload?.version !== undefined && <Tag>{workload.version}</Tag>}
        </>
      }
      why={workload?.health.why}
      command={commands.workload(ns, name)}
    >
      <Loaded query={query} height={420}>
        {(data) => (
          <>
            <Suspense>
              <Charts subject={{ namespace: ns, workload: name }} />
            </Suspense>
            <Side>
              <Stack>
                <Card title={text.workloads.callers} flush>
                  <PeerTable label={text.workloads.callers} peers={data.callers} />
                </Card>
                <Card title={text.workloads.callees} flush>
                  <PeerTable label={text.workloads.callees} peers={data.callees} />
                </Card>
                <Card title={text.workloads.log} flush>
                  <AccessLog filter={{ namespace: ns, workload: name, windowMs, limit: 20 }} />
                </Card>
              </Stack>
              <Stack>
                <About workload={data} />
                <Card title={text.workloads.answers} flush>
                  <CodeTable codes={data.codes} />
                </Card>
                <Card title={text.workloads.config}>
                  <ConfigLinks refs={data.config} />
                </Card>
              </Stack>
            </Side>
            {data.proxyDetails && (
              <Grid>
                <Card title={text.workloads.proxy} flush actions={<SyncBadge state={data.proxy} />}>
                  <SyncTable sync={data.proxyDetails.sync} />
                </Card>
              </Grid>
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function About({ workload }: { readonly workload: WorkloadDetails }) {
  const now = useNow();
  const { service, namespace, labels, ports, certificate, proxyDetails } = workload;
  return (
    <>
      <Card title={text.workloads.facts}>
        <Facts
          rows={[
            [
              text.columns.state,
              <Badge key="state" tone={STATE_TONE[workload.state]} plain>
                {text.state[workload.state]}
              </Badge>,
            ],
            ...(service === undefined
              ? []
              : [
                  [
                    text.columns.service,
                    <Link key="service" to="/services/$ns/$name" params={{ ns: namespace, name: service }}>
                      {service}
                    </Link>,
                  ] as const,
                ]),
            [text.workloads.account, workload.serviceAccount],
            [text.workloads.running, span(now - workload.startedAt)],
            [
              text.workloads.address,
              <span key="address" className="mono">
                {workload.address}
              </span>,
            ],
            ...ports.map(
              ({ name, servicePort, appAddress, appPort }) =>
                [
                  name,
                  <span key={name} className="mono">
                    {servicePort} → {appAddress}:{appPort}
                  </span>,
                ] as const,
            ),
            ...(proxyDetails?.adminAddress === undefined
              ? []
              : [
                  [
                    text.workloads.admin,
                    <span key="admin" className="mono">
                      {proxyDetails.adminAddress}
                    </span>,
                  ] as const,
                ]),
            [
              text.workloads.labels,
              <Tags key="labels">
                {Object.entries(labels).map(([key, value]) => (
                  <Tag key={key}>
                    {key}={value}
                  </Tag>
                ))}
              </Tags>,
            ],
          ]}
        />
      </Card>
      {certificate && (
        <Card
          title={text.workloads.certificate}
          actions={
            <Badge tone={CERTIFICATE_TONE[certificate.state]} plain>
              {text.certificate[certificate.state]}
            </Badge>
          }
        >
          <Facts
            rows={[
              [
                text.workloads.identity,
                <span key="identity" className="mono" title={certificate.subject}>
                  {accountOf(certificate.subject)}
                </span>,
              ],
              [
                text.workloads.ends,
                <span key="ends" title={dateTime(certificate.notAfter)}>
                  {until(certificate.notAfter, now)}{' '}
                  <Meter percent={certificate.lifeUsedPercent} tone={CERTIFICATE_TONE[certificate.state]} />
                </span>,
              ],
              ...(certificate.renewedAt === undefined
                ? []
                : [[text.workloads.renewed, dateTime(certificate.renewedAt)] as const]),
              ...(certificate.renewalFailures === undefined
                ? []
                : [[text.workloads.failures, String(certificate.renewalFailures)] as const]),
              [
                text.workloads.serial,
                <span key="serial" className="mono">
                  {certificate.serial}
                </span>,
              ],
            ]}
          />
        </Card>
      )}
    </>
  );
}
