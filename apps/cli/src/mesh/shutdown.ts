/** When the mesh must end, and ending it in order: once gently, at once when asked a second time. */
import { launchersAbove, watchLaunchers } from './launchers.ts';

export interface Shutdown {
  /** Resolves with the reason when somebody wants the mesh to end. */
  readonly asked: Promise<string>;
  ask(reason: string): void;
  release(): void;
}

/** @param options.hangUp end on SIGHUP and when a launcher (npx, pnpm) is gone: for the demo, which belongs to a terminal. */
export function watchShutdown(options: { readonly hangUp: boolean; readonly onSecond: () => void }): Shutdown {
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
  // Two signals of one Ctrl-C (the terminal's and a launcher's) are one wish.
  let lastSignalMs = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (asks > 0 && nowMs - lastSignalMs < 500) return;
    lastSignalMs = nowMs;
    ask(signal);
  };
  const hangUp = (): void => {
    if (options.hangUp && asks === 0) ask('the terminal was closed');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', hangUp);
  const unwatch = options.hangUp
    ? watchLaunchers(launchersAbove(process.pid), (launcher) => {
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
    },
  };
}
