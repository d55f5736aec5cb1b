/** `weft get`: configuration, as a list or as it was written. */
import { kindInfo } from '@weft/contracts/config';
import type { ConfigDocument, ConfigList, ConfigSummary } from '@weft/contracts/console-views';
import { parse } from 'yaml';
import { type Api, openApi, type ApiFlags } from '../api.ts';
import { describe } from '../output/diagnostics.ts';
import { FORMATS, parseFormat, printData, say } from '../output/print.ts';
import { age, table, type Column } from '../output/table.ts';
import { objectPath, parseKind, parseTarget } from './config-ref.ts';

export interface GetFlags extends ApiFlags {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly output?: string;
  readonly headers: boolean;
}

// Beyond these a list is no place for findings.
const EXPLAINED = 20;

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
    document.diagnostics.forEach((diagnostic) => say(describe(diagnostic)));
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
  if (format === 'table') await printFindings(api, list.items);
  return 0;
}

/** What is wrong or doubtful about them, below the table: the column only says that there is something. */
async function printFindings(api: Api, rows: readonly ConfigSummary[]): Promise<void> {
  const found = rows.filter(({ findings }) => findings > 0);
  const documents = await Promise.all(
    found
      .slice(0, EXPLAINED)
      .map(({ kind, namespace, name }) =>
        api.get<ConfigDocument>(objectPath({ kind: parseKind(kind), namespace, name })),
      ),
  );
  for (const { diagnostics } of documents) diagnostics.forEach((diagnostic) => say(describe(diagnostic)));
  if (found.length > EXPLAINED)
    say(`${found.length - EXPLAINED} more with findings: "weft get KIND NAME" tells them, one by one`);
}

function printRows(rows: readonly ConfigSummary[], format: 'table' | 'name', headers: boolean): void {
  if (format === 'name') rows.forEach((row) => process.stdout.write(`${row.kind.toLowerCase()}/${row.name}\n`));
  else process.stdout.write(table(COLUMNS, rows, headers));
}
