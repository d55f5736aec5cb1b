import { type OverloadMemory, reserveOverload } from '../overload/shared-overload.ts';
import { reserveCells } from '../shared/shared-cells.ts';
import { reserveNames } from '../stats/name-log.ts';
import { reserveStats, type StatsMemory } from '../stats/stats.ts';
import type { WorkerStart } from './messages.ts';

/** What the threads of a process see together. */
export interface ProcessMemory {
  readonly workers: number;
  readonly cells: SharedArrayBuffer;
  /** Cells of client addresses: as many as clients like, so they take no room from what configuration names. */
  readonly addresses: SharedArrayBuffer;
  readonly overload: OverloadMemory;
  /** By worker. */
  readonly stats: readonly StatsMemory[];
  readonly logged: readonly SharedArrayBuffer[];
  readonly answered: readonly SharedArrayBuffer[];
}

const WORD = Int32Array.BYTES_PER_ELEMENT;
/** Characters, and lines. */
export const LOGGED_CELLS = 2;

export function reserveProcessMemory(workers: number): ProcessMemory {
  const each = Array.from({ length: workers });
  return {
    workers,
    cells: reserveCells(),
    addresses: reserveCells(),
    overload: reserveOverload(workers),
    stats: each.map(() => reserveStats({}, reserveNames())),
    logged: each.map(() => new SharedArrayBuffer(LOGGED_CELLS * WORD)),
    answered: each.map(() => new SharedArrayBuffer(WORD)),
  };
}

/** One worker's part. */
export function memoryOf(all: ProcessMemory, worker: number): WorkerStart['memory'] {
  const { cells, addresses, overload } = all;
  const [stats, logged, answered] = [all.stats[worker], all.logged[worker], all.answered[worker]];
  if (stats === undefined || logged === undefined || answered === undefined)
    throw new RangeError(`there is no worker ${worker}`);
  return { cells, addresses, overload, stats, logged, answered };
}
