// Token buckets in shared cells: every worker of the process takes from the same ones.
import type { SharedCells } from '../../../shared/shared-cells.ts';

/** Fills by `tokensPerFill` each interval, up to `maxTokens`. */
export interface BucketSettings {
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
}

const TOKENS = 0;
/** Fill intervals since it was made, of the last fill. */
const FILLED = 1;
// When it was made: epoch milliseconds, in two words.
const MADE_HIGH = 2;
const MADE_LOW = 3;
const CELLS = 4;
const WORD = 0x1_0000_0000;

/** A bucket that is full. */
function begin(cells: Int32Array, { maxTokens }: BucketSettings, nowMs: number): void {
  Atomics.store(cells, TOKENS, maxTokens);
  Atomics.store(cells, FILLED, 0);
  Atomics.store(cells, MADE_HIGH, Math.floor(nowMs / WORD));
  Atomics.store(cells, MADE_LOW, (nowMs % WORD) | 0);
}

export class TokenBucket {
  readonly settings: BucketSettings;
  readonly #cells: Int32Array;
  readonly #madeMs: number;

  /** @param cells of a bucket that somebody began. */
  constructor(settings: BucketSettings, cells: Int32Array) {
    this.settings = settings;
    this.#cells = cells;
    this.#madeMs = (cells[MADE_HIGH] ?? 0) * WORD + ((cells[MADE_LOW] ?? 0) >>> 0);
  }

  /** @returns false when it is empty. */
  take(nowMs: number): boolean {
    this.#fill(nowMs);
    for (;;) {
      const tokens = Atomics.load(this.#cells, TOKENS);
      if (tokens <= 0) return false;
      if (Atomics.compareExchange(this.#cells, TOKENS, tokens, tokens - 1) === tokens) return true;
    }
  }

  get remaining(): number {
    return Atomics.load(this.#cells, TOKENS);
  }

  /** Whole seconds until the next tokens come. */
  secondsToFill(nowMs: number): number {
    const { fillIntervalMs } = this.settings;
    const sinceFill = Math.max(0, nowMs - this.#madeMs) % fillIntervalMs;
    return Math.ceil((fillIntervalMs - sinceFill) / 1000);
  }

  #fill(nowMs: number): void {
    const { maxTokens, tokensPerFill, fillIntervalMs } = this.settings;
    const cells = this.#cells;
    const now = Math.floor((nowMs - this.#madeMs) / fillIntervalMs) | 0;
    const filled = Atomics.load(cells, FILLED);
    if (now === filled) return;
    // One worker fills; the others find it done. A clock that was set back begins anew and gives nothing.
    if (Atomics.compareExchange(cells, FILLED, filled, now) !== filled || now < filled) return;
    const due = Math.min(maxTokens, (now - filled) * tokensPerFill);
    for (;;) {
      const tokens = Atomics.load(cells, TOKENS);
      const next = Math.min(maxTokens, tokens + due);
      if (Atomics.compareExchange(cells, TOKENS, tokens, next) === tokens) return;
    }
  }
}

/**
 * The buckets of a process, by what made them: a configuration that is compiled again, because something beside it
 * changed, finds its bucket as full as it was.
 */
export class TokenBuckets {
  readonly #shared: SharedCells;
  readonly #known = new Map<string, WeakRef<TokenBucket>>();
  readonly #gone = new FinalizationRegistry<string>((key) => {
    if (this.#known.get(key)?.deref() === undefined) this.#known.delete(key);
  });

  constructor(shared: SharedCells) {
    this.#shared = shared;
  }

  /** @param key stands for the place in the configuration; other settings are another bucket. */
  of(key: string, settings: BucketSettings, nowMs: number): TokenBucket {
    const full = `${key} ${settings.maxTokens} ${settings.tokensPerFill} ${settings.fillIntervalMs}`;
    const known = this.#known.get(full)?.deref();
    if (known !== undefined) return known;
    const cells = this.#shared.open(`bucket ${full}`, CELLS, (fresh) => begin(fresh, settings, nowMs));
    const made = new TokenBucket(settings, cells);
    this.#known.set(full, new WeakRef(made));
    this.#gone.register(made, full);
    return made;
  }
}

/** A bucket that no other connection shares. */
export function ownBucket(settings: BucketSettings, nowMs: number): TokenBucket {
  const cells = new Int32Array(CELLS);
  begin(cells, settings, nowMs);
  return new TokenBucket(settings, cells);
}
