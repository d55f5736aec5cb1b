/** Calls of the C library that Node has no name for. */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

export interface Libc {
  func(declaration: string): (...args: unknown[]) => number;
  errno(): number;
}

/** @returns undefined where it can not be called: not Linux, another C library, or the native part does not load. */
export function loadLibc(): Libc | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    const library = koffi.load('libc.so.6');
    return {
      func: (declaration) => library.func(declaration) as (...args: unknown[]) => number,
      errno: () => koffi.errno(),
    };
  } catch {
    return undefined;
  }
}
