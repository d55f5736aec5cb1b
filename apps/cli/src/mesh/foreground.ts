/** A mesh in the foreground (`up`, `demo`): started in the form that fits, told about, stopped in order. */
import { checkThisMachine } from '@weft/local';
import { EXIT } from '../exit-codes.ts';
import { chooseForm } from '../isolated/form.ts';
import { takeHandover } from '../isolated/handover.ts';
import type { MeshOptions } from './options.ts';
import { createProgress, type Progress } from './progress.ts';
import { watchShutdown } from './shutdown.ts';
import type { RunningMesh, StartExtras } from './start.ts';

export interface ForegroundExtras extends Omit<StartExtras, 'gateway'> {
  /** The mesh is to end although it is only starting. */
  readonly stopped: AbortSignal;
}

export interface ForegroundWork {
  /** End with the terminal and with the launcher (npx, pnpm). */
  readonly hangUp: boolean;
  /** All that is to be up; when it rejects, it has stopped what it had started. */
  start(extras: ForegroundExtras): Promise<RunningMesh>;
  /** Tells the user. @returns what ends before the mesh does. */
  started(mesh: RunningMesh, progress: Progress): () => void;
}

/** What a failed start left open must not keep this process, and with it the children at its lifeline. */
const END_AFTER_FAILURE_MS = 5_000;

/** @returns the exit code, when the mesh has ended. */
export async function inForeground(options: MeshOptions, work: ForegroundWork): Promise<number> {
  const handover = takeHandover(process.env);
  const form = handover ? undefined : chooseForm(options.interception, () => checkThisMachine(process.env));
  if (form?.form === 'isolated') return (await import('../isolated/hub-host.ts')).runHub(options, form.check);
  const progress = createProgress();
  const shutdown = watchShutdown({
    hangUp: work.hangUp,
    inner: handover !== undefined,
    onSecond: () => process.exit(EXIT.interrupted),
  });
  const stopped = new AbortController();
  void shutdown.asked.then(() => stopped.abort());
  try {
    const starting = work.start({
      progress,
      stopped: stopped.signal,
      ...(handover?.as === 'hub' ? { hub: handover.hub } : {}),
      ...(form?.reason === undefined ? {} : { formReason: form.reason }),
      onShutdownAsked: () => shutdown.ask('weft was asked to stop'),
    });
    // Asked to stop while starting: what is up already must still go down in order.
    const first = await Promise.race([starting, shutdown.asked]);
    if (typeof first === 'string') {
      progress.step(`stopping (${first}); once more to stop at once`);
      const mesh = await starting.catch(() => undefined);
      await mesh?.stop(0);
      return EXIT.interrupted;
    }
    const mesh = first;
    const end = work.started(mesh, progress);
    const reason = await shutdown.asked;
    progress.step(`stopping (${reason}); once more to stop at once`);
    end();
    await mesh.stop(options.drainMs);
    progress.done('everything is stopped');
    return EXIT.ok;
  } catch (error) {
    // Unreferenced: when all is closed, the process ends before.
    setTimeout(() => process.exit(process.exitCode ?? EXIT.failed), END_AFTER_FAILURE_MS).unref();
    throw error;
  } finally {
    shutdown.release();
  }
}
