// What a worker's cells stand for, told to the main thread: an append-only log in shared memory. So a name is there as soon
// as its cell is, without a message.

export type NameKind = 'request' | 'tcp' | 'counter' | 'gauge';
const KINDS: readonly NameKind[] = ['request', 'tcp', 'counter', 'gauge'];

// Words before the records: bytes of whole records, and how many label sets and names found no room.
const LENGTH = 0;
const OVERFLOWED = 1;
const HEADER_WORDS = 2;
const HEADER_BYTES = HEADER_WORDS * Int32Array.BYTES_PER_ELEMENT;
// A record: its kind, its number among those, the length of its text, the text.
const RECORD_HEADER_BYTES = 9;
const DEFAULT_BYTES = 16 * 1024 * 1024;

export const reserveNames = (bytes = DEFAULT_BYTES): SharedArrayBuffer => new SharedArrayBuffer(HEADER_BYTES + bytes);

export class NameLogWriter {
  readonly #header: Int32Array;
  readonly #records: Buffer;

  constructor(memory: SharedArrayBuffer) {
    this.#header = new Int32Array(memory, 0, HEADER_WORDS);
    this.#records = Buffer.from(memory, HEADER_BYTES);
  }

  /** Where the log is full, what is counted under the number is not shown. */
  append(kind: NameKind, number: number, text: string): void {
    const at = Atomics.load(this.#header, LENGTH);
    const bytes = Buffer.from(text, 'utf8');
    const end = at + RECORD_HEADER_BYTES + bytes.length;
    if (end > this.#records.length) {
      this.countOverflow();
      return;
    }
    this.#records[at] = KINDS.indexOf(kind);
    this.#records.writeUInt32LE(number, at + 1);
    this.#records.writeUInt32LE(bytes.length, at + 5);
    this.#records.set(bytes, at + RECORD_HEADER_BYTES);
    Atomics.store(this.#header, LENGTH, end);
  }

  countOverflow(): void {
    Atomics.add(this.#header, OVERFLOWED, 1);
  }
}

export class NameLogReader {
  readonly #header: Int32Array;
  readonly #records: Buffer;
  #at = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#header = new Int32Array(memory, 0, HEADER_WORDS);
    this.#records = Buffer.from(memory, HEADER_BYTES);
  }

  get overflowed(): number {
    return Atomics.load(this.#header, OVERFLOWED);
  }

  /** Those that came since the last call, in order. */
  *read(): Generator<readonly [kind: NameKind, number: number, text: string]> {
    const end = Atomics.load(this.#header, LENGTH);
    while (this.#at < end) {
      const kind = KINDS[this.#records[this.#at] ?? 0] ?? 'counter';
      const number = this.#records.readUInt32LE(this.#at + 1);
      const from = this.#at + RECORD_HEADER_BYTES;
      const to = from + this.#records.readUInt32LE(this.#at + 5);
      this.#at = to;
      yield [kind, number, this.#records.toString('utf8', from, to)];
    }
  }
}
