/** Filters of a list, kept in the URL. */
import { useNavigate } from '@tanstack/react-router';
import type { ListSearch } from '../router.tsx';

interface Row {
  readonly namespace: string;
  readonly name: string;
}

export interface ListFilter {
  readonly search: ListSearch;
  readonly set: (change: Partial<Record<'q' | 'ns' | 'health' | 'kind', string>>) => void;
  readonly clear: () => void;
  readonly active: boolean;
}

export function useListFilter(search: ListSearch): ListFilter {
  const navigate = useNavigate();
  const write = (next: (former: ListSearch) => ListSearch): void =>
    void navigate({ to: '.', search: (former: ListSearch) => next(former), replace: true });
  return {
    search,
    set: (change) =>
      write((former) => {
        const merged = Object.entries({ ...former, ...change }).filter(
          ([, value]) => value !== '' && value !== undefined,
        );
        return Object.fromEntries(merged) as ListSearch;
      }),
    clear: () => write(({ w }) => (w === undefined ? {} : { w })),
    active: Boolean(search.q ?? search.ns ?? search.health ?? search.kind),
  };
}

/** Name and namespace; health and kind are the list's own. */
export const matches = ({ q, ns }: ListSearch, row: Row): boolean =>
  (q === undefined || row.name.toLowerCase().includes(q.toLowerCase())) && (ns === undefined || row.namespace === ns);

export const namespacesOf = (rows: readonly Row[]): readonly string[] =>
  [...new Set(rows.map(({ namespace }) => namespace))].toSorted();
