import { type OverloadMemory, reserveOverload } from '../overload/shared-overload.ts';
import { reserveCells } from '../shared/shared-cells.ts';
import { reserveNames } from '../stats/name-log.ts';
import { reserveStats, type StatsMemory } from '../stats/stats.ts';
import type { WorkerStart } from './messages.ts';

/** What the threads of a process see together. */
export interface ProcessMemory {
  readonly workers: number;
  readonly cells: SharedArrayBuffer;
  readonly overload: OverloadMemory;
  /** By worker. */
  readonly stats: readonly StatsMemory[];
  readonly logged: readonly SharedArrayBuffer[];
}

export function reserveProcessMemory(workers: number): ProcessMemory {
  const each = Array.from({ length: workers });
  return {
    workers,
    cells: reserveCells(),
    overload: reserveOverload(workers),
    stats: each.map(() => reserveStats({}, reserveNames())),
    logged: each.map(() => new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
  };
}

/** One worker's part. */
export function memoryOf(all: ProcessMemory, worker: number): WorkerStart['memory'] {
  const { cells, overload } = all;
  const [stats, logged] = [all.stats[worker], all.logged[worker]];
  if (stats === undefined || logged === undefined) throw new RangeError(`there is no worker ${worker}`);
  return { cells, overload, stats, logged };
}
