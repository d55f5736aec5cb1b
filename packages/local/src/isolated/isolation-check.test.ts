import { describe, expect, it } from 'vitest';
import { checkIsolation, type CheckDeps, type Trial } from './isolation-check.ts';

const deps = (change: Partial<CheckDeps>): CheckDeps => ({
  platform: 'linux',
  isRoot: false,
  tryOut: () => ({ ended: 'well', lastLine: 'iptables' }),
  ...change,
});
const failing = (lastLine: string): Partial<CheckDeps> => ({ tryOut: () => ({ ended: 'badly', lastLine }) });

describe('checkIsolation', () => {
  it('takes the tool that the trial found, under a user namespace for who is not root', () => {
    expect(checkIsolation(deps({}))).toEqual({ possible: true, tool: 'iptables', userNamespace: true });
    expect(checkIsolation(deps({ isRoot: true, tryOut: () => ({ ended: 'well', lastLine: 'nft' }) }))).toEqual({
      possible: true,
      tool: 'nft',
      userNamespace: false,
    });
  });

  it('gives root a user namespace where it may have no other', () => {
    const tryOut = (userNamespace: boolean): Trial =>
      userNamespace ? { ended: 'well', lastLine: 'iptables' } : { ended: 'badly', lastLine: '' };
    expect(checkIsolation(deps({ isRoot: true, tryOut }))).toMatchObject({ possible: true, userNamespace: true });
  });

  it.each([
    ['another system', { platform: 'darwin' }, 'Linux'],
    ['no native calls', { noNativeCalls: 'EMFILE' }, 'native call library does not load: EMFILE'],
    ['no unshare', { tryOut: (): Trial => ({ ended: 'not-found', lastLine: '' }) }, '"unshare" is missing'],
    ['no user namespaces', failing(''), 'may not make user namespaces'],
    ['no ip', failing('ip'), '"ip" is missing'],
    ['no bridge', failing('bridge'), 'bridge'],
    ['no nested namespaces', failing('pod'), 'nested'],
    ['no rules', failing('rules'), 'neither iptables nor nft'],
    [
      'a trial that ends well without a tool',
      { tryOut: (): Trial => ({ ended: 'well', lastLine: 'rules' }) },
      'neither',
    ],
  ])('says what is missing and what to do: %s', (_, change, text) => {
    const check = checkIsolation(deps(change));
    expect(check).toMatchObject({ possible: false, missing: expect.stringContaining(text) as string });
    expect(check.possible || check.fix).not.toBe('');
  });
});
