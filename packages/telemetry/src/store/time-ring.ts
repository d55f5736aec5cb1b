/** Sums per time slot for the recent past. Slots without traffic take no memory: they are allocated in chunks on first use. */
export interface RingShape {
  readonly stepMs: number;
  readonly slotsPerChunk: number;
  readonly chunks: number;
}

/** Recent past in detail: 15 minutes. */
export const FINE: RingShape = { stepMs: 2_000, slotsPerChunk: 30, chunks: 15 };
/** Roll-up: 12 hours. */
export const COARSE: RingShape = { stepMs: 60_000, slotsPerChunk: 30, chunks: 24 };

/** Longest time that is surely still held, counted back from now. */
export const reachMs = (shape: RingShape): number => shape.stepMs * shape.slotsPerChunk * (shape.chunks - 1);

type Samples = Float64Array | Float32Array;

/** As saved: the number of each chunk and its values. */
export type SavedRing = readonly { readonly chunk: number; readonly values: Samples }[];

// An increase reported over no more than this goes whole into the slot of its middle; over longer, it is spread evenly.
const SPREAD_ABOVE_MS = 10_000;

export class TimeRing {
  readonly shape: RingShape;
  /** Values in one slot. */
  readonly width: number;
  readonly #chunks: ({ chunk: number; values: Samples } | undefined)[];

  constructor(shape: RingShape, width: number) {
    this.shape = shape;
    this.width = width;
    this.#chunks = Array.from({ length: shape.chunks });
  }

  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + (chunk?.values.byteLength ?? 0), 0);
  }

  /** Adds an increase that happened between the two times. */
  add(fromMs: number, toMs: number, increase: ArrayLike<number>): void {
    const { stepMs } = this.shape;
    const short = toMs - fromMs <= SPREAD_ABOVE_MS;
    const last = Math.floor((short ? (fromMs + toMs) / 2 : toMs - 1) / stepMs);
    const oldest = last - this.shape.slotsPerChunk * (this.shape.chunks - 1) + 1;
    const first = short ? last : Math.floor(fromMs / stepMs) + 1;
    const parts = last - first + 1;
    for (let slot = Math.max(oldest, first); slot <= last; slot += 1)
      this.#addSlot(slot, increase, slot - first, parts);
  }

  #addSlot(slot: number, increase: ArrayLike<number>, part: number, parts: number): void {
    const { slotsPerChunk, chunks } = this.shape;
    const number = Math.floor(slot / slotsPerChunk);
    const place = number % chunks;
    let chunk = this.#chunks[place];
    if (chunk && chunk.chunk > number) return; // older than the ring reaches
    if (!chunk) {
      const length = slotsPerChunk * this.width;
      // Buckets of histograms need no more than 24 bits in one slot.
      chunk = { chunk: number, values: this.width === 1 ? new Float64Array(length) : new Float32Array(length) };
      this.#chunks[place] = chunk;
    } else if (chunk.chunk < number) {
      chunk.values.fill(0);
      chunk.chunk = number;
    }
    const { values } = chunk;
    const base = (slot % slotsPerChunk) * this.width;
    for (let i = 0; i < this.width; i += 1)
      values[base + i] = (values[base + i] ?? 0) + partOf(increase[i] ?? 0, part, parts);
  }

  /** Adds up the slots [firstSlot, lastSlot] into `into`. */
  sum(firstSlot: number, lastSlot: number, into: Float64Array): void {
    const { slotsPerChunk } = this.shape;
    for (const chunk of this.#chunks) {
      if (!chunk) continue;
      const start = chunk.chunk * slotsPerChunk;
      const from = Math.max(firstSlot, start);
      const to = Math.min(lastSlot, start + slotsPerChunk - 1);
      for (let slot = from; slot <= to; slot += 1) {
        const base = (slot - start) * this.width;
        for (let i = 0; i < this.width; i += 1) into[i] = (into[i] ?? 0) + (chunk.values[base + i] ?? 0);
      }
    }
  }

  /** Start of the oldest chunk held. */
  oldestMs(): number | undefined {
    let oldest: number | undefined;
    for (const chunk of this.#chunks) {
      if (chunk && (oldest === undefined || chunk.chunk < oldest)) oldest = chunk.chunk;
    }
    return oldest === undefined ? undefined : oldest * this.shape.slotsPerChunk * this.shape.stepMs;
  }

  /** Drops what lies wholly before the time. */
  forgetBefore(ms: number): void {
    const chunkMs = this.shape.slotsPerChunk * this.shape.stepMs;
    for (const [place, chunk] of this.#chunks.entries()) {
      if (chunk && (chunk.chunk + 1) * chunkMs <= ms) this.#chunks[place] = undefined;
    }
  }

  save(): SavedRing {
    return this.#chunks.filter((chunk) => chunk !== undefined).map(({ chunk, values }) => ({ chunk, values }));
  }

  restore(saved: SavedRing): void {
    for (const { chunk, values } of saved) {
      if (values.length !== this.shape.slotsPerChunk * this.width) continue;
      this.#chunks[chunk % this.shape.chunks] = { chunk, values };
    }
  }
}

/** Slots of a window: the one in progress at its end and enough before it to make the length. */
export function windowSlots(
  shape: RingShape,
  windowMs: number,
  atMs: number,
): { first: number; last: number; lengthMs: number } {
  const slots = Math.max(1, Math.round(windowMs / shape.stepMs));
  const last = Math.floor(atMs / shape.stepMs);
  const first = last - slots + 1;
  // Of the slot in progress only a part has passed.
  return { first, last, lengthMs: Math.max(shape.stepMs, atMs - first * shape.stepMs) };
}

/** Counts stay whole, so that their parts add up to them; halves of requests would not, and nobody has seen any. */
const partOf = (value: number, part: number, parts: number): number =>
  Number.isInteger(value)
    ? Math.floor((value * (part + 1)) / parts) - Math.floor((value * part) / parts)
    : value / parts;
