/** `weft version`. */
import type { MeshView } from '@weft/contracts/console-views';
import packageJson from '../../package.json' with { type: 'json' };
import { openApi, type ApiFlags } from '../api.ts';
import { parseFormat, printData } from '../output/print.ts';

export interface VersionFlags extends ApiFlags {
  readonly client?: boolean;
  readonly output?: string;
}

export async function version(flags: VersionFlags): Promise<number> {
  const format = parseFormat(flags.output, ['table', 'json', 'yaml']);
  const client = packageJson.version;
  let controlPlane: string | undefined;
  if (!flags.client) {
    // No mesh is not an error here.
    controlPlane = await openApi(flags)
      .get<MeshView>('/api/v1/mesh')
      .then(
        (mesh) => mesh.version,
        () => undefined,
      );
  }
  if (format !== 'table') printData({ client, controlPlane, node: process.version }, format);
  else {
    process.stdout.write(`client: ${client}\n`);
    if (!flags.client) process.stdout.write(`control plane: ${controlPlane ?? 'not running'}\n`);
  }
  return 0;
}
