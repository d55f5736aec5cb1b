/** A page that lists what has a health, filtered and sorted: services, workloads. */
import type { UseQueryResult } from '@tanstack/react-query';
import type { Health } from '@weft/contracts/console-views';
import { commands } from '../i18n/commands.ts';
import { text } from '../i18n/text.ts';
import { type Column, DataTable } from './data-table.tsx';
import { FilterBar, HealthChoice } from './filter-bar.tsx';
import { Card, Empty, Loaded, Page } from './page.tsx';
import { type ListFilter, matches, namespacesOf } from './use-list.ts';

interface HealthRow {
  readonly namespace: string;
  readonly name: string;
  readonly health: Pick<Health, 'status'>;
}

interface HealthListProps<Row extends HealthRow> {
  readonly title: string;
  /** What gives the same on the command line. */
  readonly command: string;
  readonly query: UseQueryResult<{ readonly items: readonly Row[] }>;
  readonly filter: ListFilter;
  readonly columns: readonly Column<Row>[];
}

export function HealthList<Row extends HealthRow>({ title, command, query, filter, columns }: HealthListProps<Row>) {
  const { health } = filter.search;
  return (
    <Page title={title} command={command}>
      <Card flush>
        <Loaded query={query} height={320}>
          {({ items }) => {
            if (items.length === 0)
              return <Empty title={text.empty.mesh} how={text.empty.meshHow} command={commands.demo()} />;
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
                    label={title}
                    columns={columns}
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
