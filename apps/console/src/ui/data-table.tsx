/** Tables with sortable columns. Rows are few hundred at most: the server pages. */
import { ArrowDown, ArrowUp } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { sortRows, type SortState } from './sort.ts';
import styles from './table.module.css';

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  /** What it is sorted by; without it the column can not be sorted. */
  readonly by?: (row: Row) => string | number;
  readonly right?: boolean;
}

interface DataTableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly initial?: SortState;
}

export function DataTable<Row>({ label, columns, rows, rowKey, initial }: DataTableProps<Row>) {
  const [sort, setSort] = useState(initial);
  const by = columns.find(({ id }) => id === sort?.id)?.by;
  const sorted = sort && by ? sortRows(rows, by, sort.descending) : rows;
  return (
    <div className={styles.wrap}>
      <table className={styles.table} aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => {
              const on = sort?.id === column.id;
              const Arrow = on && sort.descending ? ArrowDown : ArrowUp;
              return (
                <th
                  key={column.id}
                  scope="col"
                  data-align={column.right ? 'right' : 'left'}
                  aria-sort={on ? (sort.descending ? 'descending' : 'ascending') : undefined}
                >
                  {column.by ? (
                    <button
                      type="button"
                      className={styles.sort}
                      data-on={on}
                      onClick={() =>
                        setSort({ id: column.id, descending: on ? !sort.descending : column.right === true })
                      }
                    >
                      {column.title}
                      <Arrow size={12} aria-hidden />
                    </button>
                  ) : (
                    column.title
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map(({ id, cell, right }) => (
                <td key={id} data-align={right ? 'right' : 'left'} className={right ? 'num' : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export const RowName = ({ children }: { readonly children: ReactNode }) => (
  <span className={styles.name}>{children}</span>
);
export const Filters = ({ children }: { readonly children: ReactNode }) => (
  <div className={styles.filters}>{children}</div>
);
