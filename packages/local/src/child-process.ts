/** One process with a lifeline: messages both ways, and an end in order. */
import { spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { ChildMessage, ParentMessage } from '@weft/contracts';
import { openMessageChannel, type Clock, type Logger, type Timer } from '@weft/kit';
import type { LogSink } from './log-sink.ts';

export interface ChildProcessOptions {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  /** Become 4, 5, … */
  readonly descriptors: readonly number[];
  readonly env: Readonly<Record<string, string>>;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildProcessLine {
  readonly pid: number | undefined;
  readonly startedAt: number;
  readonly ended: Promise<ChildExit>;
  send(message: ParentMessage): void;
  /** @returns what stops it. */
  onMessage(listener: (message: ChildMessage) => void): () => void;
  /** Drains, then closes the lifeline, then kills. @returns when it is gone. @param replaced another process serves already. */
  end(drainMs: number, replaced?: boolean): Promise<ChildExit>;
}

const CLOSE_AFTER_MS = 1_000;
const KILL_AFTER_MS = 3_000;

export function spawnChild(
  options: ChildProcessOptions,
  { clock, logger, log }: { readonly clock: Clock; readonly logger: Logger; readonly log: LogSink },
): ChildProcessLine {
  const startedAt = clock.now();
  const listeners = new Set<(message: ChildMessage) => void>();
  const [command, ...args] = options.argv;
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...options.descriptors],
    env: options.env,
    // A group of its own: a terminal's Ctrl-C reaches the supervisor alone, which ends children in order.
    detached: true,
  });
  if (child.stdout) log.attach(child.stdout);
  if (child.stderr) log.attach(child.stderr);
  const line = openMessageChannel<ChildMessage, ParentMessage>(
    child.stdio[3] as Duplex,
    (message) => listeners.forEach((listener) => listener(message)),
    () => {},
  );
  let over = false;
  const ended = new Promise<ChildExit>((resolve) => {
    const end = (exit: ChildExit): void => {
      over = true;
      line.close();
      resolve(exit);
    };
    child.on('error', (error) => {
      logger.error({ child: options.name, error: error.message }, 'child could not be started');
      end({ code: null, signal: null });
    });
    child.on('exit', (code, signal) => end({ code, signal }));
  });
  return {
    pid: child.pid,
    startedAt,
    ended,
    send: (message) => line.send(message),
    onMessage(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async end(drainMs, replaced = false) {
      if (over) return ended;
      line.send({ type: 'drain', deadlineMs: drainMs, replaced });
      const timers: readonly Timer[] = [
        clock.after(drainMs + CLOSE_AFTER_MS, () => line.close()),
        clock.after(drainMs + KILL_AFTER_MS, () => child.kill('SIGKILL')),
      ];
      const exit = await ended;
      timers.forEach((timer) => timer.cancel());
      return exit;
    },
  };
}
