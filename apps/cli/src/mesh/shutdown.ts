/** When the mesh must end, and ending it in order: once gently, at once when asked a second time. */
import { launchersAbove, watchLaunchers } from './launchers.ts';

export interface Shutdown {
  /** Resolves with the reason when somebody wants the mesh to end. */
  readonly asked: Promise<string>;
  ask(reason: string): void;
  release(): void;
}

const LAST_MOMENT_MS = 15_000;
const SAME_WISH_MS = 100;

/**
 * @param options.hangUp end on SIGHUP and when a launcher (npx, pnpm) is gone: for the demo, which belongs to a terminal.
 * @param options.inner our parent is this command on the host: what the launchers started is it, and its end is ours.
 */
export function watchShutdown(options: {
  readonly hangUp: boolean;
  readonly inner: boolean;
  readonly onSecond: () => void;
}): Shutdown {
  let first: (reason: string) => void = () => {};
  let asks = 0;
  const asked = new Promise<string>((resolve) => {
    first = resolve;
  });
  const ask = (reason: string): void => {
    asks += 1;
    if (asks === 1) first(reason);
    else options.onSecond();
  };
  // Two signals of one Ctrl-C (the terminal's and a launcher's) are one wish; two of a hand are further apart.
  let lastSignalMs = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (asks > 0 && nowMs - lastSignalMs < SAME_WISH_MS) return;
    lastSignalMs = nowMs;
    ask(signal);
  };
  const hangUp = (): void => {
    if (options.hangUp && asks === 0) ask('the terminal was closed');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', hangUp);
  const outer = options.inner ? process.ppid : process.pid;
  const cutOff = (): void => {
    ask('the process that started it was killed');
    setTimeout(() => process.exit(130), LAST_MOMENT_MS).unref();
  };
  if (options.inner) process.on('disconnect', cutOff);
  const unwatch = options.hangUp
    ? watchLaunchers(launchersAbove(outer), (launcher) => {
        if (asks === 0) ask(`its launcher (process ${launcher.pid}) ended`);
      })
    : () => {};
  // A closed terminal or pipe must not end us in the middle of ending in order.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  return {
    asked,
    ask,
    release() {
      unwatch();
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      process.off('SIGHUP', hangUp);
      process.off('disconnect', cutOff);
      // An open line would keep this process alive.
      if (options.inner && process.connected) process.disconnect();
    },
  };
}
