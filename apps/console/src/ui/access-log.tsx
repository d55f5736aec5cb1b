import type { LogEntry } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Query } from '../api/client.ts';
import { queries } from '../api/queries.ts';
import { clockTime, duration } from '../format/numbers.ts';
import { text } from '../i18n/text.ts';
import { Toned } from './badges.tsx';
import { type Column, DataTable } from './data-table.tsx';
import { Loaded, Quiet } from './page.tsx';
import { useSettings } from './settings.tsx';
import { statusTone } from './tone.ts';
import { FlagWords } from './traffic-columns.tsx';

const COLUMNS: readonly Column<LogEntry>[] = [
  { id: 'time', title: text.columns.time, cell: ({ at }) => <span className="num">{clockTime(at)}</span> },
  {
    id: 'status',
    title: text.columns.status,
    cell: ({ status }) => <Toned tone={statusTone(status)}>{status === 0 ? text.traffic.noAnswer : status}</Toned>,
  },
  {
    id: 'path',
    title: text.columns.path,
    cell: ({ direction, method, path, authority, flag }) => (
      <>
        <span className="muted">{direction === 'inbound' ? '←' : '→'} </span>
        <span className="mono">
          {method} {direction === 'outbound' ? authority : ''}
          {path}
        </span>
        {flag !== '-' && (
          <>
            {' '}
            <FlagWords flag={flag} />
          </>
        )}
      </>
    ),
  },
  { id: 'duration', title: text.columns.duration, right: true, cell: ({ durationMs }) => duration(durationMs) },
  {
    id: 'trace',
    title: text.traces.title1,
    cell: ({ traceId }) =>
      traceId === undefined ? (
        <span className="muted">–</span>
      ) : (
        <Link to="/traces/$id" params={{ id: traceId }} className="mono">
          {traceId.slice(0, 8)}
        </Link>
      ),
  },
];

/** The newest requests that a proxy has seen. */
export function AccessLog({ filter }: { readonly filter: Query }) {
  const { paused } = useSettings();
  const query = useQuery(queries.logs(filter, paused));
  return (
    <Loaded query={query}>
      {({ items }) =>
        items.length === 0 ? (
          <Quiet>{text.empty.logs}</Quiet>
        ) : (
          <DataTable
            label={text.workloads.log}
            columns={COLUMNS}
            rows={items}
            rowKey={({ at, requestId, direction, path, authority }) =>
              `${at} ${requestId} ${direction} ${authority}${path}`
            }
          />
        )
      }
    </Loaded>
  );
}
