/** `weft delete`: takes configuration away, by name or by the file that it came from. */
import type { ConfigApplyResult, ConfigValidation } from '@weft/contracts/console-views';
import { isKindName, kindInfo, type KindName } from '@weft/contracts/config';
import { WeftError } from '@weft/kit';
import { openApi, type ApiFlags } from '../api.ts';
import { EXIT } from '../exit-codes.ts';
import { describe } from '../output/diagnostics.ts';
import { parseWait } from '../output/duration.ts';
import { say } from '../output/print.ts';
import { printable } from '../output/printable.ts';
import { objectPath, parseTarget } from './config-ref.ts';
import { readInputs } from './input.ts';
import { fetchReceipt, reportReceipt } from './receipt.ts';

export interface DeleteFlags extends ApiFlags {
  readonly namespace: string;
  readonly filename?: readonly string[];
  readonly dryRun?: boolean;
  readonly ignoreNotFound?: boolean;
  readonly wait: string;
}

interface Target {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name: string;
}

export async function remove(words: readonly string[], flags: DeleteFlags): Promise<number> {
  const api = openApi(flags);
  const waitMs = parseWait(flags.wait, '--wait');
  const sinces: number[] = [];
  const targets: Target[] = [];
  if (flags.filename && flags.filename.length > 0) {
    for (const { file, text } of await readInputs(flags.filename)) {
      const { objects, diagnostics } = await api.post<ConfigValidation>('/api/v1/config/validate', { yaml: text });
      if (objects.length === 0) diagnostics.forEach((diagnostic) => say(describe(diagnostic, file)));
      for (const { kind, namespace, name } of objects) if (isKindName(kind)) targets.push({ kind, namespace, name });
    }
  } else {
    const target = parseTarget(words, flags.namespace);
    if (target.name === undefined)
      throw new WeftError('WEFT_USAGE', `which ${target.kind}?`, { fix: `weft delete ${words[0]} NAME` });
    targets.push({ ...target, name: target.name });
  }
  let missing = 0;
  for (const target of targets) {
    const full = printable(`${target.kind.toLowerCase()}.${kindInfo(target.kind).group}/${target.name}`);
    try {
      const path = objectPath(target);
      const { since } = await api.delete<ConfigApplyResult>(`${path}?dryRun=${flags.dryRun === true}&waitMs=0`);
      if (since !== undefined) sinces.push(since);
      process.stdout.write(`${full} deleted${flags.dryRun ? ' (dry run)' : ''}\n`);
    } catch (error) {
      if (!(error instanceof WeftError) || !/not.?found/i.test(error.code)) throw error;
      missing += 1;
      if (!flags.ignoreNotFound) say(`${full} was not found in namespace ${printable(target.namespace)}`);
    }
  }
  const outcome = reportReceipt(await fetchReceipt(api, sinces, waitMs), waitMs);
  return missing > 0 && !flags.ignoreNotFound ? EXIT.failed : outcome;
}
