import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { errorMessage, WeftError } from '@weft/kit';

/** A call of the C library; errors are negative results. */
export type Call = (...args: unknown[]) => number;

export interface Libc {
  call(declaration: string): Call;
  errno(): number;
}

/** @param why what wants it. @throws {WeftError} WEFT_NATIVE_CALLS where the C library can not be called. */
export function loadLibc(why: string): Libc {
  const fix = 'Use Linux with the GNU C library, and a proxy whose installation has the package koffi beside it.';
  if (process.platform !== 'linux')
    throw new WeftError('WEFT_NATIVE_CALLS', `${why} need Linux, not ${process.platform}`, { fix });
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    const libc = koffi.load('libc.so.6');
    return { call: (declaration) => libc.func(declaration) as Call, errno: () => koffi.errno() };
  } catch (error) {
    throw new WeftError('WEFT_NATIVE_CALLS', `the C library can not be called: ${errorMessage(error)}`, { fix });
  }
}
