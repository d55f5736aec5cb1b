import { describe, expect, it } from 'vitest';
import { loadLibc, loadTwice, type Libc } from './libc.ts';
import { noNativeCalls } from './no-native-calls.ts';

const LIBC: Libc = { func: () => () => 0, errno: () => 0 };

/** @param errors of the first attempts. */
function failing(...errors: readonly Error[]): { readonly open: () => Libc; readonly attempts: () => number } {
  let attempts = 0;
  return {
    attempts: () => attempts,
    open() {
      attempts += 1;
      const error = errors[attempts - 1];
      if (error) throw error;
      return LIBC;
    },
  };
}

describe('loadTwice', () => {
  it('tries once more after a moment', () => {
    const { open, attempts } = failing(new Error('failed to map segment: Cannot allocate memory'));
    let waits = 0;
    expect(loadTwice(open, () => (waits += 1))).toEqual({ libc: LIBC });
    expect([attempts(), waits]).toEqual([2, 1]);
  });

  it('gives the reason of the second attempt', () => {
    const second = new Error('version GLIBC_2.99 not found');
    expect(loadTwice(failing(new Error('first'), second).open, () => {})).toEqual({ problem: second });
  });

  it('does not try again what is not installed', () => {
    const { open, attempts } = failing(Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' }));
    expect(loadTwice(open, () => {}).libc).toBeUndefined();
    expect(attempts()).toBe(1);
  });
});

it('noNativeCalls says why', () => {
  const error = noNativeCalls(new Error('EMFILE'), ' in this process');
  expect([error.message, error.cause]).toEqual([expect.stringMatching(/in this process: EMFILE/), expect.any(Error)]);
});

it.runIf(process.platform === 'linux')('loadLibc calls the C library of this machine', () => {
  const pid = loadLibc().libc?.func('int getpid()');
  expect(pid?.()).toBe(process.pid);
});
