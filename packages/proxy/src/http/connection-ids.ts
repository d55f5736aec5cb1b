/** Numbers for connections, by which lines of a log that are about the same one are found. */
export class ConnectionIds {
  #last = 0;

  /** 1 and up, none twice in a process. */
  next(): number {
    this.#last += 1;
    return this.#last;
  }
}
