import type { CertificateView, MeshView, ProxyView } from '@weft/contracts/console-views';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { queries } from '../../api/queries.ts';
import { accountOf, dateTime, span, until } from '../../format/numbers.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { Badge, HealthBadge, Meter, SyncBadge, Tag } from '../../ui/badges.tsx';
import { type Column, DataTable } from '../../ui/data-table.tsx';
import { HEALTH_ORDER } from '../../ui/health-order.ts';
import { Card, Empty, Facts, Loaded, Page, Quiet } from '../../ui/page.tsx';
import { useNow, useSettings } from '../../ui/settings.tsx';
import { CERTIFICATE_TONE } from '../../ui/tone.ts';
import { ConfigLinks, NodeLink } from '../../ui/traffic-columns.tsx';

const TYPES = ['CDS', 'EDS', 'LDS', 'RDS'];
const SLOW_MS = 5_000;

export default function MeshPage() {
  const { windowMs, paused } = useSettings();
  const mesh = useQuery(queries.mesh(windowMs, paused));
  return (
    <Page
      title={text.mesh.title}
      beside={mesh.data && <HealthBadge health={mesh.data.health} />}
      why={mesh.data?.health.why}
      command={commands.mesh()}
    >
      <Loaded query={mesh} height={200}>
        {(data) => <ControlPlane mesh={data} />}
      </Loaded>
      <Proxies />
      <Certificates />
      {mesh.data && <Listeners mesh={mesh.data} />}
    </Page>
  );
}

function ControlPlane({ mesh }: { readonly mesh: MeshView }) {
  const now = useNow();
  return (
    <Card title={text.mesh.control}>
      <Facts
        rows={[
          [text.mesh.version, mesh.version],
          [
            text.mesh.id,
            <span key="id" className="mono">
              {mesh.meshId}
            </span>,
          ],
          [
            text.mesh.trustDomain,
            <span key="domain" className="mono">
              {mesh.trustDomain}
            </span>,
          ],
          [text.mesh.interception, mesh.interception],
          [text.mesh.uptime, span(now - mesh.startedAt)],
          [text.overview.proxies, `${mesh.counts.proxiesSynced} of ${mesh.counts.proxies}`],
        ]}
      />
    </Card>
  );
}

type Listener = MeshView['ports'][number];
const LISTENERS: readonly Column<Listener>[] = [
  { id: 'name', title: text.columns.name, by: ({ name }) => name, cell: ({ name }) => name },
  {
    id: 'address',
    title: text.columns.address,
    by: ({ port }) => port,
    cell: ({ address, port }) => (
      <span className="mono">
        {address}:{port}
      </span>
    ),
  },
  {
    id: 'auth',
    title: text.columns.authentication,
    cell: ({ authentication }) => <span className="muted">{authentication}</span>,
  },
];

/** Those of the control plane and the gateways; each workload has some more of its own. */
function Listeners({ mesh }: { readonly mesh: MeshView }) {
  const [all, setAll] = useState(false);
  const main = mesh.ports.filter(({ owner }) => owner === 'control-plane' || owner === 'gateway');
  const rows = all ? mesh.ports : main;
  const more = mesh.ports.length - main.length;
  return (
    <Card
      title={text.mesh.listeners}
      flush
      actions={
        more > 0 && (
          <Button variant="subtle" color="gray" size="compact-sm" onClick={() => setAll(!all)}>
            {all ? text.mesh.fewer : text.mesh.more(more)}
          </Button>
        )
      }
    >
      <DataTable
        label={text.mesh.listeners}
        columns={LISTENERS}
        rows={rows}
        rowKey={({ name, address, port }) => `${name} ${address}:${port}`}
      />
    </Card>
  );
}

const PROXIES: readonly Column<ProxyView>[] = [
  {
    id: 'name',
    title: text.columns.name,
    by: ({ name }) => name,
    cell: ({ kind, namespace, name }) => (
      <>
        <NodeLink kind={kind === 'gateway' ? 'gateway' : 'workload'} namespace={namespace} name={name} />{' '}
        {kind === 'gateway' && <Tag>{text.kind.gateway}</Tag>}
      </>
    ),
  },
  {
    id: 'health',
    title: text.columns.health,
    by: ({ health }) => HEALTH_ORDER.indexOf(health.status),
    cell: ({ health }) => <HealthBadge health={health} plain />,
  },
  {
    id: 'connected',
    title: text.mesh.connected,
    cell: ({ connected }) => (connected ? text.mesh.connected : text.sync.disconnected),
  },
  ...TYPES.map((type): Column<ProxyView> => ({
    id: type,
    title: type,
    cell: ({ sync }) => <SyncBadge state={sync.find((item) => item.type === type)?.state ?? 'not-sent'} />,
  })),
  {
    id: 'admin',
    title: text.workloads.admin,
    cell: ({ adminAddress }) => <span className="mono muted">{adminAddress ?? '–'}</span>,
  },
];

