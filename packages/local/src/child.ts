/** One child of the mesh's own (proxy, control plane): started with a lifeline, restarted with back-off, replaced without a gap, stopped in order. */
import type { ChildMessage, ParentMessage } from '@weft/contracts';
import { WeftError, type Backoff, type Clock, type Logger, type Timer } from '@weft/kit';
import { spawnChild, type ChildExit, type ChildProcessLine } from './child-process.ts';
import type { ListenSocket } from './listen-socket.ts';
import type { LogSink } from './log-sink.ts';

export interface ChildOptions {
  readonly name: string;
  /** Path of the program's file; it runs on this Node. */
  readonly program: string;
  readonly nodeArgs?: readonly string[];
  /** Called for each start, since ports may change. @param adopted sockets that its predecessor made; their descriptors come last. */
  readonly args: (adopted: readonly ListenSocket[]) => readonly string[];
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
  /** Of the process in charge: not of one that is to replace it, or was replaced. */
  readonly onMessage: (message: ChildMessage) => void;
  /** The process in charge ended. */
  readonly onExit: (exit: ChildExit & { readonly unexpected: boolean }) => void;
  /** Sockets that this process made itself, as the parent's. */
  readonly adopt?: (process: ChildProcessLine) => Promise<readonly ListenSocket[]>;
}

export interface ReplaceLimits {
  readonly readyMs: number;
  readonly drainMs: number;
}

export interface Replacement {
  readonly pid: number | undefined;
  readonly formerPid: number | undefined;
  /** When the process before has ended: how many connections its deadline cut; undefined when it did not say. */
  readonly drained: Promise<number | undefined>;
}

export interface Child {
  /** Of the process in charge. */
  readonly pid: number | undefined;
  readonly restarts: number;
  /** To every process of it that lives. */
  send(message: ParentMessage): void;
  /**
   * Starts another process beside the present one, on the same sockets. When it is ready it takes charge, and the
   * present one drains. Waits while too many are draining. @throws {WeftError} WEFT_RESTART_FAILED, and all is as before.
   */
  replace(limits: ReplaceLimits): Promise<Replacement>;
  /** Drains, then closes the lifeline, then kills. @returns when all of its processes are gone. */
  stop(drainMs: number): Promise<void>;
}

// A process that lived this long is forgiven its earlier crashes.
const STABLE_MS = 30_000;
// Each keeps its memory until its last connection ends.
const MAX_DRAINING = 2;

