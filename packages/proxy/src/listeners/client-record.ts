import type { ClientLimits, ClientRefusal } from './client-limits.ts';

// What belongs together changes under a lock of its own; times are the low word of epoch milliseconds, since only what was
// lately matters, but for the end of a refusal.
const LOCK = 0;
const OPEN = 1;
/** New connections that may come at once, in thousandths. */
const TOKENS = 2;
const FILLED = 3;
const STRIKES = 4;
const FIRST_STRIKE = 5;
const REFUSED_HIGH = 6;
const REFUSED_LOW = 7;
export const CLIENT_CELLS = 8;

const WORD = 0x1_0000_0000;
const TOKEN = 1_000;
const MAX_BURST = 2_000_000;
const LOCK_WAIT_MS = 1;

const lowWord = (ms: number): number => (ms % WORD) | 0;
const tokensOf = (burst: number): number => Math.floor(Math.min(burst, MAX_BURST) * TOKEN);

/** What one address has taken, for all workers. */
export class Client {
  readonly #cells: Int32Array;

  constructor(cells: Int32Array) {
    this.#cells = cells;
  }

  static begin(cells: Int32Array, { burst }: ClientLimits, nowMs: number): void {
    cells[TOKENS] = tokensOf(burst);
    cells[FILLED] = lowWord(nowMs);
  }

  get open(): number {
    return Atomics.load(this.#cells, OPEN);
  }

  isRefused(nowMs: number): boolean {
    return this.#at(REFUSED_HIGH) * WORD + (this.#at(REFUSED_LOW) >>> 0) > nowMs;
  }

  /** @returns why it gets no connection; else `left` must be called once. */
  enter(limits: ClientLimits, nowMs: number): ClientRefusal | undefined {
    return this.#locked(() => {
      if (this.isRefused(nowMs)) return 'client_abuse_refused';
      if (this.#at(OPEN) >= limits.maxConnections) return 'client_overflow';
      if (limits.perSecond !== Infinity && !this.#takeToken(limits, nowMs)) return 'client_rate_limited';
      Atomics.add(this.#cells, OPEN, 1);
      return undefined;
    });
  }

  readonly left = (): void => void Atomics.sub(this.#cells, OPEN, 1);

  strike({ strikes, strikeWindowMs, refuseMs }: ClientLimits, nowMs: number): void {
    if (strikes === 0) return;
    this.#locked(() => {
      const cells = this.#cells;
      if ((lowWord(nowMs) - this.#at(FIRST_STRIKE)) >>> 0 > strikeWindowMs) {
        cells[STRIKES] = 0;
        cells[FIRST_STRIKE] = lowWord(nowMs);
      }
      cells[STRIKES] = this.#at(STRIKES) + 1;
      if (this.#at(STRIKES) < strikes) return;
      cells[STRIKES] = 0;
      cells[REFUSED_HIGH] = Math.floor((nowMs + refuseMs) / WORD);
      cells[REFUSED_LOW] = lowWord(nowMs + refuseMs);
    });
  }

  #takeToken({ perSecond, burst }: ClientLimits, nowMs: number): boolean {
    const cells = this.#cells;
    const gained = Math.floor(((lowWord(nowMs) - this.#at(FILLED)) >>> 0) * perSecond);
    // What is less than a thousandth is not lost, but waits.
    if (gained > 0) {
      cells[TOKENS] = Math.min(tokensOf(burst), this.#at(TOKENS) + gained);
      cells[FILLED] = lowWord(nowMs);
    }
    if (this.#at(TOKENS) < TOKEN) return false;
    cells[TOKENS] = this.#at(TOKENS) - TOKEN;
    return true;
  }

  #at(cell: number): number {
    return this.#cells[cell] ?? 0;
  }

  #locked<T>(run: () => T): T {
    while (Atomics.compareExchange(this.#cells, LOCK, 0, 1) !== 0) pause();
    try {
      return run();
    } finally {
      Atomics.store(this.#cells, LOCK, 0);
    }
  }
}

/** Held for as long as a few numbers take; what waits here waits for another thread that runs. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
}
