/**
 * The thread that says when a request is due. Timers of an event loop are a millisecond coarse and late when the loop is
 * busy; a thread that sleeps until the moment is neither.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { nowMs } from './clock.ts';
import type { Pace } from './pacer.ts';

const { startMs, everyMs, count } = workerData as Pace;
const cell = new Int32Array(new SharedArrayBuffer(4));
for (let tick = 0; tick < count; tick += 1) {
  const waitMs = startMs + tick * everyMs - nowMs();
  if (waitMs > 0) Atomics.wait(cell, 0, 0, waitMs);
  parentPort?.postMessage(tick);
}
