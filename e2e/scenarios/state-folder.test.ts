/** The folder of a mesh, and the command itself, where something about the machine or the user is odd. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { tempDir, waitFor } from '@weft/testkit';
import { weft, weftProgram } from '../harness/mesh.ts';
import { processesWith } from '../harness/processes.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function folder(): Promise<string> {
  const dir = await tempDir('weft-folder-');
  cleanups.push(async () => {
    for (const { pid } of processesWith(dir.path)) process.kill(pid, 'SIGKILL');
    await waitFor(() => processesWith(dir.path).length === 0);
    await dir.remove();
  });
  return dir.path;
}

interface Up {
  readonly child: ChildProcess;
  output(): string;
  ended(): Promise<number | null>;
}

function up(state: string): Up {
  const child = spawn(process.execPath, [weftProgram, 'up', '--no-gateway', '--ports', 'auto', '--state', state], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const end = once(child, 'close').then(([code]) => code as number | null);
  return { child, output: () => output, ended: () => end };
}

/** Of a mesh that was killed: no process has this number. */
const deadLock = (state: string): void => {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  writeFileSync(join(state, 'supervisor.pid'), '99999999\n');
};

describe('NW-01 the folder of a mesh', () => {
  it('NW-01 of several that start at the same moment, where a killed one left its lock, one runs', async () => {
    const state = join(await folder(), 'a folder with blanks & a quote’s');
    deadLock(state);
    const all = Array.from({ length: 3 }, () => up(state));
    const isUp = ({ output }: Up): boolean => output().includes('the mesh is up');
    await waitFor(() => all.some(isUp) && all.filter(({ child }) => child.exitCode !== null).length === 2, {
      timeoutMs: 90_000,
      what: 'one to be up and two to have ended',
    }).catch((error: unknown) => {
      throw new Error(all.map(({ output }) => output()).join('\n---\n'), { cause: error });
    });
    const [first] = all.filter(isUp);
    for (const { child, output } of all.filter((one) => one !== first))
      expect([child.exitCode, output()]).toEqual([1, expect.stringMatching(/already runs in .*blanks[\s\S]*fix:/)]);
    const status = await weft(['status', '--state', state]);
    expect([status.code, status.stdout]).toEqual([0, expect.stringContaining(`weft logs --state '${state}'`)]);
    first?.child.kill('SIGINT');
    expect(await first?.ended()).toBe(0);
    expect(readdirSync(state).filter((name) => /^supervisor|^run$/.test(name))).toEqual([]);
  });

  it('NW-01 asked to stop a second time, a mesh ends at once, and takes everything with it', async () => {
    const state = await folder();
    const mesh = up(state);
    await waitFor(() => mesh.output().includes('the mesh is up'), { timeoutMs: 90_000, what: 'the mesh' });
    // It can not end in order.
    const { pid } = processesWith(state).find(({ command }) => command.includes('control-plane')) ?? { pid: 0 };
    process.kill(pid, 'SIGSTOP');
    mesh.child.kill('SIGINT');
    await waitFor(() => mesh.output().includes('once more to stop at once'), { what: 'the offer' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    mesh.child.kill('SIGINT');
    expect(await mesh.ended()).toBe(130);
    process.kill(pid, 'SIGCONT');
    await waitFor(() => processesWith(state).length === 0, { timeoutMs: 30_000, what: 'every process to end' });
  });

  it('NW-01 without a home the folder has to be named; an empty variable is none, an empty flag is wrong', async () => {
    const cwd = await folder();
    const home = join(cwd, 'home');
    const empty = await weft(['status'], { cwd, env: { HOME: home, WEFT_STATE: '' } });
    expect([empty.code, empty.stderr]).toEqual([69, expect.stringContaining(`no mesh runs in ${join(home, '.weft')}`)]);
    expect(await weft(['status', '--state', ''], { cwd })).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('--state needs a folder') as string,
    });
    // The system knows this user's home, whatever the variable says.
    const relative = await weft(['status'], { cwd, env: { HOME: 'here', WEFT_STATE: '' } });
    expect([relative.code, relative.stderr]).toEqual([69, expect.not.stringContaining(cwd)]);
    if (process.getuid?.() === 0) {
      const nobody = await weft(['status'], { env: { HOME: '', WEFT_STATE: '' }, user: { uid: 64_123, gid: 64_123 } });
      expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringMatching(/no home folder[\s\S]*--state DIR/)]);
    }
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('NW-01 what can be no folder of a mesh is refused with what to do, and nothing is made', async () => {
    const dir = await folder();
    const long = join(dir, 'x'.repeat(120));
    writeFileSync(join(dir, 'file'), '');
    for (const [state, why] of [
      [long, /too long for a Unix socket[\s\S]*fix:.*shorter/],
      [join(dir, 'file'), /can not write to .*ENOTDIR[\s\S]*fix:.*--state DIR/],
      ['/dev/null', /can not write to .*ENOTDIR[\s\S]*fix:.*--state DIR/],
    ] as const) {
      const { code, stderr } = await weft(['up', '--ports', 'auto', '--state', state]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(why)]);
    }
    expect(existsSync(long)).toBe(false);
    expect((await weft(['status', '--state', long])).code).toBe(69);
  });

  const inMounts = process.getuid?.() === 0 ? ['-m'] : ['-Urm'];
  const canMount = spawnSync('unshare', [...inMounts, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;
  it.skipIf(!canMount)('NW-01 on a full disk it does not start, says what to do, and leaves no lock', async () => {
    const dir = await folder();
    const started = (freeKiB: number): { readonly code: number | null; readonly text: string } => {
      const script = [
        'mount -t tmpfs -o size=64k tmpfs "$0"',
        `dd if=/dev/zero of="$0/fill" bs=1k count=${64 - freeKiB} 2> /dev/null`,
        '"$1" "$2" up --no-gateway --ports auto --interception loopback --state "$0/mesh"',
        'code=$?; ls -A "$0/mesh" | grep supervisor; exit $code',
      ].join('\n');
      const { status, stdout, stderr } = spawnSync(
        'unshare',
        [...inMounts, 'sh', '-c', script, dir, process.execPath, weftProgram],
        { encoding: 'utf8', timeout: 60_000 },
      );
      return { code: status, text: stdout + stderr };
    };
    const nowhere = started(0);
    expect(nowhere).toEqual({ code: 1, text: expect.stringMatching(/ENOSPC[\s\S]*fix:.*make room/) as string });
    expect(nowhere.text).not.toContain('supervisor.pid');
    // There the control plane is what finds no room.
    expect(started(20)).toEqual({ code: 1, text: expect.stringMatching(/ENOSPC[\s\S]*fix:.*make room/) as string });
  });
});

describe('CL-01 the command about itself', () => {
  const named = (help: string): string[] =>
    [...help.matchAll(/^ {2}([a-z]+)\b.*$/gm)].map((match) => match[1] ?? '').filter((name) => name !== 'help');

  it('CL-01 every command has help that ends well and says what each flag is', async () => {
    const commands = named((await weft(['--help'])).stdout.split('Commands:')[1] ?? '');
    expect(commands.length).toBeGreaterThan(12);
    const helps = await Promise.all(commands.map((name) => weft([name, '--help'])));
    for (const [index, { code, stdout, stderr }] of helps.entries()) {
      expect([commands[index], code, stderr]).toEqual([commands[index], 0, '']);
      const options = (stdout.split('Options:')[1] ?? '').split(/\n\n/)[0] ?? '';
      // A flag without a word about it would end its line.
      expect([commands[index], options.match(/^ {2}-.*(?<=(?:--[\w-]+|[>\]]))$/m)?.[0]]).toEqual([
        commands[index],
        undefined,
      ]);
    }
  });

  it('CL-01 what bash completes is every command, flags of each, and kinds', async () => {
    const { stdout: script } = await weft(['completion', 'bash']);
    const completed = (...words: string[]): string[] => {
      const line = words.map((word) => `'${word}'`).join(' ');
      const program = `${script}\nCOMP_WORDS=(weft ${line}); COMP_CWORD=${words.length}; _weft; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', program], { encoding: 'utf8' }).trim().split('\n');
    };
    expect(completed('de')).toEqual(['demo', 'delete']);
    expect(completed('run', '--se')).toEqual(['--service', '--service-account']);
    expect(completed('get', 'virt')).toEqual(['virtualservices']);
    expect(await weft(['completion', 'tcsh'])).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/unknown shell "tcsh"[\s\S]*bash, zsh, fish/) as string,
    });
    const version = JSON.parse(readFileSync(new URL('../../apps/cli/package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect((await weft(['--version'])).stdout.trim()).toBe(version.version);
  });
});