export function startChild(options: ChildOptions, deps: ChildDeps): Child {
  const { clock, logger } = deps;
  const living = new Set<ChildProcessLine>();
  const draining = new Map<ChildProcessLine, Promise<unknown>>();
  let current: ChildProcessLine | undefined;
  let successor: ChildProcessLine | undefined;
  let stopping = false;
  let restarts = 0;
  let restartTimer: Timer | undefined;
  let replacing: Promise<unknown> = Promise.resolve();

  const start = (adopted: readonly ListenSocket[] = [], flags: readonly string[] = []): ChildProcessLine => {
    const { name, env, nodeArgs = [], descriptors = [] } = options;
    const own = [process.execPath, ...nodeArgs, options.program, ...options.args(adopted), ...flags] as const;
    const line = spawnChild(
      {
        name,
        argv: options.enter ? options.enter(own) : own,
        descriptors: [...descriptors, ...adopted.map(({ fd }) => fd)],
        env,
      },
      deps,
    );
    living.add(line);
    void line.ended.then(() => living.delete(line));
    deps.onStart((message) => line.send(message));
    return line;
  };

  const takeCharge = (line: ChildProcessLine): void => {
    current = line;
    line.onMessage((message) => {
      if (current === line) deps.onMessage(message);
    });
    void line.ended.then((exit) => {
      if (current !== line) return;
      current = undefined;
      deps.onExit({ ...exit, unexpected: !stopping });
      // One that is to take over anyhow does so when it is ready.
      if (successor === undefined) restartLater(line.startedAt, exit);
    });
  };

  const restartLater = (startedAt: number, { code, signal }: ChildExit): void => {
    if (stopping) return;
    if (clock.now() - startedAt > STABLE_MS) deps.backoff.reset();
    const delayMs = Math.round(deps.backoff.next());
    logger.warn({ child: options.name, code, signal, delayMs }, 'child ended; starting it again');
    restartTimer = clock.after(delayMs, () => {
      restarts += 1;
      takeCharge(start());
    });
  };

  const replaceNow = async ({ readyMs, drainMs }: ReplaceLimits): Promise<Replacement> => {
    while (draining.size >= MAX_DRAINING) await Promise.race(draining.values());
    const former = current;
    if (stopping || former === undefined) throw failed(options.name, 'it is not running');
    const adopted = (await deps.adopt?.(former)) ?? [];
    const next = start(adopted, ['--replace']);
    successor = next;
    // They are the new process's now.
    adopted.forEach((socket) => socket.close());
    const problem = await readiness(next, readyMs, clock);
    successor = undefined;
    if (problem !== undefined || stopping) {
      void next.end(0);
      if (current === undefined) restartLater(clock.now(), { code: null, signal: null });
      throw failed(options.name, problem ?? 'it is being stopped');
    }
    takeCharge(next);
    deps.onMessage({ type: 'ready' });
    logger.info({ child: options.name, pid: next.pid, formerPid: former.pid, drainMs }, 'replaced; the former drains');
    const drained = drainFormer(former, drainMs).then((cutConnections) => {
      draining.delete(former);
      next.send({ type: 'predecessor-ended', cutConnections: cutConnections ?? 0 });
      logger.info({ child: options.name, pid: former.pid, cutConnections }, 'the former process ended');
      return cutConnections;
    });
    draining.set(former, drained);
    return { pid: next.pid, formerPid: former.pid, drained };
  };

  takeCharge(start());
  return {
    get pid() {
      return current?.pid;
    },
    get restarts() {
      return restarts;
    },
    send: (message) => living.forEach((line) => line.send(message)),
    replace(limits) {
      const done = replacing.then(() => replaceNow(limits));
      replacing = done.catch(() => {});
      return done;
    },
    async stop(drainMs) {
      stopping = true;
      restartTimer?.cancel();
      await Promise.all([...living].map((line) => line.end(drainMs)));
    },
  };
}

const failed = (name: string, reason: string): WeftError =>
  new WeftError('WEFT_RESTART_FAILED', `${name} was not replaced: ${reason}`, {
    fix: 'the process before goes on; its log says more',
  });

/** @returns why it did not become ready. */
async function readiness(line: ChildProcessLine, limitMs: number, clock: Clock): Promise<string | undefined> {
  let waitsFor: readonly string[] = [];
  let timer: Timer | undefined;
  let forget: (() => void) | undefined;
  try {
    return await Promise.race([
      line.ended.then(({ code, signal }) => `the new process ended with ${signal ?? `code ${code}`}`),
      new Promise<string>((resolve) => {
        timer = clock.after(limitMs, () =>
          resolve(`the new process was not ready in ${limitMs / 1000} s; it waits for ${waitsFor.join(', ')}`),
        );
      }),
      new Promise<undefined>((resolve) => {
        forget = line.onMessage((message) => {
          if (message.type === 'ready') resolve(undefined);
          if (message.type === 'waiting') waitsFor = message.for;
        });
      }),
    ]);
  } finally {
    timer?.cancel();
    forget?.();
  }
}

async function drainFormer(line: ChildProcessLine, drainMs: number): Promise<number | undefined> {
  let cut: number | undefined;
  line.onMessage((message) => {
    if (message.type === 'drained') cut = message.cutConnections;
  });
  await line.end(drainMs, true);
  return cut;
}
