#!/usr/bin/env node
// Starts the built command; says what Node it needs, and how to build it when it is not there.
import { existsSync } from 'node:fs';
import './check-node.mjs';

const program = new URL('../dist/weft.js', import.meta.url);
if (existsSync(program)) {
  await import(program.href);
} else {
  process.stderr.write('error: weft is not built yet\n  fix:   run "npx -y pnpm@12 build" in the repository\n');
  process.exit(1);
}
