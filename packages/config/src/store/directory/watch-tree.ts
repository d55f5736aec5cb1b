import { watch, type FSWatcher } from 'node:fs';

export interface TreeWatch {
  /** Watches exactly these directories from now on. */
  follow(directories: readonly string[]): void;
  close(): void;
}

/** One watcher per directory: the recursive form of `fs.watch` misses directories that appear while it looks. */
export function createTreeWatch(changed: () => void, complain: (directory: string, error: unknown) => void): TreeWatch {
  const watchers = new Map<string, FSWatcher>();
  const drop = (directory: string): void => {
    watchers.get(directory)?.close();
    watchers.delete(directory);
  };
  const add = (directory: string): void => {
    try {
      const watcher = watch(directory, { persistent: false }, changed);
      watcher.on('error', () => {
        drop(directory);
        changed();
      });
      watchers.set(directory, watcher);
    } catch (error) {
      // Regular rescans still see changes.
      complain(directory, error);
    }
  };
  return {
    follow(directories) {
      const wanted = new Set(directories);
      for (const directory of watchers.keys()) if (!wanted.has(directory)) drop(directory);
      for (const directory of wanted) if (!watchers.has(directory)) add(directory);
    },
    close() {
      for (const directory of watchers.keys()) drop(directory);
    },
  };
}
