/** The one directory that holds all state of a mesh on this machine. */
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errorCode, WeftError } from '@weft/kit';

export interface StateDir {
  readonly root: string;
  readonly config: string;
  readonly ca: string;
  readonly proxies: string;
  readonly logs: string;
  readonly store: string;
  readonly run: string;
  readonly supervisorSocket: string;
  readonly apiSocket: string;
  readonly meshFile: string;
  readonly tokenFile: string;
}

// sun_path holds 108 bytes on Linux and 104 on macOS.
const MAX_SOCKET_PATH = 103;

export function stateDirAt(root: string): StateDir {
  const run = join(root, 'run');
  return {
    root,
    config: join(root, 'config'),
    ca: join(root, 'ca'),
    proxies: join(root, 'proxies'),
    logs: join(root, 'logs'),
    store: join(root, 'store'),
    run,
    supervisorSocket: join(run, 'supervisor.sock'),
    apiSocket: join(run, 'api.sock'),
    meshFile: join(run, 'mesh.json'),
    tokenFile: join(root, 'token'),
  };
}

/** Like `mkdir -p`. Node's own recursive call never returns where a folder that exists takes no children (/proc). */
function makeDir(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDir(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another that starts made it meanwhile.
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

/** Creates what is missing, private to this user. @throws {WeftError} WEFT_STATE_DIR with what to do. */
export function createStateDir(root: string): StateDir {
  const dir = stateDirAt(root);
  if (Buffer.byteLength(dir.supervisorSocket) > MAX_SOCKET_PATH) {
    throw new WeftError('WEFT_STATE_DIR', `the path ${root} is too long for a Unix socket inside it`, {
      fix: 'use a shorter folder with --state DIR',
    });
  }
  try {
    for (const path of [dir.root, dir.config, dir.ca, dir.proxies, dir.logs, dir.store, dir.run]) makeDir(path);
    accessSync(dir.root, constants.W_OK | constants.X_OK);
    if (process.getuid && statSync(dir.root).uid !== process.getuid()) {
      throw new WeftError('WEFT_STATE_DIR', `${root} belongs to another user`, {
        fix: 'choose another folder with --state DIR',
      });
    }
  } catch (error) {
    throw unwritable(root, error);
  }
  return dir;
}

const NO_ROOM: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** @returns WEFT_STATE_DIR with what to do, for whatever kept something from being written there. */
export function unwritable(root: string, error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  const code = errorCode(error);
  return new WeftError('WEFT_STATE_DIR', `can not write to ${root} (${code ?? String(error)})`, {
    cause: error,
    fix: `${NO_ROOM.has(code) ? 'make room on its disk' : 'make the folder writable'}, or choose another with --state DIR`,
  });
}

const TOKEN_LENGTH = 43;

/** The secret for writes over TCP: made once, 256 bits, readable by this user only. */
export function readOrCreateToken(dir: StateDir): string {
  try {
    const token = existsSync(dir.tokenFile) ? readFileSync(dir.tokenFile, 'utf8').trim() : '';
    if (token.length >= TOKEN_LENGTH) return token;
    const made = randomBytes(32).toString('base64url');
    writeFileSync(dir.tokenFile, `${made}\n`, { mode: 0o600 });
    return made;
  } catch (error) {
    throw unwritable(dir.root, error);
  }
}

const lockFile = (dir: StateDir): string => join(dir.root, 'supervisor.pid');

/** The supervisor that runs in this directory, if one does. */
export const runningSupervisor = (dir: StateDir): number | undefined => livingOwner(lockFile(dir));

function livingOwner(file: string): number | undefined {
  let pid: number;
  try {
    pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  } catch {
    return undefined;
  }
  return Number.isInteger(pid) && pid > 0 && isAlive(pid) && readsLike(pid) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** A pid may have been given to another program since; on Linux its command line tells. */
function readsLike(pid: number): boolean {
  try {
    return /weft|demo/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return true;
  }
}

export interface StateLock {
  /** True when an earlier run ended without cleaning up. */
  readonly recovered: boolean;
  release(): void;
}

/** One supervisor per directory. @throws {WeftError} WEFT_ALREADY_RUNNING, WEFT_STATE_DIR. */
export function lockStateDir(dir: StateDir): StateLock {
  let recovered: boolean;
  try {
    recovered = takeLock(dir);
    rmSync(dir.run, { recursive: true, force: true });
    makeDir(dir.run);
  } catch (error) {
    throw unwritable(dir.root, error);
  }
  return {
    recovered,
    release() {
      rmSync(dir.run, { recursive: true, force: true });
      rmSync(lockFile(dir), { force: true });
    },
  };
}

/** @throws {WeftError} WEFT_ALREADY_RUNNING. */
export function refuseSecondMesh(dir: StateDir): void {
  const other = runningSupervisor(dir);
  if (other === undefined) return;
  throw new WeftError('WEFT_ALREADY_RUNNING', `a mesh already runs in ${dir.root} (process ${other})`, {
    fix: `look at it with "weft status", stop it with "kill ${other}", or start another with --state DIR`,
  });
}

/** @returns whether a lock of an earlier run, now dead, was in the way. */
function takeLock(dir: StateDir): boolean {
  const file = lockFile(dir);
  for (let stale = false; ; stale = true) {
    if (claim(file)) return stale;
    refuseSecondMesh(dir);
    removeStale(dir, file);
  }
}

/** The file is there with its content or not at all: who starts at the same moment must not take half of it for a dead one's. */
function claim(file: string): boolean {
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, `${process.pid}\n`, { mode: 0o600 });
    return linked(own, file);
  } finally {
    rmSync(own, { force: true });
  }
}

function linked(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    // Some file systems have no hard links.
    return errorCode(error) === 'EEXIST' ? false : created(file);
  }
}

function created(file: string): boolean {
  try {
    writeFileSync(file, `${process.pid}\n`, { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Looks once more at what it took away: another that starts may just have put its own there. @throws {WeftError} WEFT_ALREADY_RUNNING. */
function removeStale(dir: StateDir, file: string): void {
  const taken = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, taken);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  const owner = livingOwner(taken);
  if (owner !== undefined) renameSync(taken, file);
  else rmSync(taken, { force: true });
  refuseSecondMesh(dir);
}
