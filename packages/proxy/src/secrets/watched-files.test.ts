import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FakeClock, tempDir, type TempDir, waitFor } from '@weft/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { watchFiles } from './watched-files.ts';

let dir: TempDir;
let [allowed, elsewhere] = ['', ''];
beforeEach(async () => {
  dir = await tempDir();
  allowed = join(dir.path, 'allowed');
  elsewhere = join(dir.path, 'allowed-not');
  await mkdir(allowed);
  await mkdir(elsewhere);
});
afterEach(() => dir.remove());

async function watch(paths: readonly string[], within: readonly string[] | undefined = [allowed]) {
  const clock = new FakeClock(0);
  const taken: string[] = [];
  const faults: string[] = [];
  const watched = await watchFiles(paths, {
    clock,
    ...(within === undefined ? {} : { within }),
    maxBytes: 10,
    onTexts(texts) {
      if (texts.includes('bad')) throw new Error('they are bad');
      taken.push(texts.join('+'));
    },
    onFault: (reason) => faults.push(reason),
  });
  const later = async (holds: () => boolean): Promise<void> => {
    await waitFor(() => {
      clock.advance(2_000);
      return holds();
    });
  };
  return { taken, faults, later, close: () => watched.close() };
}

describe('files that somebody else keeps', () => {
  it('are read at first, and when one of them has changed', async () => {
    const [a, b] = [join(allowed, 'a'), join(allowed, 'b')];
    await writeFile(a, '1');
    await writeFile(b, '2');
    const { taken, faults, later, close } = await watch([a, b]);
    expect(taken).toEqual(['1+2']);
    await writeFile(b, 'three');
    await later(() => taken.length === 2);
    close();
    expect(taken).toEqual(['1+2', '1+three']);
    expect(faults).toEqual([]);
  });

  it('are faulted once for each reason, and taken again when they are good', async () => {
    const a = join(allowed, 'a');
    await writeFile(a, 'good');
    const { taken, faults, later, close } = await watch([a]);
    await writeFile(a, 'bad');
    await later(() => faults.length === 1);
    await rm(a);
    await later(() => faults.length === 2);
    await writeFile(a, 'good');
    await later(() => taken.length === 2);
    close();
    expect(faults[0]).toBe('they are bad');
    expect(faults[1]).toContain('ENOENT');
  });

  it('may be reached by links, as mounts have them, when they end in the folder', async () => {
    await mkdir(join(allowed, '..data-1'));
    await writeFile(join(allowed, '..data-1/a'), 'one');
    await symlink('..data-1', join(allowed, '..data'));
    await symlink('..data/a', join(allowed, 'a'));
    const { taken, later, close } = await watch([join(allowed, 'a')]);
    expect(taken).toEqual(['one']);
    await mkdir(join(allowed, '..data-2'));
    await writeFile(join(allowed, '..data-2/a'), 'two');
    await symlink('..data-2', join(allowed, '..next'));
    await rename(join(allowed, '..next'), join(allowed, '..data'));
    await later(() => taken.length === 2);
    close();
    expect(taken).toEqual(['one', 'two']);
  });
});

describe('files that are not read', () => {
  it.each([
    ['outside of the folder', async () => join(elsewhere, 'a'), /is in none of the folders that may be read/],
    ['above it', async () => join(allowed, '../allowed-not/a'), /is in none of the folders/],
    [
      'behind a link that leads out',
      async () => {
        await symlink(join(elsewhere, 'a'), join(allowed, 'link'));
        return join(allowed, 'link');
      },
      /is in none of the folders/,
    ],
    ['relative', async () => Promise.resolve('package.json'), /is not an absolute path/],
    [
      'too long',
      async () => {
        await writeFile(join(allowed, 'long'), 'x'.repeat(11));
        return join(allowed, 'long');
      },
      /is longer than 10 bytes/,
    ],
    [
      'a pipe, which nobody writes to',
      async () => {
        execFileSync('mkfifo', [join(allowed, 'pipe')]);
        return join(allowed, 'pipe');
      },
      /is not a file/,
    ],
    ['a folder', async () => Promise.resolve(join(allowed, '.')), /is in none of the folders|is not a file/],
  ])('%s', async (_, make, reason) => {
    await writeFile(join(elsewhere, 'a'), 'secret');
    const { taken, faults, close } = await watch([await make()]);
    close();
    expect(taken).toEqual([]);
    expect(faults).toEqual([expect.stringMatching(reason)]);
  });

  it('any, where no folder is allowed', async () => {
    await writeFile(join(allowed, 'a'), 'a');
    const { faults, close } = await watch([join(allowed, 'a')], []);
    close();
    expect(faults[0]).toContain('(there are none)');
  });
});
