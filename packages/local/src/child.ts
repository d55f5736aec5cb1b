/** One child of the mesh's own (proxy, control plane): started with a lifeline, restarted with back-off, stopped in order. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { ChildMessage, ParentMessage } from '@weft/contracts';
import { openMessageChannel, type Backoff, type Clock, type Logger, type MessageChannel, type Timer } from '@weft/kit';
import type { LogSink } from './log-sink.ts';

export interface ChildOptions {
  readonly name: string;
  /** Path of the program's file; it runs on this Node. */
  readonly program: string;
  readonly nodeArgs?: readonly string[];
  /** Called for each start, since ports may change. */
  readonly args: () => readonly string[];
  /** Words before the command line that put the process elsewhere and become it. */
  readonly enter?: (argv: readonly [string, ...string[]]) => readonly [string, ...string[]];
  /** Descriptors that become 4, 5, … in the child. */
  readonly descriptors?: readonly number[];
  readonly env: Readonly<Record<string, string>>;
}

export interface ChildDeps {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly logger: Logger;
  readonly log: LogSink;
  /** A new process is up: give it what it needs. Called before its first message. */
  readonly onStart: (send: (message: ParentMessage) => void) => void;
  readonly onMessage: (message: ChildMessage) => void;
  readonly onExit: (exit: ChildExit) => void;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Ended although nobody asked it to. */
  readonly unexpected: boolean;
}

export interface Child {
  readonly pid: number | undefined;
  readonly restarts: number;
  send(message: ParentMessage): void;
  /** Drains, then closes the lifeline, then kills. @returns when the process is gone. */
  stop(drainMs: number): Promise<void>;
}

// A process that lived this long is forgiven its earlier crashes.
const STABLE_MS = 30_000;
const KILL_AFTER_MS = 3_000;

export function startChild(options: ChildOptions, deps: ChildDeps): Child {
  let process_: ChildProcess | undefined;
  let channel: MessageChannel<ParentMessage> | undefined;
  let stopping = false;
  let restarts = 0;
  let restartTimer: Timer | undefined;
  let gone: (() => void) | undefined;

  const start = (): void => {
    const startedAt = deps.clock.now();
    const own = [process.execPath, ...(options.nodeArgs ?? []), options.program, ...options.args()] as const;
    const [command, ...args] = options.enter ? options.enter(own) : own;
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...(options.descriptors ?? [])],
      env: options.env,
      // A group of its own: a terminal's Ctrl-C reaches the supervisor alone, which ends children in order.
      detached: true,
    });
    process_ = child;
    if (child.stdout) deps.log.attach(child.stdout);
    if (child.stderr) deps.log.attach(child.stderr);
    const line = openMessageChannel<ChildMessage, ParentMessage>(child.stdio[3] as Duplex, deps.onMessage, () => {});
    channel = line;
    let over = false;
    const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (over) return;
      over = true;
      line.close();
      process_ = undefined;
      channel = undefined;
      deps.onExit({ code, signal, unexpected: !stopping });
      if (stopping) gone?.();
      else restartLater(startedAt, code, signal);
    };
    child.on('error', (error) => {
      deps.logger.error({ child: options.name, error: error.message }, 'child could not be started');
      ended(null, null);
    });
    child.on('exit', ended);
    deps.onStart((message) => line.send(message));
  };

  const restartLater = (startedAt: number, code: number | null, signal: NodeJS.Signals | null): void => {
    if (deps.clock.now() - startedAt > STABLE_MS) deps.backoff.reset();
    const delayMs = Math.round(deps.backoff.next());
    deps.logger.warn({ child: options.name, code, signal, delayMs }, 'child ended; starting it again');
    restartTimer = deps.clock.after(delayMs, () => {
      restarts += 1;
      start();
    });
  };

  start();
  return {
    get pid() {
      return process_?.pid;
    },
    get restarts() {
      return restarts;
    },
    send: (message) => channel?.send(message),
    stop(drainMs) {
      stopping = true;
      restartTimer?.cancel();
      const child = process_;
      if (!child) return Promise.resolve();
      return new Promise((resolve) => {
        const timers: Timer[] = [];
        gone = () => {
          timers.forEach((timer) => timer.cancel());
          resolve();
        };
        channel?.send({ type: 'drain', deadlineMs: drainMs });
        timers.push(
          deps.clock.after(drainMs + KILL_AFTER_MS / 3, () => channel?.close()),
          deps.clock.after(drainMs + KILL_AFTER_MS, () => child.kill('SIGKILL')),
        );
      });
    },
  };
}
