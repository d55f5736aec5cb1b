import { WeftError } from '@weft/kit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { reportError } from './errors.ts';

function report(error: unknown, json = false): { readonly exit: number; readonly text: string } {
  let text = '';
  const write = (chunk: string | Uint8Array): boolean => {
    text += String(chunk);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(write);
  vi.spyOn(process.stderr, 'write').mockImplementation(write);
  return { exit: reportError(error, json), text };
}
afterEach(() => void vi.restoreAllMocks());

describe('reportError', () => {
  it.each([
    ['ENOSPC', /make room on the disk/],
    ['EROFS', /read-only/],
    ['EMFILE', /ulimit -n/],
  ])('%s is no bug of ours, wherever it shows', (code, fix) => {
    const error = Object.assign(new Error(`${code}: what the system said, write '/x'`), { code });
    const { exit, text } = report(error);
    expect([exit, text]).toEqual([1, expect.stringMatching(fix)]);
    expect(text).toContain("what the system said, write '/x'");
    expect(JSON.parse(report(error, true).text)).toMatchObject({ error: { code: 'WEFT_SYSTEM' } });
  });

  it('what nobody expected is one, and is said to be', () => {
    for (const error of [
      new TypeError('x is not a function'),
      'thrown text',
      Object.assign(new Error(), { code: 'E' }),
    ])
      expect(report(error)).toEqual({ exit: 70, text: expect.stringContaining('bug in weft') as string });
  });

  it('a known error is told with its place, cause and mend', () => {
    const error = new WeftError('WEFT_TIMEOUT', 'it took too long', {
      where: 'here',
      fix: 'wait',
      cause: new Error('c'),
    });
    expect(report(error)).toEqual({
      exit: 75,
      text: expect.stringMatching(/it took too long\n +where: here\n +cause: c\n +fix: +wait\n$/) as string,
    });
  });
});
