/** `weft apply`: gives configuration to the mesh, whole files or nothing. */
import type { ConfigApplyResult, DiagnosticView } from '@weft/contracts/console-views';
import { ApiError, openApi, type ApiFlags } from '../api.ts';
import { EXIT } from '../exit-codes.ts';
import { describe } from '../output/diagnostics.ts';
import { parseWait } from '../output/duration.ts';
import { parseFormat, printData, say } from '../output/print.ts';
import { printable } from '../output/printable.ts';
import { readInputs } from './input.ts';
import { fetchReceipt, reportReceipt } from './receipt.ts';

export interface ApplyFlags extends ApiFlags {
  readonly filename: readonly string[];
  readonly dryRun?: boolean;
  readonly wait: string;
  readonly output?: string;
}

export async function apply(flags: ApplyFlags): Promise<number> {
  const format = parseFormat(flags.output, ['table', 'json', 'yaml', 'name']);
  const waitMs = parseWait(flags.wait, '--wait');
  const inputs = await readInputs(flags.filename);
  const api = openApi(flags);
  const results: ConfigApplyResult[] = [];
  let refused = false;
  for (const { file, text } of inputs) {
    try {
      const result = await api.post<ConfigApplyResult>('/api/v1/config/apply', {
        yaml: text,
        dryRun: flags.dryRun === true,
        waitMs: 0,
      });
      results.push(result);
      result.diagnostics.forEach((diagnostic) => say(describe(diagnostic, file)));
      if (result.changes.length === 0 && result.diagnostics.length === 0) say(`${file} holds no objects`);
      if (format === 'table' || format === 'name') printChanges(result, format);
    } catch (error) {
      const findings: readonly DiagnosticView[] = error instanceof ApiError ? (error.body.diagnostics ?? []) : [];
      if (findings.length === 0) throw error;
      refused = true;
      findings.forEach((diagnostic) => say(describe(diagnostic, file)));
      say(`${file} was refused; nothing of it was applied`);
    }
  }
  const sinces = results.flatMap(({ since }) => (since === undefined ? [] : [since]));
  const receipt = await fetchReceipt(api, sinces, waitMs);
  if (format === 'json' || format === 'yaml') printData({ results, ...(receipt ? { receipt } : {}) }, format);
  const outcome = reportReceipt(receipt, waitMs);
  return refused ? EXIT.badInput : outcome;
}

function printChanges(result: ConfigApplyResult, format: 'table' | 'name'): void {
  for (const { kind, group, namespace, name, action } of result.changes) {
    const full = printable(`${kind.toLowerCase()}${group === '' ? '' : `.${group}`}/${name}`);
    const place = namespace === '' || namespace === 'default' ? '' : ` in ${printable(namespace)}`;
    process.stdout.write(
      format === 'name' ? `${full}\n` : `${full} ${action}${place}${result.dryRun ? ' (dry run)' : ''}\n`,
    );
  }
}
