const CONSECUTIVE_5XX = 0;
const CONSECUTIVE_GATEWAY = 1;
const CONSECUTIVE_LOCAL = 2;
const ANSWERS = 3;
const LOCAL = 5;
export const OUTLIER_CELLS = 7;

/** What outlier detection remembers of one host; it moves along when the cluster is updated. All workers count together. */
export class OutlierCounts {
  readonly #cells: Int32Array;
  readonly answers: RateWindow;
  /** Connections and other attempts that got no answer or one; used when they are counted apart. */
  readonly local: RateWindow;
  /** Times the base ejection time that the next ejection lasts. */
  backoff = 0;
  ejectedAtMs = 0;
  jitterMs = 0;

  constructor(cells: Int32Array) {
    this.#cells = cells;
    this.answers = new RateWindow(cells, ANSWERS);
    this.local = new RateWindow(cells, LOCAL);
  }

  /** One more of them in a row. @returns true when that makes `limit`, for one caller only; it then begins anew. 0 = no limit. */
  another5xx(limit: number): boolean {
    return this.#another(CONSECUTIVE_5XX, limit);
  }
  anotherGateway(limit: number): boolean {
    return this.#another(CONSECUTIVE_GATEWAY, limit);
  }
  anotherLocal(limit: number): boolean {
    return this.#another(CONSECUTIVE_LOCAL, limit);
  }

  succeeded(): void {
    this.#end(CONSECUTIVE_5XX);
    this.#end(CONSECUTIVE_GATEWAY);
  }
  noGatewayFailure(): void {
    this.#end(CONSECUTIVE_GATEWAY);
  }
  connected(): void {
    this.#end(CONSECUTIVE_LOCAL);
  }

  resetConsecutive(): void {
    this.succeeded();
    this.connected();
  }

  #another(cell: number, limit: number): boolean {
    const count = Atomics.add(this.#cells, cell, 1) + 1;
    if (limit === 0 || count < limit) return false;
    // Who counted one more meanwhile has made it, too: the last of them begins anew.
    return Atomics.compareExchange(this.#cells, cell, count, 0) === count;
  }

  /** Most hosts succeed most of the time: what is 0 already is not written, so that workers do not wait for each other. */
  #end(cell: number): void {
    if (this.#cells[cell] !== 0) Atomics.store(this.#cells, cell, 0);
  }
}

/** Successes among calls since the last sweep. */
class RateWindow {
  readonly #cells: Int32Array;
  readonly #total: number;
  readonly #succeeded: number;
  /** Of the window before: percent, and how many calls it is made of; -1 when too few were made. */
  lastRate = -1;
  lastTotal = 0;
  /** For people: -1 until a sweep saw enough calls. */
  shownRate = -1;

  constructor(cells: Int32Array, at: number) {
    this.#cells = cells;
    this.#total = at;
    this.#succeeded = at + 1;
  }

  add(success: boolean): void {
    Atomics.add(this.#cells, this.#total, 1);
    if (success) Atomics.add(this.#cells, this.#succeeded, 1);
  }

  turn(): void {
    const total = Atomics.exchange(this.#cells, this.#total, 0);
    const succeeded = Atomics.exchange(this.#cells, this.#succeeded, 0);
    this.lastTotal = total;
    // A call of another worker may be between its two numbers.
    this.lastRate = total === 0 ? -1 : Math.min(100, (100 * succeeded) / total);
    this.shownRate = -1;
  }
}
