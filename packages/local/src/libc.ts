/** Calls of the C library that Node has no name for. The tests' configuration loads this file: it leans on no other package. */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

export interface Libc {
  func(declaration: string): (...args: unknown[]) => number;
  errno(): number;
}

/** The library, or why it can not be called: not Linux, another C library, or the native part does not load. */
export type LibcLoad =
  | { readonly libc: Libc; readonly problem?: undefined }
  | { readonly libc?: undefined; readonly problem: Error };

const AGAIN_AFTER_MS = 100;

export function loadLibc(): LibcLoad {
  if (process.platform !== 'linux') return { problem: new Error(`the system is ${process.platform}, not Linux`) };
  return loadTwice(openLibc, () => {
    // A short sleep: nothing else of this process may go on without it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_AFTER_MS);
  });
}

/** Once more after a moment, unless the library is not there: a busy machine may lack memory or descriptors for a while. */
export function loadTwice(open: () => Libc, wait: () => void): LibcLoad {
  const first = attempt(open);
  if (first.libc || isMissing(first.problem)) return first;
  wait();
  return attempt(open);
}

const isMissing = (problem: Error): boolean => 'code' in problem && problem.code === 'MODULE_NOT_FOUND';

function openLibc(): Libc {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  const library = koffi.load('libc.so.6');
  return {
    func: (declaration) => library.func(declaration) as (...args: unknown[]) => number,
    errno: () => koffi.errno(),
  };
}

function attempt(open: () => Libc): LibcLoad {
  try {
    return { libc: open() };
  } catch (error) {
    return { problem: error instanceof Error ? error : new Error(String(error)) };
  }
}
