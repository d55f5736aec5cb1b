/** `weft up`: control plane and gateway, until told to stop. */
import { inForeground } from '../mesh/foreground.ts';
import { parseMeshFlags, type MeshFlags } from '../mesh/options.ts';
import { startMesh } from '../mesh/start.ts';
import { commandFor, say } from '../output/print.ts';

export interface UpFlags extends MeshFlags {
  readonly gateway: boolean;
}

export async function up(flags: UpFlags): Promise<number> {
  const options = parseMeshFlags(flags);
  return inForeground(options, {
    hangUp: false,
    start: (extras) => startMesh(options, { ...extras, gateway: flags.gateway }),
    started({ dir, supervisor: { ports } }, progress) {
      progress.done('the mesh is up');
      say('');
      say(`  console   http://127.0.0.1:${ports.console}`);
      if (flags.gateway) say(`  gateway   http://127.0.0.1:${ports.gateway}`);
      say(`  state     ${dir.root}`);
      say('');
      say(`  put a program in the mesh:  ${commandFor(flags.state)('run')} --service NAME --port PORT -- COMMAND`);
      say('  stop:                       Ctrl-C');
      return () => {};
    },
  });
}
