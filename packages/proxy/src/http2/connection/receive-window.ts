import { DEFAULT_WINDOW } from '../frames/constants.ts';

/** What the peer may still send, all streams together (RFC 9113 §5.2): less as data comes, more as it is used. */
export class ReceiveWindow {
  readonly #size: number;
  #left: number;
  /** Used, and the peer does not know yet. */
  #uncredited = 0;

  /** @param size bytes; a connection begins with the default, and can only be told of more. */
  constructor(size: number) {
    this.#size = size;
    this.#left = Math.max(size, DEFAULT_WINDOW);
  }

  /** What the first WINDOW_UPDATE says; 0 = none is needed. */
  get firstCredit(): number {
    return this.#left - DEFAULT_WINDOW;
  }

  /** @returns false when the peer sent more than it may. */
  charge(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Data was used or dropped. @returns whether it is time to say so. */
  use(bytes: number): boolean {
    this.#uncredited += bytes;
    return this.#uncredited * 2 >= this.#size;
  }

  /** What paused streams hold must not keep the others from the rest: whether the peer should know of every byte. */
  get low(): boolean {
    return this.#uncredited > 0 && this.#left * 4 < this.#size;
  }

  /** @returns what the next WINDOW_UPDATE says. */
  takeCredit(): number {
    const credit = this.#uncredited;
    this.#left += credit;
    this.#uncredited = 0;
    return credit;
  }
}
