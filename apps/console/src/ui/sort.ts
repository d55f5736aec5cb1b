export interface SortState {
  readonly id: string;
  readonly descending: boolean;
}

/** Stable; text in reading order with numbers as numbers (`reviews-v2` before `reviews-v10`). Pure. */
export function sortRows<Row>(
  rows: readonly Row[],
  by: (row: Row) => string | number,
  descending: boolean,
): readonly Row[] {
  const direction = descending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [by(a), by(b)];
    if (typeof x === 'number' && typeof y === 'number') return (x - y) * direction;
    return String(x).localeCompare(String(y), 'en', { numeric: true }) * direction;
  });
}
