import type { OverloadState } from '../overload/overload.ts';
import { takeBelow } from '../shared/take-below.ts';

/** Why a connection was not let in: its limit of connections, memory, or descriptors. */
export type Refusal = 'connections' | 'memory' | 'descriptors';

export interface GateOptions {
  /** Connections at once. */
  readonly max: number;
  readonly overload: OverloadState;
  /** One, which all workers count in. */
  readonly cells: Int32Array;
  /**
   * A connection on a descriptor of this number, or above, was let in last: the system gives the lowest that is free, so
   * that all below are taken. The rest is for connections to upstreams, logs and files.
   */
  readonly maxDescriptor: number;
  /** Whether so many descriptors are free. */
  readonly descriptorsLeft: (count: number) => boolean;
}

/** Descriptors that must be free again before connections are taken. */
export const DESCRIPTORS_TO_RESUME = 64;

/** Counts the client connections of the whole proxy, all workers together, from the moment they are accepted. */
export class ConnectionGate {
  readonly #options: GateOptions;
  readonly #open: Int32Array;
  /** Told when there is no place, or the last one was taken. */
  onShut: (cause: Refusal) => void = () => {};
  /** Told when a connection has left. */
  onLeft: () => void = () => {};

  constructor(options: GateOptions) {
    this.#options = options;
    this.#open = options.cells;
  }

  /** @returns the connection's place, or why it has none. */
  enter(descriptor: number): ConnectionPlace | Refusal {
    const { max, overload, maxDescriptor } = this.#options;
    if (overload.refusing) return this.#refuse('memory');
    const before = takeBelow(this.#open, 0, max);
    if (before < 0) return this.#refuse('connections');
    if (descriptor >= maxDescriptor) {
      Atomics.sub(this.#open, 0, 1);
      return this.#refuse('descriptors');
    }
    const place = new ConnectionPlace();
    place.whenLeft(this.#onLeft);
    // Who comes next waits outside rather than to be refused.
    if (before + 1 === max) this.onShut('connections');
    return place;
  }

  readonly #onLeft = (): void => {
    Atomics.sub(this.#open, 0, 1);
    this.onLeft();
  };

  #refuse(cause: Refusal): Refusal {
    this.onShut(cause);
    return cause;
  }

  /** @returns why it should stay shut; it opens well below the limit only, so as not to open and shut all the time. */
  stillShut(cause: Refusal): Refusal | undefined {
    const { max, overload, descriptorsLeft } = this.#options;
    if (overload.refusing) return 'memory';
    if (Atomics.load(this.#open, 0) > lowMark(max)) return 'connections';
    return cause === 'descriptors' && !descriptorsLeft(DESCRIPTORS_TO_RESUME) ? 'descriptors' : undefined;
  }
}

/** A twentieth below the limit, one at least. */
export const lowMark = (max: number): number => max - Math.max(1, Math.floor(max / 20));

/** Held until the connection is gone, in whatever state that happens. */
export class ConnectionPlace {
  #leaves: (() => void)[] | undefined = [];
  /** Tells who let the client in that it does harm. */
  onAbuse: (() => void) | undefined;

  whenLeft(leave: () => void): void {
    if (this.#leaves === undefined) leave();
    else this.#leaves.push(leave);
  }

  /** May be called more than once. */
  readonly leave = (): void => {
    const leaves = this.#leaves;
    this.#leaves = undefined;
    if (leaves !== undefined) for (const one of leaves) one();
  };
}
