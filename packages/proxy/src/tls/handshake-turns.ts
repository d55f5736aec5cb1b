import type { StatsSink } from '../ports.ts';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';

export interface HandshakeTurnsOptions {
  /** Clients whose handshake has not begun yet. */
  readonly maxWaiting: number;
  readonly stats: StatsSink;
  readonly timers: TimerQueue;
}

// All steps of handshakes that are ready run in one turn of the event loop, each as dear as twenty requests: one at a time
// is begun, so that one is ready at a time.
const PLACES = 1;
// Who takes longer, as clients far away do, does not keep others from theirs.
const PLACE_MS = 2;

/**
 * Lets handshakes begin one after the other, so that connections that are there already are served between them however many
 * clients come at once. One that comes alone begins at once.
 */
export class HandshakeTurns {
  readonly #options: HandshakeTurnsOptions;
  readonly #delayed: number;
  readonly #overflow: number;
  #waiting: HandshakeTurn[] = [];
  /** Of those that wait, who is next. */
  #next = 0;
  #places = PLACES;

  constructor(options: HandshakeTurnsOptions) {
    this.#options = options;
    this.#delayed = options.stats.counter('listener_manager.handshakes_delayed');
    this.#overflow = options.stats.counter('listener_manager.handshakes_overflow');
  }

  /**
   * @param start is called once, now or later. @param hasSpoken whether anything has come of the client by now.
   * @returns undefined when as many wait as may: it is not called then.
   */
  begin(start: () => void, hasSpoken: () => boolean): HandshakeTurn | undefined {
    const { maxWaiting, stats } = this.#options;
    const turn = new HandshakeTurn({ start, hasSpoken, onLeft: this.#onLeft });
    if (this.#places > 0 && this.waiting === 0) {
      this.#start(turn);
      return turn;
    }
    if (this.waiting >= maxWaiting) {
      stats.add(this.#overflow, 1);
      return undefined;
    }
    stats.add(this.#delayed, 1);
    this.#waiting.push(turn);
    return turn;
  }

  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  #start(turn: HandshakeTurn): void {
    this.#places -= 1;
    this.#options.timers.arm(turn.place, PLACE_MS);
    turn.begin();
    if (this.waiting > 0) setImmediate(this.#afterStart, turn);
  }

  // Whoever waited has spoken long ago. Who says nothing, and keeps at it with many connections, would keep the others from
  // theirs: what was there is read in the turn of the event loop that begins now.
  readonly #afterStart = (turn: HandshakeTurn): void => {
    setImmediate(this.#afterRead, turn);
  };

  readonly #afterRead = (turn: HandshakeTurn): void => {
    if (!turn.hasSpoken) turn.end();
  };

  readonly #onLeft = (turn: HandshakeTurn): void => {
    this.#options.timers.cancel(turn.place);
    this.#places += 1;
    // What is ready now comes first.
    if (this.waiting > 0) setImmediate(this.#more);
  };

  readonly #more = (): void => {
    while (this.#places > 0) {
      const turn = this.#waiting[this.#next];
      if (turn === undefined) return;
      this.#next += 1;
      if (this.#next === this.#waiting.length) {
        this.#waiting = [];
        this.#next = 0;
      }
      if (!turn.over) this.#start(turn);
    }
  };
}

interface HandshakeTurnDeps {
  readonly start: () => void;
  readonly hasSpoken: () => boolean;
  readonly onLeft: (turn: HandshakeTurn) => void;
}

/** One client's. */
export class HandshakeTurn {
  readonly place: Deadline;
  readonly #deps: HandshakeTurnDeps;
  #state: 'waits' | 'has a place' | 'over' = 'waits';

  constructor(deps: HandshakeTurnDeps) {
    this.#deps = deps;
    this.place = new Deadline({ onDeadline: () => this.end() }, 0);
  }

  get over(): boolean {
    return this.#state === 'over';
  }

  get hasSpoken(): boolean {
    return this.#deps.hasSpoken();
  }

  /** For who gives the places. */
  begin(): void {
    this.#state = 'has a place';
    this.#deps.start();
  }

  /** It is done, or has failed, or its client has left; may be called more than once. */
  readonly end = (): void => {
    const had = this.#state === 'has a place';
    this.#state = 'over';
    if (had) this.#deps.onLeft(this);
  };
}
