/** Pilot's receipt of a change in the words of the API. */
import type { ConfigReceipt } from '@weft/contracts/console-views';
import type { Pilot, Receipt } from '@weft/pilot';
import { TYPE_NAMES } from './proxy-source.ts';

export interface Receipts {
  /** Of the snapshot that is served now; 0 before the first. */
  version(): number;
  receipt(since: number, waitMs: number): Promise<ConfigReceipt>;
}

export const createReceipts = (pilot: Pick<Pilot, 'snapshot' | 'receipt'>): Receipts => ({
  version: () => pilot.snapshot()?.version ?? 0,
  receipt: async (since, waitMs) => receiptView(await pilot.receipt(since, waitMs)),
});

function receiptView({ version, acknowledged, waiting, refused }: Receipt): ConfigReceipt {
  return {
    complete: version !== undefined && waiting.length === 0 && refused.length === 0,
    ...(version === undefined ? {} : { version }),
    acknowledged: acknowledged.length,
    waiting: waiting.map(({ namespace, workload, types }) => ({
      namespace,
      name: workload,
      types: types.map((type) => TYPE_NAMES[type]),
    })),
    refused: refused.map(({ namespace, workload, type, resource, reason }) => ({
      namespace,
      name: workload,
      type: TYPE_NAMES[type],
      resource,
      reason,
    })),
  };
}
