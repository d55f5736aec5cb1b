// Token buckets in shared memory: every worker of the process takes from the same ones.

/** Fills by `tokensPerFill` each interval, up to `maxTokens`. */
export interface BucketSettings {
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
}

const TOKENS = 0;
/** Fill intervals since the epoch of the store, of the last fill. */
const FILLED = 1;
const CELLS = 2;
const BUCKETS_PER_PAGE = 512;

export class TokenBucket {
  readonly settings: BucketSettings;
  readonly #cells: Int32Array;
  readonly #at: number;
  readonly #epochMs: number;

  constructor(settings: BucketSettings, cells: Int32Array, at: number, epochMs: number) {
    this.settings = settings;
    this.#cells = cells;
    this.#at = at;
    this.#epochMs = epochMs;
    Atomics.store(cells, at + TOKENS, settings.maxTokens);
    Atomics.store(cells, at + FILLED, 0);
  }

  /** @returns false when it is empty. */
  take(nowMs: number): boolean {
    this.#fill(nowMs);
    const cell = this.#at + TOKENS;
    for (;;) {
      const tokens = Atomics.load(this.#cells, cell);
      if (tokens <= 0) return false;
      if (Atomics.compareExchange(this.#cells, cell, tokens, tokens - 1) === tokens) return true;
    }
  }

  get remaining(): number {
    return Atomics.load(this.#cells, this.#at + TOKENS);
  }

  /** Whole seconds until the next tokens come. */
  secondsToFill(nowMs: number): number {
    const { fillIntervalMs } = this.settings;
    const sinceFill = Math.max(0, nowMs - this.#epochMs) % fillIntervalMs;
    return Math.ceil((fillIntervalMs - sinceFill) / 1000);
  }

  #fill(nowMs: number): void {
    const { maxTokens, tokensPerFill, fillIntervalMs } = this.settings;
    const cells = this.#cells;
    const now = Math.floor((nowMs - this.#epochMs) / fillIntervalMs) | 0;
    const filled = Atomics.load(cells, this.#at + FILLED);
    if (now === filled) return;
    // One worker fills; the others find it done. A clock that was set back begins anew and gives nothing.
    if (Atomics.compareExchange(cells, this.#at + FILLED, filled, now) !== filled || now < filled) return;
    const due = Math.min(maxTokens, (now - filled) * tokensPerFill);
    for (;;) {
      const tokens = Atomics.load(cells, this.#at + TOKENS);
      const next = Math.min(maxTokens, tokens + due);
      if (Atomics.compareExchange(cells, this.#at + TOKENS, tokens, next) === tokens) return;
    }
  }
}

/**
 * The buckets of a process, by what made them: a configuration that is compiled again, because something beside it
 * changed, finds its bucket as full as it was.
 */
export class TokenBuckets {
  readonly #known = new Map<string, WeakRef<TokenBucket>>();
  readonly #free: { readonly cells: Int32Array; readonly at: number }[] = [];
  readonly #gone: FinalizationRegistry<{
    readonly key: string;
    readonly place: { readonly cells: Int32Array; readonly at: number };
  }>;

  constructor() {
    this.#gone = new FinalizationRegistry(({ key, place }) => {
      this.#free.push(place);
      if (this.#known.get(key)?.deref() === undefined) this.#known.delete(key);
    });
  }

  /** @param key stands for the place in the configuration; other settings are another bucket. */
  of(key: string, settings: BucketSettings, nowMs: number): TokenBucket {
    const full = `${key} ${settings.maxTokens} ${settings.tokensPerFill} ${settings.fillIntervalMs}`;
    const known = this.#known.get(full)?.deref();
    if (known !== undefined) return known;
    const place = this.#free.pop() ?? this.#newPage();
    const made = new TokenBucket(settings, place.cells, place.at, nowMs);
    this.#known.set(full, new WeakRef(made));
    this.#gone.register(made, { key: full, place });
    return made;
  }

  #newPage(): { readonly cells: Int32Array; readonly at: number } {
    const cells = new Int32Array(new SharedArrayBuffer(BUCKETS_PER_PAGE * CELLS * Int32Array.BYTES_PER_ELEMENT));
    for (let i = BUCKETS_PER_PAGE - 1; i > 0; i -= 1) this.#free.push({ cells, at: i * CELLS });
    return { cells, at: 0 };
  }
}

/** A bucket that no other connection shares. */
export const ownBucket = (settings: BucketSettings, nowMs: number): TokenBucket =>
  new TokenBucket(settings, new Int32Array(CELLS), 0, nowMs);
