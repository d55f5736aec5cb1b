// The program's access log on a disk that is full, and on one whose file is turned over.
import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, readFile, rename, rm, stat as statOf, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TempDir, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchPage, installProxy } from '../test-support/proxy-program.ts';
import { type RunningProxy, startRunning } from '../test-support/running-proxy.ts';

let dir: TempDir;
let program: string;
let app: Server;

beforeAll(async () => {
  ({ dir, program } = await installProxy());
  app = createServer((_, response) => response.end('x'));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
}, 60_000);
afterAll(async () => {
  app.closeAllConnections();
  app.close();
  await dir.remove();
});

const start = (accessLog: string): Promise<RunningProxy> =>
  startRunning({ program, dir: dir.path, appPort: (app.address() as AddressInfo).port, accessLog });
const DROPPED = 'weft.access_log_dropped_total';

async function calls({ address }: RunningProxy, count: number, path = '/'): Promise<void> {
  for (let i = 0; i < count; i += 1) expect((await fetchPage(address, path)).status).toBe(200);
}

/** A file system of 64 KiB, as long as the test runs; undefined for who may not make one. */
async function tinyDisk(): Promise<({ readonly path: string } & AsyncDisposable) | undefined> {
  const path = join(dir.path, 'tiny');
  await mkdir(path);
  const mounted = spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path]);
  if (mounted.status !== 0) return undefined;
  return {
    path,
    async [Symbol.asyncDispose]() {
      spawnSync('/bin/umount', ['-l', path]);
      await Promise.resolve();
    },
  };
}

describe('OB-04 an access log', () => {
  it('OB-04 on a full disk loses lines, which are counted; requests go on, and so do lines when there is room', async (context) => {
    await using disk = await tinyDisk();
    if (disk === undefined) return context.skip('only root can mount a small disk');
    const [file, filler] = [join(disk.path, 'access.log'), join(disk.path, 'filler')];
    await writeFile(filler, Buffer.alloc(60 * 1024));
    await using started = await start(file);
    await calls(started, 60, `/${'x'.repeat(200)}`);
    await waitFor(async () => ((await started.stat(DROPPED)) ?? 0) > 0, { what: 'lines without room' });
    expect(started.proxy.stderr() + started.proxy.stdout()).toMatch(/access log can not be written/);
    await rm(filler);
    await calls(started, 1, '/after');
    await waitFor(async () => (await readFile(file, 'utf8')).includes('/after'), { what: 'lines again' });
    const dropped = (await started.stat(DROPPED)) ?? 0;
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    // Each line is there whole, was counted, or is the one that was torn.
    const whole = lines.filter((line) => / 200 - via_upstream .*/.test(line) && line.startsWith('['));
    expect(whole.at(-1)).toContain('/after');
    expect(whole.length + dropped).toBeGreaterThanOrEqual(61);
    expect(lines.length - whole.length).toBeLessThanOrEqual(1);
  });

  it('OB-04 on a device without room loses all lines and no request', async () => {
    await using started = await start('/dev/full');
    await calls(started, 20);
    await waitFor(async () => (await started.stat(DROPPED)) === 20, { what: 'lines without room' });
  });

  it('OB-04 is turned over by whoever has the token, and no line is lost', async () => {
    const file = join(dir.path, 'rotated.log');
    await using started = await start(file);
    await calls(started, 5, '/before');
    await rename(file, `${file}.1`);
    expect((await fetchPage(started.admin, '/reopen_logs', { method: 'POST' })).status).toBe(401);
    expect(await started.post('/reopen_logs')).toBe(200);
    await calls(started, 5, '/after');
    const count = async (path: string): Promise<number> =>
      (await readFile(path, 'utf8').catch(() => '')).split('\n').length - 1;
    await waitFor(async () => (await count(file)) + (await count(`${file}.1`)) === 10, { what: 'all lines' });
    expect(await readFile(file, 'utf8')).toContain('/after');
    expect((await statOf(file)).mode & 0o777).toBe(0o600);
    expect(await started.stat(DROPPED)).toBe(0);
  });
});
