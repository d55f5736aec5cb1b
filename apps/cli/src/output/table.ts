/** Tables for people: upper-case headers, three blanks between columns, no borders. */
import { printable } from './printable.ts';

export interface Column<Row> {
  readonly header: string;
  readonly cell: (row: Row) => string | number | undefined;
  readonly align?: 'right';
}

/** @returns the table with a final line break; the header alone is never printed. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], headers = true): string {
  if (rows.length === 0) return '';
  const cells = rows.map((row) => columns.map((column) => printable(String(column.cell(row) ?? '-') || '-')));
  const all = headers ? [columns.map((column) => column.header.toUpperCase()), ...cells] : cells;
  const widths = columns.map((_, index) => Math.max(...all.map((row) => row[index]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) =>
        columns[index]?.align === 'right' ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
      )
      .join('   ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** `17h`, `3m`, `5d` since a time in epoch milliseconds. */
export function age(sinceMs: number | undefined, nowMs: number): string {
  if (sinceMs === undefined || sinceMs <= 0) return '-';
  const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
