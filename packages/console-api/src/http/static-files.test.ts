import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { loadStaticFiles } from './static-files.ts';

async function site() {
  const dir = await tempDir();
  const root = join(dir.path, 'dist');
  await mkdir(join(root, 'assets'), { recursive: true });
  await writeFile(join(dir.path, 'secret.txt'), 'key');
  await writeFile(join(root, 'index.html'), '<!doctype html>');
  await writeFile(join(root, 'assets', 'a-1.js'), 'x'.repeat(4096));
  await writeFile(join(root, '.env'), 'TOKEN=1');
  await symlink(join(dir.path, 'secret.txt'), join(root, 'link.txt'));
  return { dir, files: await loadStaticFiles(root) };
}

describe('loadStaticFiles', () => {
  it('serves what is in the folder, with its type, and compressed where that helps', async () => {
    const { dir, files } = await site();
    await using _ = dir;
    const script = files.find('/assets/a-1.js');
    expect(script).toMatchObject({ type: 'text/javascript; charset=utf-8', immutable: true });
    expect(script?.gzipped?.length).toBeLessThan(4096);
  });
  it.each([
    '/',
    '/traffic',
    '/services/default/reviews',
    '/config/networking.istio.io/VirtualService/default/reviews',
    '/open',
  ])('answers %s with the page', async (path) => {
    const { dir, files } = await site();
    await using _ = dir;
    expect(files.find(path)?.type).toBe('text/html; charset=utf-8');
  });
  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/assets/%2e%2e%2f%2e%2e%2fsecret.txt',
    '/..%5csecret.txt',
    '/assets\\..\\..\\secret.txt',
    '/traffic/../../secret.txt',
    '/index.html%00.js',
    '/link.txt',
    '/.env',
    '/assets',
    '/assets/',
    '/nothing',
    '//assets/a-1.js',
    '/api/v1/mesh',
    'http://localhost/index.html',
  ])('knows nothing of %s', async (path) => {
    const { dir, files } = await site();
    await using _ = dir;
    expect(files.find(path)).toBeUndefined();
  });
  it('says when the console was not built', async () => {
    await using dir = await tempDir();
    await expect(loadStaticFiles(dir.path)).rejects.toThrow(/build the console/);
  });
});
