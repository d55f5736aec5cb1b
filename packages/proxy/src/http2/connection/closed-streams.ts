const REMEMBERED = 128;

/** Which streams closed lately, since frames for them may still be on their way. Older ones are simply closed. */
export class ClosedStreams {
  // Grow with use: most connections see few streams.
  readonly #ids: number[] = [];
  readonly #byUs: boolean[] = [];
  #next = 0;

  /** @param byUs we cut it off, and the peer may not know yet. */
  add(id: number, byUs: boolean): void {
    this.#ids[this.#next] = id;
    this.#byUs[this.#next] = byUs;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }

  wasCutByUs(id: number): boolean {
    return this.#byUs[this.#ids.lastIndexOf(id)] === true;
  }
}
