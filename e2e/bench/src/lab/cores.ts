/** Which core does what: the proxy under test has one to itself, load, backend and the rest of a mesh share another. */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

export const PROXY_CORE = 0;
export const LOAD_CORE = 1;

/** Why nothing can be pinned here, or undefined. */
export function whyNotPinned(): string | undefined {
  if (availableParallelism() < 2) return 'only one core';
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no taskset on PATH (Debian: util-linux)';
  }
}

/** A process that runs only where nothing else wants to, so that what shares its core is not late because of it. */
export function giveWay(pid: number): void {
  execFileSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(pid)], { stdio: 'ignore' });
}

/** Moves a process with all its threads to one core; what it starts later stays there too. */
export function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', String(core), String(pid)], { stdio: 'ignore' });
}
