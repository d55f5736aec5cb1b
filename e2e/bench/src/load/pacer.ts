/** Calls at fixed moments, each in its time. */
import { Worker } from 'node:worker_threads';
import { nowMs } from './clock.ts';

export interface Pace {
  /** When the first is due, by `nowMs`. */
  readonly startMs: number;
  readonly everyMs: number;
  readonly count: number;
}

// A thread must be up before the first moment.
const START_MS = 300;

/** @param onDue is told when it should have been called. @returns after the last one. */
export async function pace(
  rate: number,
  durationMs: number,
  onDue: (dueMs: number, tick: number) => void,
): Promise<void> {
  const everyMs = 1000 / rate;
  const plan: Pace = { startMs: nowMs() + START_MS, everyMs, count: Math.max(1, Math.round(durationMs / everyMs)) };
  const thread = new Worker(new URL('pacer-thread.js', import.meta.url), { workerData: plan });
  await new Promise<void>((resolve, reject) => {
    thread.once('error', reject);
    thread.on('message', (tick: number) => {
      onDue(plan.startMs + tick * everyMs, tick);
      if (tick === plan.count - 1) resolve();
    });
  });
  await thread.terminate();
}
