// Far more connections than a thread ever has; the numbers of all threads stay exact.
const PER_WORKER = 2 ** 40;

/** Numbers for connections, by which lines of a log that are about the same one are found. */
export class ConnectionIds {
  #last: number;

  /** @param worker from 0; each has numbers of its own. */
  constructor(worker = 0) {
    this.#last = worker * PER_WORKER;
  }

  /** 1 and up, none twice in a process. */
  next(): number {
    this.#last += 1;
    return this.#last;
  }
}
