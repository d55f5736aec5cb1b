import type { Random } from '@weft/kit';
import type { Host } from '../host.ts';

interface Entry {
  readonly host: Host;
  deadline: number;
  order: number;
}

/** How much of the traffic a host is worth now. */
export type WeightOf = (host: Host) => number;

/**
 * Earliest deadline first: each pick puts its host back at now + 1/weight, so over one cycle each host comes exactly as
 * often as its weight says, evenly spread.
 */
export class EdfScheduler {
  readonly #heap: Entry[] = [];
  readonly #weightOf: WeightOf;
  #now = 0;
  #order = 0;

  constructor(hosts: readonly Host[], weightOf: WeightOf, random: Random) {
    this.#weightOf = weightOf;
    for (const host of hosts) this.#push({ host, deadline: 1 / weightOf(host), order: this.#order++ });
    // Proxies that got the same hosts at the same time must not move in step.
    const spins = hosts.length > 1 ? random.int(hosts.length) : 0;
    for (let i = 0; i < spins; i += 1) this.next();
  }

  next(): Host | undefined {
    const heap = this.#heap;
    const top = heap[0];
    if (top === undefined) return undefined;
    this.#now = top.deadline;
    top.deadline = this.#now + 1 / this.#weightOf(top.host);
    top.order = this.#order++;
    this.#sink(0);
    return top.host;
  }

  #push(entry: Entry): void {
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