function Proxies() {
  const { paused } = useSettings();
  const query = useQuery(queries.proxies(paused));
  return (
    <Card title={text.mesh.proxies} flush>
      <Loaded query={query} height={260}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title={text.empty.mesh} how={text.empty.meshHow} command={commands.demo()} />
          ) : (
            <>
              <DataTable
                label={text.mesh.proxies}
                columns={PROXIES}
                rows={items}
                rowKey={({ id }) => id}
                initial={{ id: 'health', descending: false }}
              />
              {items.flatMap(({ id, name, sync }) =>
                sync.flatMap(({ type, rejection }) =>
                  rejection
                    ? [
                        <Quiet key={`${id} ${type}`}>
                          <strong>
                            {name} · {type}:
                          </strong>{' '}
                          {rejection.message}
                        </Quiet>,
                        ...(rejection.config && rejection.config.length > 0
                          ? [
                              <Quiet key={`${id} ${type} config`}>
                                <ConfigLinks refs={rejection.config} />
                              </Quiet>,
                            ]
                          : []),
                      ]
                    : [],
                ),
              )}
            </>
          )
        }
      </Loaded>
    </Card>
  );
}

function Certificates() {
  const { paused } = useSettings();
  const query = useQuery(queries.certificates(paused));
  const now = useNow(SLOW_MS);
  const columns = (leaf: boolean): readonly Column<CertificateView>[] => [
    {
      id: 'subject',
      title: text.columns.identity,
      by: ({ subject }) => subject,
      cell: ({ subject, namespace, workload }) =>
        leaf && namespace !== undefined && workload !== undefined ? (
          <>
            <NodeLink kind="workload" namespace={namespace} name={workload} />
            <div className="mono muted" title={subject}>
              {accountOf(subject)}
            </div>
          </>
        ) : (
          subject
        ),
    },
    {
      id: 'state',
      title: text.columns.state,
      by: ({ state }) => state,
      cell: ({ state }) => (
        <Badge tone={CERTIFICATE_TONE[state]} plain>
          {text.certificate[state]}
        </Badge>
      ),
    },
    {
      id: 'ends',
      title: text.columns.ends,
      by: ({ notAfter }) => notAfter,
      cell: ({ notAfter }) => <span title={dateTime(notAfter)}>{until(notAfter, now)}</span>,
    },
    {
      id: 'life',
      title: text.columns.life,
      by: ({ lifeUsedPercent }) => lifeUsedPercent,
      cell: ({ lifeUsedPercent, state }) => (
        <>
          <Meter percent={lifeUsedPercent} tone={CERTIFICATE_TONE[state]} />{' '}
          <span className="num">{lifeUsedPercent.toFixed(0)} %</span>
        </>
      ),
    },
    { id: 'issuer', title: text.columns.issuer, by: ({ issuer }) => issuer, cell: ({ issuer }) => issuer },
    {
      id: 'serial',
      title: text.columns.serial,
      cell: ({ serial, fingerprint }) => (
        <span className="mono muted" title={`SHA-256 ${fingerprint}`}>
          {serial}
        </span>
      ),
    },
  ];
  return (
    <Loaded query={query} height={260}>
      {({ roots, intermediates, workloads }) => (
        <>
          <Card title={text.mesh.certificates} flush>
            <DataTable
              label={text.mesh.certificates}
              columns={columns(true)}
              rows={workloads}
              rowKey={({ namespace, workload, serial }) => `${namespace}/${workload}/${serial}`}
            />
          </Card>
          <Card title={text.mesh.roots} flush>
            <DataTable
              label={text.mesh.roots}
              columns={columns(false)}
              rows={[...roots, ...intermediates]}
              rowKey={({ fingerprint }) => fingerprint}
            />
          </Card>
        </>
      )}
    </Loaded>
  );
}
