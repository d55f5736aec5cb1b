// The program's file: in the main thread it is the program, in others a worker of it. Each loads what it needs.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';

const environment = (name: string): string | undefined => process.env[name];

if (isMainThread || parentPort === null) {
  const { runProgram } = await import('./program.ts');
  await runProgram({ program: new URL(import.meta.url), environment });
} else {
  const [{ runWorker }, { systemClock, systemRandom }] = await Promise.all([
    import('./workers/worker-main.ts'),
    import('@weft/kit'),
  ]);
  runWorker(workerData, { port: parentPort, clock: systemClock, random: systemRandom, environment });
}
