import type { OverloadState } from '../overload/overload.ts';

/** Counts the client connections of the whole proxy from the moment they are accepted. */
export class ConnectionGate {
  readonly #max: number;
  readonly #overload: OverloadState;
  #open = 0;

  constructor(max: number, overload: OverloadState) {
    this.#max = max;
    this.#overload = overload;
  }

  get open(): number {
    return this.#open;
  }

  /** @returns the connection's place, or why it has none. */
  enter(): ConnectionPlace | 'full' | 'overloaded' {
    if (this.#overload.refusing) return 'overloaded';
    if (this.#open >= this.#max) return 'full';
    this.#open += 1;
    return new ConnectionPlace(() => {
      this.#open -= 1;
    });
  }
}

/** Held until the connection is gone, in whatever state that happens. */
export class ConnectionPlace {
  #leave: (() => void) | undefined;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  /** May be called more than once. */
  readonly leave = (): void => {
    const leave = this.#leave;
    this.#leave = undefined;
    leave?.();
  };
}
