// Bundles a program into one ESM file. usage: node tools/bundle.mjs OUT_DIR ENTRY... (paths from the package's folder)
// Packages in `external` stay beside the bundle because they carry native code, wasm or are loaded only on demand.
import { build } from 'esbuild';

const [outdir, ...entryPoints] = process.argv.slice(2);
if (!outdir || entryPoints.length === 0) {
  process.stderr.write('usage: bundle.mjs OUT_DIR ENTRY...\n');
  process.exit(64);
}
await build({
  entryPoints,
  outdir,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: true,
  logLevel: 'warning',
  splitting: false,
  external: ['koffi', 'node-sqlite3-wasm'],
  // CommonJS dependencies call require() for node: modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
