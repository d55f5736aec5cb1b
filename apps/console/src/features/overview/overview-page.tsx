import type { Attention, MeshView, ServiceSummary } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck, ExternalLink } from 'lucide-react';
import { lazy, type ReactNode, Suspense } from 'react';
import { queries } from '../../api/queries.ts';
import { count, percent, rate } from '../../format/numbers.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { HealthBadge, HealthIcon, Sparkline, Toned } from '../../ui/badges.tsx';
import { type Column, DataTable, RowName } from '../../ui/data-table.tsx';
import { HEALTH_ORDER } from '../../ui/health-order.ts';
import { Card, Command, Empty, Loaded, Page, Side, Stack } from '../../ui/page.tsx';
import { useSettings } from '../../ui/settings.tsx';
import { errorTone } from '../../ui/tone.ts';
import { ConfigLink, latencyText, NodeLink, trafficColumns, trendColumn } from '../../ui/traffic-columns.tsx';
import styles from './overview.module.css';

const Charts = lazy(() => import('../../ui/charts.tsx'));

export default function OverviewPage() {
  const { windowMs, paused } = useSettings();
  const query = useQuery(queries.mesh(windowMs, paused));
  return (
    <Page title={text.overview.title} command={commands.overview()}>
      <Loaded query={query} height={420}>
        {(mesh) =>
          mesh.counts.workloads === 0 ? (
            <Card>
              <Empty title={text.empty.mesh} how={text.empty.meshHow} command={commands.demo()}>
                <Command line={commands.run()} />
              </Empty>
            </Card>
          ) : (
            <>
              <Numbers mesh={mesh} />
              <Side>
                <Stack>
                  <Card title={text.overview.attention} flush>
                    <Findings attention={mesh.attention} />
                  </Card>
                  <Services />
                </Stack>
                <Stack>
                  <Suspense>
                    <Charts subject={{}} only="requests" />
                  </Suspense>
                  {mesh.open.length > 0 && <OpenLinks mesh={mesh} />}
                </Stack>
              </Side>
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function Numbers({ mesh }: { readonly mesh: MeshView }) {
  const { traffic, counts, mtlsPercent } = mesh;
  const idle = traffic.requests === 0;
  return (
    <div className={styles.numbers}>
      <Number
        label={text.overview.traffic}
        value={rate(traffic.requestsPerSecond)}
        note={text.overview.trafficNote}
        to="/traffic"
      />
      <Number
        label={text.overview.errors}
        value={idle ? '–' : <Toned tone={errorTone(traffic.errorPercent)}>{percent(traffic.errorPercent)}</Toned>}
        to="/traffic"
      />
      <Number label={text.overview.latency} value={latencyText(traffic.latencyMs?.p95)} to="/traffic" />
      <Number
        label={text.overview.mtls}
        value={mtlsPercent === undefined ? '–' : percent(mtlsPercent)}
        note={text.overview.mtlsNote}
        to="/mesh"
      />
      <Number
        label={text.overview.services}
        value={count(counts.services)}
        note={text.overview.servicesNote(counts.workloads)}
        to="/services"
      />
      <Number label={text.overview.proxies} value={`${counts.proxiesSynced}/${counts.proxies}`} to="/mesh" />
      <Number
        label={text.overview.config}
        value={count(counts.config)}
        note={text.overview.configNote(counts.configErrors, counts.configWarnings)}
        to="/config"
      />
    </div>
  );
}

interface NumberProps {
  readonly label: string;
  readonly value: ReactNode;
  readonly note?: string;
  readonly to: '/traffic' | '/services' | '/mesh' | '/config';
}

const Number = ({ label, value, note, to }: NumberProps) => (
  <Link to={to} className={styles.number}>
    <div className={styles.label}>{label}</div>
    <div className={styles.value}>{value}</div>
    {note !== undefined && <div className={styles.note}>{note}</div>}
  </Link>
);

function Findings({ attention }: { readonly attention: readonly Attention[] }) {
  if (attention.length === 0)
    return (
      <div className={styles.calm}>
        <CircleCheck size={18} aria-hidden />
        <div>
          <strong>{text.overview.calm}</strong>
          <p className="muted">{text.overview.calmMore}</p>
        </div>
      </div>
    );
  return (
    <ul className={styles.findings}>
      {attention.map((item) => (
        <li key={`${item.object.kind}/${item.object.namespace}/${item.object.name}`}>
          <HealthIcon status={item.severity} size={17} />
          <span>{item.message}</span>
          <FindingLink {...item.object} />
        </li>
      ))}
    </ul>
  );
}

/** To the page that proves the finding. */
function FindingLink({ kind, namespace, name, group, configKind }: Attention['object']) {
  if (kind === 'service' || kind === 'workload') return <NodeLink kind={kind} namespace={namespace} name={name} />;
  if (kind === 'certificate') return <NodeLink kind="workload" namespace={namespace} name={name} />;
  if (kind === 'config' && configKind !== undefined)
    return <ConfigLink group={group ?? ''} kind={configKind} namespace={namespace} name={name} />;
  if (kind === 'edge')
    return (
      <Link to="/traffic" search={{ sel: `${name}>http` }}>
        {text.nav.traffic}
      </Link>
    );
  return <Link to="/mesh">{text.nav.mesh}</Link>;
}

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
    id: 'health',
    title: text.columns.health,
    by: ({ health }) => HEALTH_ORDER.indexOf(health.status),
    cell: ({ health }) => <HealthBadge health={health} plain />,
  },
  ...trafficColumns<ServiceSummary>(({ traffic }) => traffic),
  trendColumn(text.columns.trend, ({ trend }) => <Sparkline points={trend} />),
];
const SHOWN = 8;

function Services() {
  const { windowMs, paused } = useSettings();
  const query = useQuery(queries.services(windowMs, paused));
  return (
    <Card title={text.overview.busiest} flush actions={<Link to="/services">{text.overview.all}</Link>}>
      <Loaded query={query} height={220}>
        {({ items }) => (
          <DataTable
            label={text.overview.busiest}
            columns={COLUMNS}
            rows={items
              .toSorted((a, b) => HEALTH_ORDER.indexOf(a.health.status) - HEALTH_ORDER.indexOf(b.health.status))
              .slice(0, SHOWN)}
            rowKey={({ namespace, name }) => `${namespace}/${name}`}
          />
        )}
      </Loaded>
    </Card>
  );
}

function OpenLinks({ mesh }: { readonly mesh: MeshView }) {
  return (
    <Card title={text.overview.open}>
      <div className={styles.links}>
        {mesh.open.map(({ name, url, description }) => (
          <div key={url}>
            <a href={safeUrl(url)} target="_blank" rel="noreferrer noopener">
              {name} <ExternalLink size={13} aria-hidden />
            </a>
            <div className="muted">{description}</div>
          </div>
        ))}
      </div>
    </Card>
  );
}

/** Only web addresses become links. */
const safeUrl = (url: string): string | undefined => (/^https?:\/\//.test(url) ? url : undefined);
