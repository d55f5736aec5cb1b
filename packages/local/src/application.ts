/** The user's program: started, its output kept, its end seen. It knows nothing of the mesh. */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { errorMessage } from '@weft/kit';
import type { Clock } from '@weft/kit';
import type { LogSink } from './log-sink.ts';
import type { Reaper } from './reaper.ts';

export interface ApplicationOptions {
  readonly argv: readonly [string, ...string[]];
  /** Words before it that put it elsewhere and become it. */
  readonly enter?: (argv: readonly [string, ...string[]]) => readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export interface ApplicationExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Set when it could not be started at all. */
  readonly error?: string;
}

export interface Application {
  readonly pid: number | undefined;
  /** SIGTERM to its group, SIGKILL after the grace. @returns when it is gone. */
  stop(graceMs: number): Promise<void>;
}

export function startApplication(
  options: ApplicationOptions,
  deps: {
    readonly clock: Clock;
    readonly log: LogSink;
    readonly reaper: Reaper;
    readonly onExit: (exit: ApplicationExit) => void;
  },
): Application {
  const [program] = options.argv;
  // What would put it elsewhere could only say so in its output.
  const missing = options.enter && !isProgram(program, options.env['PATH'], options.cwd);
  const [command, ...args] = missing || !options.enter ? options.argv : options.enter(options.argv);
  const child: ChildProcess = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const group = child.pid;
  let over = false;
  const waiting: (() => void)[] = [];
  if (group !== undefined) deps.reaper.add(group);
  if (child.stdout) deps.log.attach(child.stdout);
  if (child.stderr) deps.log.attach(child.stderr);
  const ended = (exit: ApplicationExit): void => {
    if (over) return;
    over = true;
    if (group !== undefined) {
      // What the program left behind in its group ends with it.
      signalGroup(group, 'SIGKILL');
      deps.reaper.remove(group);
    }
    deps.onExit(exit);
    waiting.forEach((done) => done());
  };
  child.on('error', (error) => ended({ code: null, signal: null, error: errorMessage(error) }));
  child.on('exit', (code, signal) => ended({ code, signal }));
  return {
    get pid() {
      return over ? undefined : group;
    },
    stop(graceMs) {
      if (over || group === undefined) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = deps.clock.after(graceMs, () => signalGroup(group, 'SIGKILL'));
        waiting.push(() => {
          timer.cancel();
          resolve();
        });
        signalGroup(group, 'SIGTERM');
        // A stopped (SIGSTOP) program would not see SIGTERM.
        signalGroup(group, 'SIGCONT');
      });
    },
  };
}

/** Whether there is such a program, as a shell looks for it. */
export function isProgram(name: string, path: string | undefined, cwd: string): boolean {
  const folders = name.includes('/') ? [cwd] : (path ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(resolve(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // Already gone.
  }
}
