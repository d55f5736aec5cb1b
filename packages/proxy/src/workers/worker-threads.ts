// The threads of the workers, and what is said to them.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { type Clock, errorMessage } from '@weft/kit';
import type { FromWorker, ToWorker, UpdateAnswer, WorkerStart } from './messages.ts';

export interface WorkerThreads {
  readonly count: number;
  /** Those that did not end. */
  alive(): number[];
  post(worker: number, message: ToWorker): void;
  postAll(message: ToWorker): void;
  /**
   * Waits, doing nothing else, until all have answered an update; what they say comes to `onMessage` before this returns.
   * @returns false when it took too long.
   */
  awaitUpdate(version: number): boolean;
  close(): Promise<void>;
}

export interface WorkerThreadsDeps {
  /** What a thread runs: it finds its start in `workerData`. */
  readonly program: URL;
  readonly starts: readonly WorkerStart[];
  readonly onMessage: (worker: number, message: FromWorker) => void;
  /** A thread ended that was not to. */
  readonly onEnded: (worker: number, why: string) => void;
  readonly clock: Clock;
}

/** What a thread is started with. */
export interface WorkerData {
  readonly start: WorkerStart;
  /** For answers to updates. */
  readonly answers: MessagePort;
}

interface Living {
  readonly thread: Worker;
  readonly answers: MessagePort;
  readonly answered: Int32Array;
}

/** One that is busy for so long is not waited for: the rest of the process would stand still. */
const ANSWER_WITHIN_MS = 2_000;

export function startWorkerThreads(deps: WorkerThreadsDeps): WorkerThreads {
  const { program, starts, onMessage, onEnded, clock } = deps;
  let closing = false;
  const alive = new Map<number, Living>();
  for (const start of starts) {
    const { number } = start;
    const { port1, port2 } = new MessageChannel();
    const data: WorkerData = { start, answers: port2 };
    const thread = new Worker(program, { workerData: data, transferList: [port2], name: `worker ${number}` });
    let why = 'it ended';
    alive.set(number, { thread, answers: port1, answered: new Int32Array(start.memory.answered) });
    thread.on('message', (message: FromWorker) => onMessage(number, message));
    port1.on('message', (message: UpdateAnswer) => onMessage(number, message));
    thread.on('error', (error: unknown) => {
      why = (error instanceof Error ? error.stack : undefined) ?? errorMessage(error);
    });
    thread.on('exit', () => {
      alive.delete(number);
      if (!closing) onEnded(number, why);
    });
  }
  return {
    count: starts.length,
    alive: () => [...alive.keys()],
    post: (worker, message) => alive.get(worker)?.thread.postMessage(message),
    postAll: (message) => alive.forEach(({ thread }) => thread.postMessage(message)),
    awaitUpdate(version) {
      const untilMs = clock.now() + ANSWER_WITHIN_MS;
      for (const [number, { answered, answers }] of alive) {
        for (let seen = Atomics.load(answered, 0); seen < version; seen = Atomics.load(answered, 0)) {
          const leftMs = untilMs - clock.now();
          if (leftMs <= 0) return false;
          Atomics.wait(answered, 0, seen, leftMs);
        }
        for (let got = receiveMessageOnPort(answers); got !== undefined; got = receiveMessageOnPort(answers))
          onMessage(number, got.message as UpdateAnswer);
      }
      return true;
    },
    async close() {
      closing = true;
      await Promise.all([...alive.values()].map(({ thread }) => thread.terminate()));
    },
  };
}
