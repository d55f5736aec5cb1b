// Overload of a process with workers: each tells of its heap, the main thread judges the whole, all obey.
import type { Clock, Timer } from '@weft/kit';
import { type MemoryReading, OVERLOAD_ACTIONS, type OverloadAction, type OverloadState } from './overload.ts';

// Of a worker's heap.
const USED = 0;
const LIMIT = 1;
const EXTERNAL = 2;
const HEAP_CELLS = 3;
const STATE = 0;

export interface OverloadMemory {
  /** A bit for each action that is in force. */
  readonly state: SharedArrayBuffer;
  /** By worker. */
  readonly heaps: readonly SharedArrayBuffer[];
}

export const reserveOverload = (workers: number): OverloadMemory => ({
  state: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  heaps: Array.from({ length: workers }, () => new SharedArrayBuffer(HEAP_CELLS * Float64Array.BYTES_PER_ELEMENT)),
});

export interface WorkerHeap {
  readonly used: number;
  readonly limit: number;
  /** Buffers beside it. */
  readonly external: number;
}

/** By worker, as they told last. */
export const heapsOf = (memory: OverloadMemory): WorkerHeap[] =>
  memory.heaps.map((heap) => {
    const [used = 0, limit = 0, external = 0] = new Float64Array(heap);
    return { used, limit, external };
  });

/** The main thread's reading with the workers' added. */
export function withWorkers(read: () => MemoryReading, memory: OverloadMemory): () => MemoryReading {
  const heaps = memory.heaps.map((heap) => new Float64Array(heap));
  return () => {
    const { heapLimit, resident, ...own } = read();
    let { heapUsed, external } = own;
    let fullest = { used: heapUsed, limit: heapLimit };
    for (const cells of heaps) {
      const [used, limit] = [cells[USED] ?? 0, cells[LIMIT] ?? 0];
      heapUsed += used;
      external += cells[EXTERNAL] ?? 0;
      if (limit > 0 && used / limit > fullest.used / fullest.limit) fullest = { used, limit };
    }
    return { heapUsed, heapLimit, fullest, external, resident };
  };
}

/** Tells workers what the main thread has found. */
export function tellWorkers(memory: OverloadMemory): (state: OverloadState) => void {
  const cells = new Int32Array(memory.state);
  return (state) => {
    const bits = OVERLOAD_ACTIONS.reduce((sum, action, i) => sum | (state[action] ? 1 << i : 0), 0);
    Atomics.store(cells, STATE, bits);
  };
}

const bitOf = (action: OverloadAction): number => OVERLOAD_ACTIONS.indexOf(action);

/** What a worker is to obey. */
export function followOverload(memory: OverloadMemory): OverloadState {
  const cells = new Int32Array(memory.state);
  // Asked for each request.
  const isSet = (action: number): boolean => (Atomics.load(cells, STATE) & (1 << action)) !== 0;
  const [closing, shedding, refusing] = [bitOf('closing'), bitOf('shedding'), bitOf('refusing')];
  const resetting = bitOf('resetting');
  return {
    get closing() {
      return isSet(closing);
    },
    get shedding() {
      return isSet(shedding);
    },
    get refusing() {
      return isSet(refusing);
    },
    get resetting() {
      return isSet(resetting);
    },
  };
}

const READ_EVERY_MS = 250;

/** Tells the main thread of this worker's heap, again and again. @returns what stops it. */
export function tellOfHeap(
  memory: OverloadMemory,
  worker: number,
  {
    read,
    collect,
    clock,
  }: { readonly read: () => MemoryReading; readonly collect: () => boolean; readonly clock: Clock },
): () => void {
  const heap = memory.heaps[worker];
  if (heap === undefined) return () => {};
  const cells = new Float64Array(heap);
  const state = followOverload(memory);
  let timer: Timer;
  const look = (): void => {
    if (state.closing) collect();
    const { heapUsed, heapLimit, external } = read();
    cells.set([heapUsed, heapLimit, external]);
    timer = clock.after(READ_EVERY_MS, look);
  };
  look();
  return () => timer.cancel();
}
