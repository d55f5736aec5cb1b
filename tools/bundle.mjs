// Bundles a program into one ESM file. usage: node tools/bundle.mjs OUT_DIR ENTRY... (paths from the
// package's folder; NAME=PATH gives the output another name). What is imported on demand becomes a file of its own.
// Packages in `external` stay beside the bundle because they carry native code.
import { basename } from 'node:path';
import { build } from 'esbuild';

const [outdir, ...entries] = process.argv.slice(2);
if (!outdir || entries.length === 0) {
  process.stderr.write('usage: bundle.mjs OUT_DIR ENTRY...\n');
  process.exit(64);
}
const entryPoints = entries.map((entry) => {
  const [path, name] = entry.split('=').reverse();
  return { in: path, out: name ?? basename(path).replace(/\.[jt]s$/, '') };
});
await build({
  entryPoints,
  outdir,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: true,
  logLevel: 'warning',
  splitting: true,
  external: ['koffi'],
  // CommonJS dependencies call require() for node: modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
