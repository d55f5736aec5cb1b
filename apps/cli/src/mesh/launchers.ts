/**
 * npx and pnpm do not pass signals on, and a program that they started outlives them. So the demo watches the launchers
 * that stand between it and the user's shell, and ends when one of them is gone.
 */
import { readFileSync } from 'node:fs';

export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  /** Changes when a pid is used again. */
  readonly startTime: string;
  readonly command: string;
}

/** From /proc; undefined where there is none, or the process is gone or only waits to be reaped. */
export function readProcess(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name stands in parentheses and may itself hold blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, parent] = fields;
    if (state === 'Z' || state === 'X') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
    return { pid, parent: Number(parent), startTime: fields[19] ?? '', command };
  } catch {
    return undefined;
  }
}

const LAUNCHER = /(^|\/)(npm|npx|pnpm|corepack)\b|(npm|npx|pnpm)[-.\w]*(\/|\.c?js)|^(\/bin\/)?(sh|bash|dash) -c /;

/** Parents upwards from `pid` while they look like launchers. Pure given `read`. */
export function launchersAbove(
  pid: number,
  read: (pid: number) => ProcessFacts | undefined = readProcess,
): ProcessFacts[] {
  const found: ProcessFacts[] = [];
  let next = read(pid)?.parent ?? 0;
  while (next > 1 && found.length < 16) {
    const facts = read(next);
    // tools/demo.mjs is our own first step: a plain Node between pnpm and us.
    if (!facts || !(LAUNCHER.test(facts.command) || facts.command.includes('tools/demo.mjs'))) break;
    found.push(facts);
    next = facts.parent;
  }
  return found;
}

/** @returns its end. Calls `onGone` once, at most half a second after a launcher is gone. */
export function watchLaunchers(
  launchers: readonly ProcessFacts[],
  onGone: (launcher: ProcessFacts) => void,
): () => void {
  if (launchers.length === 0) return () => {};
  const timer = setInterval(() => {
    const gone = launchers.find((launcher) => readProcess(launcher.pid)?.startTime !== launcher.startTime);
    if (!gone) return;
    clearInterval(timer);
    onGone(gone);
  }, 500);
  return () => clearInterval(timer);
}
