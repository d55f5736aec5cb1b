/** `weft up`: control plane and gateway, until told to stop. */
import { checkThisMachine } from '@weft/local';
import { chooseForm } from '../isolated/form.ts';
import { takeHandover } from '../isolated/handover.ts';
import { parseMeshFlags, type MeshFlags } from '../mesh/options.ts';
import { createProgress } from '../mesh/progress.ts';
import { watchShutdown } from '../mesh/shutdown.ts';
import { startMesh } from '../mesh/start.ts';
import { say } from '../output/print.ts';

export interface UpFlags extends MeshFlags {
  readonly gateway: boolean;
}

export async function up(flags: UpFlags): Promise<number> {
  const options = parseMeshFlags(flags);
  const handover = takeHandover(process.env);
  const form = handover ? undefined : chooseForm(options.interception, () => checkThisMachine(process.env));
  if (form?.form === 'isolated') return (await import('../isolated/hub-host.ts')).runHub(options, form.check);
  const formReason = form?.reason;
  const progress = createProgress();
  const shutdown = watchShutdown({ hangUp: false, inner: handover !== undefined, onSecond: () => process.exit(130) });
  const mesh = await startMesh(options, {
    progress,
    gateway: flags.gateway,
    ...(handover?.as === 'hub' ? { hub: handover.hub } : {}),
    ...(formReason === undefined ? {} : { formReason }),
    onShutdownAsked: () => shutdown.ask('weft was asked to stop'),
  });
  const { ports } = mesh.supervisor;
  progress.done('the mesh is up');
  say('');
  say(`  console   http://127.0.0.1:${ports.console}`);
  if (flags.gateway) say(`  gateway   http://127.0.0.1:${ports.gateway}`);
  say(`  state     ${mesh.dir.root}`);
  say('');
  say('  put a program in the mesh:  weft run --service NAME --port PORT -- COMMAND');
  say('  stop:                       Ctrl-C');
  const reason = await shutdown.asked;
  progress.step(`stopping (${reason}); once more to stop at once`);
  await mesh.stop(options.drainMs);
  progress.done('everything is stopped');
  shutdown.release();
  return 0;
}
