import type { Random } from '@weft/kit';

interface Entry<Item> {
  readonly item: Item;
  deadline: number;
  order: number;
}

/**
 * Earliest deadline first: each pick puts its item back at now + 1/weight, so over one cycle each item comes exactly as
 * often as its weight says, evenly spread.
 */
export class EdfScheduler<Item> {
  readonly #heap: Entry<Item>[] = [];
  readonly #weightOf: (item: Item) => number;
  #now = 0;
  #order = 0;

  /** @param weightOf above 0; asked again whenever the item's turn is over. */
  constructor(items: readonly Item[], weightOf: (item: Item) => number, random: Random) {
    this.#weightOf = weightOf;
    for (const item of items) this.#push({ item, deadline: 1 / weightOf(item), order: this.#order++ });
    // Proxies that got the same hosts at the same time must not move in step.
    const spins = items.length > 1 ? random.int(items.length) : 0;
    for (let i = 0; i < spins; i += 1) this.next();
  }

  next(): Item | undefined {
    const heap = this.#heap;
    const top = heap[0];
    if (top === undefined) return undefined;
    this.#now = top.deadline;
    top.deadline = this.#now + 1 / this.#weightOf(top.item);
    top.order = this.#order++;
    this.#sink(0);
    return top.item;
  }

  #push(entry: Entry<Item>): void {
    const heap = this.#heap;
    heap.push(entry);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(from: number): void {
    const { length } = this.#heap;
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      let least = at;
      if (left < length && this.#before(left, least)) least = left;
      if (left + 1 < length && this.#before(left + 1, least)) least = left + 1;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (x === undefined || y === undefined) return false;
    return x.deadline < y.deadline || (x.deadline === y.deadline && x.order < y.order);
  }

  #swap(a: number, b: number): void {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (x === undefined || y === undefined) return;
    this.#heap[a] = y;
    this.#heap[b] = x;
  }
}
