/** Where the mesh's own programs are: beside this bundle, and in the sample's package. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WeftError } from '@weft/kit';

// Bundled: apps/cli/dist/<file>.
const beside = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface Programs {
  readonly controlPlane: string;
  readonly proxy: string;
  readonly consoleDir: string;
  readonly bookinfo: (name: string) => string;
  readonly samples: string;
}

/** @throws {WeftError} WEFT_NOT_BUILT */
export function findPrograms(): Programs {
  const controlPlane = beside('control-plane.js');
  const proxy = beside('proxy.js');
  for (const file of [controlPlane, proxy]) {
    if (!existsSync(file))
      throw new WeftError('WEFT_NOT_BUILT', `${file} is missing`, {
        fix: 'run "npx -y pnpm@12 build" in the repository',
      });
  }
  return {
    controlPlane,
    proxy,
    consoleDir: beside('../../console/dist'),
    bookinfo: (name) => beside(`../../bookinfo/dist/${name}.js`),
    samples: beside('../../../deploy/samples'),
  };
}
