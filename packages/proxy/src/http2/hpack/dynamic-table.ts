import type { Field } from './field.ts';

/** The dynamic table of one direction of a connection: newest first, oldest out (RFC 7541 §2.3.2, §4). */
export class DynamicTable {
  #ring: (Field | undefined)[] = [];
  /** Entries ever added; the newest is number `added` - 1. */
  added = 0;
  length = 0;
  size = 0;
  #maxSize: number;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  /** @param index 0 for the newest. */
  at(index: number): Field | undefined {
    return index < this.length ? this.#ring[(this.added - 1 - index) & (this.#ring.length - 1)] : undefined;
  }

  /** Puts an equal field in the place of one. */
  replace(index: number, field: Field): void {
    if (index < this.length) this.#ring[(this.added - 1 - index) & (this.#ring.length - 1)] = field;
  }

  /** How far entry number `ordinal` is from the newest, or -1 when it is gone or is another field. */
  find(ordinal: number, field: Field): number {
    const index = this.added - 1 - ordinal;
    return index >= 0 && index < this.length && this.#ring[ordinal & (this.#ring.length - 1)] === field ? index : -1;
  }

  /** @returns false when the field is larger than the whole table, which is empty then. */
  insert(field: Field): boolean {
    const { size } = field;
    this.#evictTo(this.#maxSize - size);
    if (size > this.#maxSize) return false;
    if (this.length === this.#ring.length) this.#grow();
    this.#ring[this.added & (this.#ring.length - 1)] = field;
    this.added += 1;
    this.length += 1;
    this.size += size;
    return true;
  }

  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#evictTo(maxSize);
  }

  #evictTo(size: number): void {
    while (this.length > 0 && this.size > size) {
      const at = (this.added - this.length) & (this.#ring.length - 1);
      this.size -= this.#ring[at]?.size ?? 0;
      this.#ring[at] = undefined;
      this.length -= 1;
    }
  }

  /** The ring is a power of two, so that the place of an entry is some bits of its number. */
  #grow(): void {
    const grown: (Field | undefined)[] = Array.from({ length: Math.max(16, this.#ring.length * 2) });
    for (let ordinal = this.added - this.length; ordinal < this.added; ordinal += 1) {
      grown[ordinal & (grown.length - 1)] = this.#ring[ordinal & (this.#ring.length - 1)];
    }
    this.#ring = grown;
  }
}
