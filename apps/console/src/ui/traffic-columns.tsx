/** The columns that every table of traffic has, in one order and one form. */
import type { CodeCount, ConfigRef, GraphNodeKind, PeerView, TrafficView } from '@weft/contracts/console-views';
import { Link } from '@tanstack/react-router';
import { bytes, duration, percent, rate } from '../format/numbers.ts';
import { FLAGS, text } from '../i18n/text.ts';
import { HealthBadge, MtlsBadge, Tag, Toned } from './badges.tsx';
import { type Column, DataTable, RowName } from './data-table.tsx';
import { Quiet } from './page.tsx';
import { errorTone, statusTone } from './tone.ts';

export function trafficColumns<Row>(of: (row: Row) => TrafficView): readonly Column<Row>[] {
  return [
    {
      id: 'rate',
      title: text.columns.rate,
      right: true,
      by: (row) => of(row).requestsPerSecond,
      cell: (row) => {
        const { requestsPerSecond, bytesPerSecond } = of(row);
        return bytesPerSecond !== undefined && bytesPerSecond > 0
          ? `${bytes(bytesPerSecond)}/s`
          : rate(requestsPerSecond);
      },
    },
    {
      id: 'errors',
      title: text.columns.errors,
      right: true,
      by: (row) => of(row).errorPercent,
      cell: (row) => <ErrorShare traffic={of(row)} />,
    },
    {
      id: 'p95',
      title: text.columns.p95,
      right: true,
      by: (row) => of(row).latencyMs?.p95 ?? -1,
      cell: (row) => latencyText(of(row).latencyMs?.p95),
    },
  ];
}

export const latencyText = (ms: number | undefined): string => (ms === undefined ? '–' : duration(ms));

export function ErrorShare({ traffic }: { readonly traffic: TrafficView }) {
  if (traffic.requests === 0) return '–';
  return <Toned tone={errorTone(traffic.errorPercent)}>{percent(traffic.errorPercent)}</Toned>;
}

export const trendColumn = <Row,>(title: string, cell: Column<Row>['cell']): Column<Row> => ({
  id: 'trend',
  title,
  cell,
});

interface NodeName {
  readonly kind: GraphNodeKind;
  readonly namespace: string;
  readonly name: string;
}

/** A name that leads to its page, where it has one. */
export function NodeLink({ kind, namespace, name }: NodeName) {
  if (kind === 'workload' || kind === 'gateway')
    return (
      <Link to="/workloads/$ns/$name" params={{ ns: namespace, name }}>
        <RowName>{name}</RowName>
      </Link>
    );
  if (kind === 'service')
    return (
      <Link to="/services/$ns/$name" params={{ ns: namespace, name }}>
        <RowName>{name}</RowName>
      </Link>
    );
  return <RowName>{kind === 'unknown' ? text.kind.unknown : name}</RowName>;
}

const PEER_COLUMNS: readonly Column<PeerView>[] = [
  {
    id: 'name',
    title: text.columns.peer,
    by: ({ name }) => name,
    cell: (peer) => (
      <>
        <NodeLink {...peer} /> {peer.version !== undefined && <Tag>{peer.version}</Tag>}
      </>
    ),
  },
  { id: 'health', title: text.columns.health, cell: ({ health }) => <HealthBadge health={health} plain /> },
  ...trafficColumns<PeerView>(({ traffic }) => traffic),
  { id: 'mtls', title: text.columns.mtls, cell: ({ mtls }) => <MtlsBadge mtls={mtls} /> },
];

export function PeerTable({ label, peers }: { readonly label: string; readonly peers: readonly PeerView[] }) {
  if (peers.length === 0) return <Quiet>{text.empty.peers}</Quiet>;
  return (
    <DataTable label={label} columns={PEER_COLUMNS} rows={peers} rowKey={({ id, protocol }) => `${id} ${protocol}`} />
  );
}

export function CodeTable({ codes }: { readonly codes: readonly CodeCount[] }) {
  if (codes.length === 0) return <Quiet>{text.empty.peers}</Quiet>;
  return <DataTable label={text.traffic.codes} columns={CODE_COLUMNS} rows={codes} rowKey={codeKey} />;
}

const codeKey = ({ code, flag, grpcStatus }: CodeCount): string => `${code} ${flag} ${grpcStatus ?? ''}`;

const CODE_COLUMNS: readonly Column<CodeCount>[] = [
  {
    id: 'code',
    title: text.columns.status,
    cell: ({ code, grpcStatus }) => (
      <Toned tone={code === 'TCP' ? 'none' : statusTone(code === '-' ? 0 : Number(code))}>
        {code === '-' ? text.traffic.noAnswer : code}
        {grpcStatus !== undefined && ` · gRPC ${grpcStatus}`}
      </Toned>
    ),
  },
  {
    id: 'reason',
    title: text.columns.reason,
    cell: ({ flag }) => (flag === '-' ? <span className="muted">–</span> : <FlagWords flag={flag} />),
  },
  {
    id: 'rate',
    title: text.columns.rate,
    right: true,
    cell: ({ requestsPerSecond }) => rate(requestsPerSecond),
  },
];

export function FlagWords({ flag }: { readonly flag: string }) {
  const words = flag.split(',').map((one) => FLAGS[one]);
  return (
    <>
      <Tag>{flag}</Tag> {words.filter((word) => word !== undefined).join(', ')}
    </>
  );
}

export function ConfigLinks({ refs }: { readonly refs: readonly ConfigRef[] }) {
  if (refs.length === 0) return <p className="muted">{text.empty.noConfig}</p>;
  return (
    <ul className="plain">
      {refs.map((ref) => (
        <li key={`${ref.kind}/${ref.namespace}/${ref.name}`}>
          <ConfigLink {...ref} />
        </li>
      ))}
    </ul>
  );
}

export function ConfigLink({ group, kind, namespace, name }: ConfigRef) {
  return (
    <Link
      to="/config/$group/$kind/$ns/$name"
      params={{ group: group === '' ? 'core' : group, kind, ns: namespace, name }}
    >
      <span className="muted">{kind}</span> {name}
    </Link>
  );
}
