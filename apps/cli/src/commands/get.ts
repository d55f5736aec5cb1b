/** `weft get`: configuration, as a list or as it was written. */
import { kindInfo } from '@weft/contracts/config';
import type { ConfigDocument, ConfigList, ConfigSummary } from '@weft/contracts/console-views';
import { parse } from 'yaml';
import { openApi, type ApiFlags } from '../api.ts';
import { FORMATS, parseFormat, printData, say } from '../output/print.ts';
import { age, table, type Column } from '../output/table.ts';
import { objectPath, parseTarget } from './config-ref.ts';

export interface GetFlags extends ApiFlags {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly output?: string;
  readonly headers: boolean;
}

const COLUMNS: readonly Column<ConfigSummary>[] = [
  { header: 'namespace', cell: (row) => row.namespace },
  { header: 'kind', cell: (row) => row.kind },
  { header: 'name', cell: (row) => row.name },
  { header: 'state', cell: (row) => row.validity },
  { header: 'age', cell: (row) => age(row.changedAt, Date.now()) },
  { header: 'file', cell: (row) => row.file },
];

export async function get(words: readonly string[], flags: GetFlags): Promise<number> {
  const format = parseFormat(flags.output, FORMATS);
  const api = openApi(flags);
  const everything = words.length === 0 || words[0] === 'all';
  const target = everything ? undefined : parseTarget(words, flags.namespace);
  if (target?.name !== undefined) {
    const document = await api.get<ConfigDocument>(objectPath({ ...target, name: target.name }));
    if (format === 'yaml') process.stdout.write(document.yaml.endsWith('\n') ? document.yaml : `${document.yaml}\n`);
    else if (format === 'json') printData(parse(document.yaml), 'json');
    else printRows([document], format, flags.headers);
    return 0;
  }
  const query = new URLSearchParams({ limit: '500' });
  if (target) query.set('kind', target.kind);
  if (!flags.allNamespaces && !everything) query.set('namespace', flags.namespace);
  const list = await api.get<ConfigList>(`/api/v1/config?${query.toString()}`);
  if (format === 'json' || format === 'yaml') {
    printData({ items: list.items }, format);
    return 0;
  }
  const what = target ? kindInfo(target.kind).plural : 'configuration';
  if (list.items.length === 0)
    say(`No ${what} in ${flags.allNamespaces || everything ? 'any namespace' : `namespace ${flags.namespace}`}.`);
  else printRows(list.items, format, flags.headers);
  return 0;
}

function printRows(rows: readonly ConfigSummary[], format: 'table' | 'name', headers: boolean): void {
  if (format === 'name') rows.forEach((row) => process.stdout.write(`${row.kind.toLowerCase()}/${row.name}\n`));
  else process.stdout.write(table(COLUMNS, rows, headers));
}
