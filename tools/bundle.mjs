// Bundles a program into one ESM file. usage: node tools/bundle.mjs OUT_DIR ENTRY... (paths from the
// package's folder; NAME=PATH gives the output another name). What is imported on demand becomes a file of its own.
// Packages in `external` stay beside the bundle because they carry native code.
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
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
const { metafile } = await build({
  metafile: true,
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

// Names of chunks change with what is in them: those of earlier builds would pile up. What is recent stays a while, since a
// mesh that runs from it may still load parts on demand.
const KEEP_MS = 10 * 60_000;
const written = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
for (const name of await readdir(outdir)) {
  if (written.has(name) || !/\.js(\.map)?$/.test(name)) continue;
  const path = join(outdir, name);
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
  if (Date.now() - mtimeMs > KEEP_MS) await rm(path, { force: true });
}
