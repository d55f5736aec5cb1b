/** A shell that is fed commands: in namespaces of its own when asked, alive until its input ends. */
import { spawn } from 'node:child_process';
import { WeftError } from '@weft/kit';
import { toolPath } from './enter.ts';
import type { CommandLine } from '../workload-place.ts';

export interface FedShell {
  readonly pid: number;
  /** Runs commands. @throws {WeftError} WEFT_POD with what they wrote to stderr, when one fails. */
  run(script: string): Promise<void>;
  /** Ends its input, and so the shell. @returns when it is gone. */
  close(): Promise<void>;
}

const MARK = 'weft-done';
const LATE_MS = 20_000;

/** @param enter words before `/bin/sh`. @param env beside PATH. */
export async function startShell(
  enter: (argv: CommandLine) => CommandLine,
  env: Readonly<Record<string, string>>,
): Promise<FedShell> {
  const [command, ...args] = enter(['/bin/sh', '-s']);
  // A group of its own: a terminal's Ctrl-C is not its business. It ends with its input, also when its parent is killed.
  const child = spawn(command, args, {
    stdio: 'pipe',
    detached: true,
    env: { ...env, PATH: toolPath(env['PATH']) },
  });
  let errors = '';
  let output = '';
  let settle: { resolve: () => void; reject: (error: WeftError) => void } | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const failed = (reason: string): void =>
    settle?.reject(
      new WeftError(
        'WEFT_POD',
        `a network namespace could not be set up: ${errors.trim().split('\n').slice(-3).join('; ') || reason}`,
        {
          fix: 'use the loopback form with --interception loopback',
        },
      ),
    );
  child.stdin.on('error', () => {});
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4_000)));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (!output.includes(MARK)) return;
    output = '';
    settle?.resolve();
  });
  child.once('error', (error) => failed(error.message));
  child.once('close', (code) => failed(`the shell ended with ${code}`));
  const run = (script: string): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => failed('no answer'), LATE_MS);
      settle = {
        resolve: () => {
          clearTimeout(timer);
          settle = undefined;
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          settle = undefined;
          reject(error);
        },
      };
      if (child.exitCode !== null || child.pid === undefined) return failed('it has ended');
      child.stdin.write(`set -e\n${script}\nset +e\necho ${MARK}\n`);
    });
  await run("trap '' INT HUP TERM");
  return {
    pid: child.pid ?? 0,
    run,
    close() {
      child.stdin.end();
      return gone;
    },
  };
}
