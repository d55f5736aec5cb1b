// The program's file: in the main thread it is the program, in others a worker of it. Each loads what it needs.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { WorkerData } from './workers/worker-threads.ts';

const environment = (name: string): string | undefined => process.env[name];

if (isMainThread || parentPort === null) {
  const { runProgram } = await import('./program.ts');
  await runProgram({ program: new URL(import.meta.url), environment });
} else {
  const [{ runWorker }, { systemClock, systemRandom }] = await Promise.all([
    import('./workers/worker-main.ts'),
    import('@weft/kit'),
  ]);
  const { start, answers } = workerData as WorkerData;
  const worker = runWorker(start, {
    port: parentPort,
    answers,
    exit: () => process.exit(1),
    clock: systemClock,
    random: systemRandom,
    environment,
  });
  // Of this thread alone; rejections that nobody handles come here as well.
  process.on('uncaughtException', (error) => worker.fail(error));
  process.on('exit', () => worker.gone());
}
