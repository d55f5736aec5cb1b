/** After a write: what the proxies made of it, on standard error, and the exit code that says it. */
import type { ConfigReceipt } from '@weft/contracts/console-views';
import type { Api } from '../api.ts';
import { EXIT } from '../exit-codes.ts';
import { say } from '../output/print.ts';
import { printable } from '../output/printable.ts';

/** @param sinces what the answers to the writes said; empty when nothing was written. */
export async function fetchReceipt(
  api: Api,
  sinces: readonly number[],
  waitMs: number,
): Promise<ConfigReceipt | undefined> {
  if (sinces.length === 0 || waitMs === 0) return undefined;
  // 0 is of a write that changed nothing: it asks about all proxies, unless another did change something.
  const changed = sinces.filter((since) => since > 0);
  const since = changed.length === 0 ? 0 : Math.min(...changed);
  return api.get<ConfigReceipt>(`/api/v1/receipt?since=${since}&waitMs=${waitMs}`, waitMs);
}

const nameOf = (row: { readonly name: string; readonly namespace: string }): string =>
  printable(`${row.name}.${row.namespace}`);

export function reportReceipt(receipt: ConfigReceipt | undefined, waitMs: number): number {
  if (!receipt || receipt.complete) return EXIT.ok;
  for (const { type, resource, reason, ...proxy } of receipt.refused) {
    const what = resource === '' ? type : `${type} ${printable(resource)}`;
    say(`! ${nameOf(proxy)} refused ${what}: ${printable(reason)}`);
  }
  if (receipt.version === undefined) say(`! the control plane did not take the change in within ${waitMs / 1000} s`);
  for (const proxy of receipt.waiting) {
    const types = proxy.types.length === 0 ? '' : ` (${proxy.types.join(', ')})`;
    say(`! ${nameOf(proxy)} has not answered within ${waitMs / 1000} s${types}; "weft status" shows when it does`);
  }
  return receipt.refused.length > 0 ? EXIT.problems : EXIT.timeout;
}
