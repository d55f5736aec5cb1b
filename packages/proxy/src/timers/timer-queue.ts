import type { Clock, Timer } from '@weft/kit';

/**
 * Something that may run late. One object serves many waits; arming it again moves it. Subclass-free: the owner gets
 * itself back with a number that says which wait ended.
 */
export class Deadline {
  readonly owner: DeadlineOwner;
  readonly kind: number;
  dueMs = 0;
  list: DeadlineList | undefined;
  previous: Deadline | undefined;
  next: Deadline | undefined;

  constructor(owner: DeadlineOwner, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }
}

export interface DeadlineOwner {
  onDeadline(kind: number): void;
}

/** Deadlines of one duration, in the order they were armed, which is the order they are due. */
interface DeadlineList {
  readonly durationMs: number;
  first: Deadline | undefined;
  last: Deadline | undefined;
}

/**
 * Many deadlines behind one timer of the clock. Arming, moving and cancelling are O(1) and touch no clock timer, because
 * waits of equal length are kept in one list. Meant for few different lengths: those of the configuration.
 */
export class TimerQueue {
  readonly #clock: Clock;
  readonly #lists = new Map<number, DeadlineList>();
  #timer: Timer | undefined;
  #timerDueMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  arm(deadline: Deadline, durationMs: number): void {
    const former = deadline.list;
    if (former !== undefined && former.durationMs === durationMs && former.last === deadline) {
      // Already in its place; the clock's timer may wake for nothing once.
      deadline.dueMs = this.#clock.now() + durationMs;
      return;
    }
    this.cancel(deadline);
    let list = this.#lists.get(durationMs);
    if (list === undefined) {
      list = { durationMs, first: undefined, last: undefined };
      this.#lists.set(durationMs, list);
    }
    const dueMs = this.#clock.now() + durationMs;
    deadline.dueMs = dueMs;
    deadline.list = list;
    deadline.previous = list.last;
    if (list.last === undefined) list.first = deadline;
    else list.last.next = deadline;
    list.last = deadline;
    if (dueMs < this.#timerDueMs) this.#wakeAt(dueMs);
  }

  /** Harmless when it is not armed. */
  cancel(deadline: Deadline): void {
    const { list, previous, next } = deadline;
    if (list === undefined) return;
    if (previous === undefined) list.first = next;
    else previous.next = next;
    if (next === undefined) list.last = previous;
    else next.previous = previous;
    deadline.list = undefined;
    deadline.previous = undefined;
    deadline.next = undefined;
  }

  /** How many are armed; for tests and leak checks. */
  get size(): number {
    let count = 0;
    for (const list of this.#lists.values()) for (let d = list.first; d !== undefined; d = d.next) count += 1;
    return count;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerDueMs = Infinity;
    this.#lists.clear();
  }

  #wakeAt(dueMs: number): void {
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.at(dueMs, () => this.#run());
  }

  #run(): void {
    this.#timerDueMs = Infinity;
    const nowMs = this.#clock.now();
    for (const list of this.#lists.values()) {
      // What is armed meanwhile waits for the next run, so that a wait of 0 can not hold up everything.
      const { last } = list;
      for (let due = list.first; due !== undefined && due.dueMs <= nowMs; due = list.first) {
        this.cancel(due);
        due.owner.onDeadline(due.kind);
        if (due === last) break;
      }
      if (list.first === undefined) this.#lists.delete(list.durationMs);
    }
    let earliest = Infinity;
    for (const list of this.#lists.values())
      if (list.first !== undefined) earliest = Math.min(earliest, list.first.dueMs);
    if (earliest < this.#timerDueMs) this.#wakeAt(earliest);
  }
}
