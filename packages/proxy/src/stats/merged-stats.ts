// The numbers of all workers as one: sums, read when somebody asks.
import { NameLogReader } from './name-log.ts';
import { type NamedStat, REQUEST_CELLS, type Series, type Stats, type StatsMemory, TCP_CELLS } from './stats.ts';

/** One kind of series, as the sum of several threads'. Its list only grows, so that who reports it may remember numbers. */
class MergedSeries {
  readonly series: Series[] = [];
  cells = new Float64Array(0);
  readonly #width: number;
  readonly #numbers = new Map<string, number>();

  constructor(width: number) {
    this.#width = width;
  }

  /** @param key the label values as JSON. @returns its number. */
  add(key: string): number {
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.series.length;
      this.#numbers.set(key, number);
      this.series.push({ labels: JSON.parse(key) as string[], base: number * this.#width });
    }
    return number;
  }

  sum(sources: readonly { readonly cells: Float64Array; readonly numbers: readonly number[] }[]): void {
    const width = this.#width;
    const cells = new Float64Array(this.series.length * width);
    for (const source of sources) {
      source.numbers.forEach((number, own) => {
        // From the first cell on: a count that is seen stands for what is read after it.
        for (let i = 0; i < width; i += 1) {
          const at = number * width + i;
          cells[at] = (cells[at] ?? 0) + (source.cells[own * width + i] ?? 0);
        }
      });
    }
    this.cells = cells;
  }
}

/** Gauges that say whether something is so: it is, where it is so in any of them. */
const isFlag = (name: string): boolean => name.endsWith('.accept_stopped.active');

/** What one worker counts. */
class WorkerNumbers {
  readonly requests: { readonly cells: Float64Array; readonly numbers: number[] };
  readonly tcp: { readonly cells: Float64Array; readonly numbers: number[] };
  readonly named: { readonly name: string; readonly kind: NamedStat['kind'] }[] = [];
  readonly namedCells: Float64Array;
  readonly #names: NameLogReader | undefined;

  constructor(memory: StatsMemory) {
    this.requests = { cells: new Float64Array(memory.request), numbers: [] };
    this.tcp = { cells: new Float64Array(memory.tcp), numbers: [] };
    this.namedCells = new Float64Array(memory.named);
    this.#names = memory.names === undefined ? undefined : new NameLogReader(memory.names);
  }

  get overflowed(): number {
    return this.#names?.overflowed ?? 0;
  }

  readNames(requests: MergedSeries, tcp: MergedSeries): void {
    for (const [kind, number, text] of this.#names?.read() ?? []) {
      if (kind === 'request') this.requests.numbers[number] = requests.add(text);
      else if (kind === 'tcp') this.tcp.numbers[number] = tcp.add(text);
      else this.named[number] = { name: text, kind };
    }
  }
}

/** @param own what the main thread counts by itself: named values, and no series. */
export function mergeStats(own: Stats, memories: readonly StatsMemory[]): Stats {
  const workers = memories.map((memory) => new WorkerNumbers(memory));
  const requests = new MergedSeries(REQUEST_CELLS);
  const tcp = new MergedSeries(TCP_CELLS);
  /** Counters at the last reset: a worker's cells are its own to write. */
  const before = new Map<string, number>();

  const readNames = (): void => workers.forEach((worker) => worker.readNames(requests, tcp));
  const sums = (): Map<string, NamedStat> => {
    readNames();
    const all = new Map<string, NamedStat>(own.named().map((stat) => [stat.name, stat]));
    for (const { named, namedCells } of workers) {
      named.forEach(({ name, kind }, slot) => {
        const [sofar, mine] = [all.get(name)?.value ?? 0, namedCells[slot] ?? 0];
        const value = isFlag(name) ? Math.max(sofar, mine) : sofar + mine;
        all.set(name, { name, kind, value });
      });
    }
    return all;
  };
  const sinceReset = (stat: NamedStat): NamedStat => ({ ...stat, value: stat.value - (before.get(stat.name) ?? 0) });

  return {
    refresh() {
      readNames();
      requests.sum(workers.map((worker) => worker.requests));
      tcp.sum(workers.map((worker) => worker.tcp));
    },
    get requestCells() {
      return requests.cells;
    },
    requestSeries: requests.series,
    get tcpCells() {
      return tcp.cells;
    },
    tcpSeries: tcp.series,
    named: () => [...sums().values()].map(sinceReset).sort((a, b) => (a.name < b.name ? -1 : 1)),
    valueOf(name) {
      const stat = sums().get(name);
      return stat === undefined ? 0 : sinceReset(stat).value;
    },
    resetCounters() {
      for (const { name, kind, value } of sums().values()) if (kind === 'counter') before.set(name, value);
    },
    overflowed: () => workers.reduce((sum, worker) => sum + worker.overflowed, own.overflowed()),
    requestSlot: (labels) => own.requestSlot(labels),
    recordRequest: (...numbers) => own.recordRequest(...numbers),
    recordTcp: (...numbers) => own.recordTcp(...numbers),
    counter: (name) => own.counter(name),
    gauge: (name) => own.gauge(name),
    add: (slot, by) => own.add(slot, by),
    set: (slot, value) => own.set(slot, value),
  };
}
