/** Programs that know nothing of meshes, put into one by `weft run`. */
import { fileURLToPath } from 'node:url';
import type { RunHandle, TestMesh } from './mesh.ts';
import { programPath } from './program-path.ts';

export { programPath };

/** A part of the sample, as it is built. */
export const bookinfoProgram = (name: string): string =>
  fileURLToPath(new URL(`../../apps/bookinfo/dist/${name}.js`, import.meta.url));

export interface EchoOptions {
  readonly service: string;
  readonly version: string;
  /** What clients call; default 8000. */
  readonly port?: number;
  /** Default SERVICE-VERSION. */
  readonly name?: string;
  readonly labels?: readonly string[];
  /** region/zone/subzone */
  readonly locality?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function startEcho(mesh: TestMesh, options: EchoOptions): Promise<RunHandle> {
  const { service, version, port = 8000, labels = [] } = options;
  const name = options.name ?? `${service}-${version}`;
  return mesh.run(
    [
      `--service=${service}`,
      `--version=${version}`,
      `--name=${name}`,
      `--port=${port}`,
      '--health-path=/health',
      ...labels.map((label) => `--label=${label}`),
      ...(options.locality === undefined ? [] : [`--locality=${options.locality}`]),
      '--',
      process.execPath,
      programPath('echo.mjs'),
    ],
    { env: { NAME: service, VERSION: version, ...options.env } },
  );
}
