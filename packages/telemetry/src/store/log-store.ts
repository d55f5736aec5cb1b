import type { StoredLogEntry } from '@weft/contracts';

/** Access log entries in order of arrival, the oldest dropped first. Positions start at 1 and rise by one. */
export class LogStore {
  readonly #limit: number;
  readonly #ring: (StoredLogEntry | undefined)[];
  #next = 1;

  constructor(limit: number) {
    this.#limit = limit;
    this.#ring = Array.from({ length: limit });
  }

  get size(): number {
    return Math.min(this.#limit, this.#next - 1);
  }

  add(entry: Omit<StoredLogEntry, 'position'>): void {
    this.#ring[this.#next % this.#limit] = { ...entry, position: this.#next };
    this.#next += 1;
  }

  *newestFirst(): Iterable<StoredLogEntry> {
    for (let position = this.#next - 1; position > this.#next - 1 - this.size; position -= 1) {
      const entry = this.#ring[position % this.#limit];
      if (entry) yield entry;
    }
  }

  /** Entries stored after the position, in order. */
  *after(position: number): Iterable<StoredLogEntry> {
    for (let at = Math.max(position + 1, this.#next - this.size); at < this.#next; at += 1) {
      const entry = this.#ring[at % this.#limit];
      if (entry) yield entry;
    }
  }
}
