// A thread that watches the one that fuzzes: where the same input takes too long it is told, and the process ended.
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const STATE_BYTES = 8;
const { shared, limitMs, target } = workerData;
const state = new Int32Array(shared, 0, 2);
let seen = -1;
let sinceMs = Date.now();

setInterval(() => {
  const now = Atomics.load(state, 0);
  if (now !== seen || now === 0) {
    seen = now;
    sinceMs = Date.now();
    return;
  }
  if (Date.now() - sinceMs < limitMs) return;
  const input = Buffer.from(shared, STATE_BYTES, Atomics.load(state, 1)).toString('hex');
  writeSync(
    2,
    `\n${target}: an input takes more than ${limitMs} ms\n  ${input}\n  pnpm fuzz ${target} --input ${input}\n`,
  );
  process.kill(process.pid, 'SIGKILL');
}, 1000);
