import { Worker } from 'node:worker_threads';

const STATE_BYTES = 8;

/** Ends the process, and says with which input, where one takes longer than `limitMs`. */
export class HangWatch {
  readonly #state: Int32Array;
  readonly #bytes: Buffer;
  readonly #worker: Worker;

  constructor(target: string, maxBytes: number, limitMs: number) {
    const shared = new SharedArrayBuffer(STATE_BYTES + maxBytes);
    this.#state = new Int32Array(shared, 0, 2);
    this.#bytes = Buffer.from(shared, STATE_BYTES);
    this.#worker = new Worker(new URL('hang-watch.mjs', import.meta.url), {
      workerData: { shared, limitMs, target },
      execArgv: [],
    });
    this.#worker.unref();
  }

  begin(input: Buffer): void {
    input.copy(this.#bytes);
    this.#state[1] = input.length;
    this.#state[0] = ((this.#state[0] ?? 0) + 1) | 1;
  }

  /** Nothing runs, however long. */
  rest(): void {
    this.#state[0] = 0;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
