import type { H2Limits } from './options.ts';

export const CONTROL = { ping: 0, settings: 1, priority: 2, windowUpdate: 3, closedStream: 4 } as const;
const KINDS = 5;

// What one frame of real work may bring along: an update of both windows and more.
const EARNED_BY_WORK = 4;
// Good behaviour of long ago is no credit.
const FORGET_AFTER_REQUESTS = 10_000;

/**
 * Tells work from noise on one connection (RFC 9113 §10.5). Every kind of control frame has a purse that time and real
 * work fill; requests that are cut off right away must stay the smaller part.
 */
export class FloodGuard {
  readonly #limits: H2Limits;
  readonly #purses: number[];
  readonly #filledMs: number[];
  readonly #now: () => number;
  #emptyInARow = 0;
  #requests = 0;
  #cutOff = 0;
  /** Since the connection began, for Envoy's bounds. */
  #streams = 0;
  #priorities = 0;
  #windowUpdates = 0;
  #dataSent = 0;

  constructor(limits: H2Limits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#purses = Array.from({ length: KINDS }, () => limits.controlBurst);
    this.#filledMs = Array.from({ length: KINDS }, now);
  }

  /** @returns false when the peer sends too many of these. */
  spend(kind: number): boolean {
    if (kind === CONTROL.closedStream && this.#limits.carriesMany) return true;
    if (!this.#withinBounds(kind)) return false;
    const left = (this.#purses[kind] ?? 0) - 1;
    this.#purses[kind] = left;
    return left >= 0 || this.#refill(kind);
  }

  #withinBounds(kind: number): boolean {
    const { maxPriorityPerStream, maxWindowUpdatesPerData } = this.#limits;
    if (kind === CONTROL.priority) {
      this.#priorities += 1;
      return this.#priorities <= maxPriorityPerStream * (1 + this.#streams);
    }
    if (kind !== CONTROL.windowUpdate || maxWindowUpdatesPerData === Infinity) return true;
    this.#windowUpdates += 1;
    return this.#windowUpdates <= 5 + 2 * (this.#streams + maxWindowUpdatesPerData * this.#dataSent);
  }

  #refill(kind: number): boolean {
    const { controlBurst, controlPerSecond } = this.#limits;
    const nowMs = this.#now();
    const gained = Math.floor(((nowMs - (this.#filledMs[kind] ?? 0)) * controlPerSecond) / 1000);
    if (gained <= 0) return false;
    this.#filledMs[kind] = nowMs;
    this.#purses[kind] = Math.min(controlBurst, (this.#purses[kind] ?? 0) + gained);
    return true;
  }

  /** A frame that carried some of a request or response, either way. */
  worked(): void {
    const { controlBurst } = this.#limits;
    const purses = this.#purses;
    for (let kind = 0; kind < KINDS; kind += 1) {
      const purse = purses[kind] as number;
      if (purse < controlBurst) purses[kind] = purse + EARNED_BY_WORK;
    }
  }

  /** A frame with data of ours. */
  sentData(): void {
    this.#dataSent += 1;
    this.worked();
  }

  /** @returns false after too many data frames in a row that say nothing. */
  data(empty: boolean): boolean {
    if (!empty) {
      this.#emptyInARow = 0;
      return true;
    }
    this.#emptyInARow += 1;
    return this.#emptyInARow <= this.#limits.maxEmptyFrames;
  }

  requestBegan(): void {
    this.#requests += 1;
    this.#streams += 1;
    if (this.#requests < FORGET_AFTER_REQUESTS) return;
    this.#requests >>= 1;
    this.#cutOff >>= 1;
  }

  /** A request ended by a reset, of either side. @returns false when too many do. */
  requestCutOff(beganMs: number): boolean {
    if (this.#now() - beganMs < this.#limits.prematureResetMs) this.#cutOff += 1;
    return this.#requests < this.#limits.minRequestsForResetRatio || this.#cutOff * 2 <= this.#requests;
  }
}
