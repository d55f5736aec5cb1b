import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A supervisor of two programs; one ignores SIGTERM. */
const PARENT = `
import { spawn } from 'node:child_process';
import { startReaper } from ${JSON.stringify(fileURLToPath(new URL('./reaper.ts', import.meta.url)))};
const reaper = startReaper();
const start = (script) => {
  const child = spawn(process.execPath, ['-e', script], { detached: true, stdio: 'ignore' });
  reaper.add(child.pid);
  return child.pid;
};
const pids = [start('setInterval(() => {}, 1000)'), start("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)")];
console.log(pids.join(' '));
setInterval(() => {}, 1000);
`;

describe('startReaper', () => {
  it('ends the programs of a supervisor that was killed, also those that ignore SIGTERM', async () => {
    const tsx = import.meta.resolve('tsx');
    const parent = spawn(process.execPath, ['--import', tsx, '--input-type=module', '-e', PARENT], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
    const pids = line.trim().split(' ').map(Number);
    expect(pids.map(alive)).toEqual([true, true]);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await waitFor(() => pids.every((pid) => !alive(pid)), { what: 'both programs to end' });
  });
});
