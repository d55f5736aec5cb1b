import { describe, expect, it } from 'vitest';
import { chooseForm, parseInterception } from './form.ts';

const possible = () => ({ possible: true, tool: 'nft', userNamespace: true }) as const;
const impossible = () => ({ possible: false, missing: 'no ip', fix: 'install iproute2' }) as const;

describe('chooseForm', () => {
  it('takes the isolated form where it is possible, and does not try when it is not wanted', () => {
    expect(chooseForm('auto', possible)).toEqual({ form: 'isolated', check: possible() });
    expect(chooseForm('isolated', possible)).toMatchObject({ form: 'isolated' });
    expect(
      chooseForm('loopback', () => {
        throw new Error('tried');
      }),
    ).toEqual({ form: 'loopback' });
  });

  it('falls back with the reason by itself, and refuses when it was asked for', () => {
    expect(chooseForm('auto', impossible)).toEqual({ form: 'loopback', reason: 'no ip (install iproute2)' });
    expect(() => chooseForm('isolated', impossible)).toThrowError(
      expect.objectContaining({
        code: 'WEFT_ISOLATION_UNAVAILABLE',
        fix: 'install iproute2; or use --interception loopback',
      }),
    );
  });

  it('refuses other words', () => {
    expect(parseInterception(undefined)).toBe('auto');
    expect(() => parseInterception('docker')).toThrow('auto, loopback, isolated');
  });
});
