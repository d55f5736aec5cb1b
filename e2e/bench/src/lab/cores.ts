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

/** Moves a process with all its threads to one core; what it starts later stays there too. */
export function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-a', '-p', '-c', String(core), String(pid)], { stdio: 'ignore' });
}
