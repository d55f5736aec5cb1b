import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WeftError } from '@weft/kit';
import { tempDir } from '@weft/testkit';
import { createStateDir, lockStateDir, readOrCreateToken, unwritable } from './state-dir.ts';

describe('state directory', () => {
  it('is private to its user, and its token is made once', async () => {
    await using dir = await tempDir();
    const state = createStateDir(join(dir.path, 'mesh'));
    expect(statSync(state.root).mode & 0o777).toBe(0o700);
    const token = readOrCreateToken(state);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(readOrCreateToken(state)).toBe(token);
    expect(statSync(state.tokenFile).mode & 0o777).toBe(0o600);
  });

  it('holds one supervisor at a time', async () => {
    await using dir = await tempDir();
    const state = createStateDir(dir.path);
    const lock = lockStateDir(state);
    expect(lock.recovered).toBe(false);
    expect(readFileSync(join(dir.path, 'supervisor.pid'), 'utf8').trim()).toBe(String(process.pid));
    lock.release();
    expect(existsSync(join(dir.path, 'supervisor.pid'))).toBe(false);
  });

  it('goes on after a run that ended without cleaning up', async () => {
    await using dir = await tempDir();
    const state = createStateDir(dir.path);
    // No process has this pid: it is above the kernel's limit.
    writeFileSync(join(dir.path, 'supervisor.pid'), '99999999\n');
    writeFileSync(join(state.run, 'left-over'), '');
    const lock = lockStateDir(state);
    expect(lock.recovered).toBe(true);
    expect(existsSync(join(state.run, 'left-over'))).toBe(false);
    lock.release();
  });

  it('says what to do when the folder can not be made', async () => {
    await using dir = await tempDir();
    writeFileSync(join(dir.path, 'file'), '');
    const error = { code: 'WEFT_STATE_DIR', fix: expect.stringContaining('--state DIR') as string };
    for (const place of [join(dir.path, 'file', 'mesh'), '/proc/weft']) {
      expect(() => createStateDir(place)).toThrow(expect.objectContaining(error));
    }
  });

  it('tells a full disk from a folder that is not for this user', () => {
    const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    expect(unwritable('/m', full)).toMatchObject({
      code: 'WEFT_STATE_DIR',
      message: 'can not write to /m (ENOSPC)',
      fix: expect.stringContaining('make room on its disk') as string,
      cause: full,
    });
    const known = new WeftError('WEFT_ALREADY_RUNNING', 'a mesh runs');
    expect(unwritable('/m', known)).toBe(known);
  });

  it('takes a lock that is empty for one of the dead, and leaves nothing beside its own', async () => {
    await using dir = await tempDir();
    const state = createStateDir(dir.path);
    const lock = lockStateDir(state);
    expect(readdirSync(dir.path).filter((name) => name.startsWith('supervisor'))).toEqual(['supervisor.pid']);
    lock.release();
    // What a run that was killed inside its first millisecond could leave.
    writeFileSync(join(dir.path, 'supervisor.pid'), '');
    const next = lockStateDir(state);
    expect(next.recovered).toBe(true);
    next.release();
  });

  it('refuses a path too long for its sockets', async () => {
    await using dir = await tempDir();
    expect(() => createStateDir(join(dir.path, 'x'.repeat(120)))).toThrow(/too long for a Unix socket/);
  });
});
