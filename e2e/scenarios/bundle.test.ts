/** The tool that makes the programs: a build leaves what belongs to it. */
import { execFileSync } from 'node:child_process';
import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { tempDir } from '@weft/testkit';

const tool = fileURLToPath(new URL('../../tools/bundle.mjs', import.meta.url));

it('a build takes away what earlier ones left, but not what may still be running or is not its own', async () => {
  await using dir = await tempDir();
  const at = (name: string): string => join(dir.path, name);
  writeFileSync(at('program.ts'), 'export const answer: number = 42;\n');
  const out = at('dist');
  const build = (): string[] => {
    execFileSync(process.execPath, [tool, out, at('program.ts')]);
    return readdirSync(out).toSorted();
  };
  expect(build()).toEqual(['program.js', 'program.js.map']);
  const hourAgo = new Date(Date.now() - 3_600_000);
  for (const name of ['chunk-OLD.js', 'chunk-OLD.js.map', 'chunk-NEW.js', 'notes.txt']) {
    writeFileSync(join(out, name), '');
    if (name !== 'chunk-NEW.js') utimesSync(join(out, name), hourAgo, hourAgo);
  }
  utimesSync(join(out, 'program.js'), hourAgo, hourAgo);
  expect(build()).toEqual(['chunk-NEW.js', 'notes.txt', 'program.js', 'program.js.map']);
});
