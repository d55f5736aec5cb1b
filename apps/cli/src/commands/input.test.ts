import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { readInputs } from './input.ts';

const refusal = (names: readonly string[]) =>
  readInputs(names).then(
    () => 'was read',
    (error: Error) => error.message,
  );

describe('readInputs', () => {
  it('takes files as they are named, and those of a folder in order', async () => {
    await using dir = await tempDir();
    mkdirSync(join(dir.path, 'b'));
    mkdirSync(join(dir.path, 'a folder.yaml'));
    writeFileSync(join(dir.path, 'b', 'two.yml'), 'two: 2');
    writeFileSync(join(dir.path, 'one.YAML'), '\ufeffone: 1');
    writeFileSync(join(dir.path, 'note.txt'), 'none');
    symlinkSync(dir.path, join(dir.path, 'loop'));
    const inputs = await readInputs([dir.path, join(dir.path, 'note.txt')]);
    expect(inputs).toEqual([
      { file: join(dir.path, 'b', 'two.yml'), text: 'two: 2' },
      // The mark is the reader's to pass over: places count from it.
      { file: join(dir.path, 'one.YAML'), text: '\ufeffone: 1' },
      { file: join(dir.path, 'note.txt'), text: 'none' },
    ]);
  });

  it('refuses what is no text, too much of it, or without end', async () => {
    await using dir = await tempDir();
    const put = (name: string, content: string | Uint8Array): string => {
      writeFileSync(join(dir.path, name), content);
      return join(dir.path, name);
    };
    expect(await refusal([put('latin.yaml', Buffer.from('name: M\u00fcller', 'latin1'))])).toMatch(/is not UTF-8 text/);
    expect(await refusal([put('wide.yaml', Buffer.from('\ufeffa: 1', 'utf16le'))])).toMatch(/is UTF-16 text/);
    expect(await refusal([put('blank.yaml', '\n \n')])).toMatch(/blank.yaml is empty/);
    expect(await refusal([put('large.yaml', `# ${'x'.repeat(1 << 20)}`)])).toMatch(/larger than 1 MiB/);
    if (process.platform !== 'win32') expect(await refusal(['/dev/zero'])).toBe('/dev/zero is larger than 1 MiB');
  });

  it('says what can not be read, and why', async () => {
    await using dir = await tempDir();
    symlinkSync('self', join(dir.path, 'self'));
    expect(await refusal([])).toBe('which configuration?');
    expect(await refusal([join(dir.path, 'none.yaml')])).toMatch(/^there is no file .*none.yaml$/);
    expect(await refusal([join(dir.path, 'self')])).toMatch(/can not be read \(ELOOP\)/);
    expect(await refusal([join(dir.path, 'none', 'x'.repeat(300))])).toMatch(/no file|ENAMETOOLONG/);
    mkdirSync(join(dir.path, 'bare'));
    expect(await refusal([join(dir.path, 'bare')])).toMatch(/holds no .yaml, .yml or .json file/);
  });

  it.skipIf(process.platform === 'win32')('reads a pipe to its end', async () => {
    await using dir = await tempDir();
    const pipe = join(dir.path, 'pipe');
    const script = `mkfifo '${pipe}' && yes 'a: 1' | head -c 200000 > '${pipe}' &\n until [ -p '${pipe}' ]; do :; done`;
    execFileSync('sh', ['-c', script], { stdio: 'ignore' });
    expect((await readInputs([pipe]))[0]?.text).toHaveLength(200_000);
  });
});
