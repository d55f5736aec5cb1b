import type { ConfigFile, ConfigSummary } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { queries } from '../../api/queries.ts';
import { ago } from '../../format/numbers.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { Badge } from '../../ui/badges.tsx';
import { type Column, DataTable, RowName } from '../../ui/data-table.tsx';
import { Choice, FilterBar } from '../../ui/filter-bar.tsx';
import { Card, Empty, Loaded, Page } from '../../ui/page.tsx';
import { useNow, useSettings } from '../../ui/settings.tsx';
import { VALIDITY_TONE } from '../../ui/tone.ts';
import { matches, namespacesOf, useListFilter } from '../../ui/use-list.ts';
import { Findings } from './findings.tsx';

const SLOW_MS = 10_000;

export default function ConfigPage() {
  const { paused } = useSettings();
  const query = useQuery(queries.config(paused));
  const filter = useListFilter(useSearch({ from: '/config' }));
  const now = useNow(SLOW_MS);
  return (
    <Page title={text.config.title} command={commands.config()}>
      <Loaded query={query} height={320}>
        {({ items, files }) => (
          <>
            <Files files={files.filter(({ state }) => state === 'rejected')} />
            <Card flush>
              {items.length === 0 ? (
                <Empty title={text.empty.config} how={text.empty.configHow} command={commands.apply()} />
              ) : (
                <>
                  <FilterBar filter={filter} namespaces={namespacesOf(items)}>
                    <Choice
                      label={text.filter.kind}
                      all={text.filter.anyKind}
                      value={filter.search.kind}
                      options={[...new Set(items.map(({ kind }) => kind))]
                        .toSorted()
                        .map((value) => ({ value, label: value }))}
                      onChange={(kind) => filter.set({ kind })}
                    />
                  </FilterBar>
                  <Objects
                    rows={items.filter(
                      (row) => matches(filter.search, row) && (filter.search.kind ?? row.kind) === row.kind,
                    )}
                    now={now}
                  />
                </>
              )}
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Objects({ rows, now }: { readonly rows: readonly ConfigSummary[]; readonly now: number }) {
  if (rows.length === 0) return <Empty title={text.filter.none} />;
  const columns: readonly Column<ConfigSummary>[] = [
    {
      id: 'name',
      title: text.columns.name,
      by: ({ name }) => name,
      cell: ({ group, kind, namespace, name }) => (
        <Link
          to="/config/$group/$kind/$ns/$name"
          params={{ group: group === '' ? 'core' : group, kind, ns: namespace, name }}
        >
          <RowName>{name}</RowName>
        </Link>
      ),
    },
    { id: 'kind', title: text.columns.kind, by: ({ kind }) => kind, cell: ({ kind }) => kind },
    {
      id: 'namespace',
      title: text.columns.namespace,
      by: ({ namespace }) => namespace,
      cell: ({ namespace }) => namespace,
    },
    {
      id: 'validity',
      title: text.columns.validity,
      by: ({ validity }) => validity,
      cell: ({ validity, findings }) => (
        <Badge tone={VALIDITY_TONE[validity]} plain>
          {text.validity[validity]}
          {findings > 0 && ` · ${findings}`}
        </Badge>
      ),
    },
    {
      id: 'source',
      title: text.columns.source,
      by: ({ file }) => file ?? '',
      cell: ({ file, line }) => (
        <span className="mono muted">
          {file === undefined ? '–' : file}
          {file !== undefined && line !== undefined && `:${line}`}
        </span>
      ),
    },
    {
      id: 'changed',
      title: text.columns.changed,
      right: true,
      by: ({ changedAt }) => changedAt ?? 0,
      cell: ({ changedAt }) => <span className="muted">{changedAt === undefined ? '–' : ago(changedAt, now)}</span>,
    },
  ];
  return (
    <DataTable
      label={text.config.title}
      columns={columns}
      rows={rows}
      rowKey={({ group, kind, namespace, name }) => `${group}/${kind}/${namespace}/${name}`}
    />
  );
}

function Files({ files }: { readonly files: readonly ConfigFile[] }) {
  return files.map(({ file, diagnostics }) => (
    <Card
      key={file}
      title={<span className="mono">{file}</span>}
      actions={<Badge tone="bad">{text.sync.rejected}</Badge>}
    >
      <p className="muted">{text.config.rejected}</p>
      <br />
      <Findings diagnostics={diagnostics} />
    </Card>
  ));
}
