import type { ProxyTypeSync } from '@weft/contracts/console-views';
import { ago } from '../format/numbers.ts';
import { text } from '../i18n/text.ts';
import { SyncBadge } from './badges.tsx';
import { type Column, DataTable } from './data-table.tsx';
import { useNow } from './settings.tsx';
import { ConfigLinks } from './traffic-columns.tsx';

/** What one proxy has of each type, and why not. */
export function SyncTable({ sync }: { readonly sync: readonly ProxyTypeSync[] }) {
  const now = useNow();
  const columns: readonly Column<ProxyTypeSync>[] = [
    { id: 'type', title: text.columns.kind, cell: ({ type }) => <span className="mono">{type}</span> },
    { id: 'state', title: text.columns.state, cell: ({ state }) => <SyncBadge state={state} /> },
    {
      id: 'resources',
      title: text.columns.version,
      cell: ({ version, resources }) => (
        <span className="muted">
          {version !== undefined && <span className="mono">{version}</span>}
          {resources !== undefined && ` · ${text.mesh.resources(resources)}`}
        </span>
      ),
    },
    {
      id: 'reason',
      title: text.columns.changed,
      cell: ({ rejection, sinceMs }) =>
        rejection ? (
          <>
            <div>{rejection.message}</div>
            {rejection.config && rejection.config.length > 0 && <ConfigLinks refs={rejection.config} />}
          </>
        ) : (
          <span className="muted">{sinceMs === undefined ? '–' : ago(sinceMs, now)}</span>
        ),
    },
  ];
  return <DataTable label={text.mesh.proxies} columns={columns} rows={sync} rowKey={({ type }) => type} />;
}
