// The threads of the workers, and what is said to them.
import { Worker } from 'node:worker_threads';
import { errorMessage } from '@weft/kit';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';

export interface WorkerThreads {
  readonly count: number;
  /** Those that did not end. */
  alive(): number[];
  post(worker: number, message: ToWorker): void;
  postAll(message: ToWorker): void;
  close(): Promise<void>;
}

export interface WorkerThreadsDeps {
  /** What a thread runs: it finds its start in `workerData`. */
  readonly program: URL;
  readonly starts: readonly WorkerStart[];
  readonly onMessage: (worker: number, message: FromWorker) => void;
  /** A thread ended that was not to. */
  readonly onEnded: (worker: number, why: string) => void;
}

export function startWorkerThreads({ program, starts, onMessage, onEnded }: WorkerThreadsDeps): WorkerThreads {
  let closing = false;
  const alive = new Map<number, Worker>();
  for (const start of starts) {
    const { number } = start;
    const worker = new Worker(program, { workerData: start, name: `worker ${number}` });
    let why = 'it ended';
    alive.set(number, worker);
    worker.on('message', (message: FromWorker) => onMessage(number, message));
    worker.on('error', (error: unknown) => {
      why = (error instanceof Error ? error.stack : undefined) ?? errorMessage(error);
    });
    worker.on('exit', () => {
      alive.delete(number);
      if (!closing) onEnded(number, why);
    });
  }
  return {
    count: starts.length,
    alive: () => [...alive.keys()],
    post: (worker, message) => alive.get(worker)?.postMessage(message),
    postAll: (message) => alive.forEach((worker) => worker.postMessage(message)),
    async close() {
      closing = true;
      await Promise.all([...alive.values()].map((worker) => worker.terminate()));
    },
  };
}
