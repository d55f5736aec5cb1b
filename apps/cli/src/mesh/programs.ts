/** Where the mesh's own programs are: beside this bundle, and in the packages of the console and the sample. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WeftError } from '@weft/kit';

// Bundled: apps/cli/dist/<file>.
const beside = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const builtOf = (manifestUrl: string): string => fileURLToPath(new URL('dist', manifestUrl));

export interface Programs {
  readonly controlPlane: string;
  readonly proxy: string;
  readonly consoleDir: string;
  readonly bookinfo: (name: string) => string;
  readonly samples: string;
}

/** The `weft` command itself. */
export const ownProgram = (): string => beside('weft.js');

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
    consoleDir: builtOf(import.meta.resolve('@weft/console/package.json')),
    bookinfo: (name) => join(builtOf(import.meta.resolve('@weft/bookinfo/package.json')), `${name}.js`),
    samples: beside('../../../deploy/samples'),
  };
}
