import { describe, expect, it } from 'vitest';
import { hasEscapedSlash, normalizePath, unescapeSlashes } from './normalize-path.ts';

describe('normalizePath', () => {
  it.each([
    ['/', '/'],
    ['*', '*'],
    ['/a/b', '/a/b'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/b/..', '/a/'],
    ['/a/.', '/a/'],
    ['/%61dmin', '/admin'],
    ['/a%2e%2e/b', '/a../b'],
    ['/a/%2e%2E/b', '/b'],
    [String.raw`/a\b`, '/a/b'],
    [String.raw`/a\..\b`, '/b'],
    ['/a//b', '/a//b'],
    ['/a%2Fb', '/a%2Fb'],
    ['/.hidden', '/.hidden'],
    ['/a/..;/b', '/b'],
    ['/a/..;v=1/b', '/b'],
    ['/.;x/b', '/b'],
    ['/a/..;x', '/'],
    ['/a/%2e%2e;v=1/b', '/b'],
    ['/a;v=1/b;x', '/a;v=1/b;x'],
    ['/...;x/b', '/...;x/b'],
    ['/a/..%3b/b', '/a/..%3b/b'],
    ['/..;/a', undefined],
    ['/..', undefined],
    ['/a/../../b', undefined],
    ['/a%', undefined],
    ['/a%zz', undefined],
    ['/a%00', undefined],
  ])('%s becomes %s', (path, normal) => {
    expect(normalizePath(path, false)).toBe(normal);
  });

  it('merges slashes when asked to', () => {
    expect(normalizePath('//a///b', true)).toBe('/a/b');
    expect(normalizePath('/a//../b', true)).toBe('/a/b');
  });

  it('sees and undoes escaped slashes', () => {
    expect(['/a%2fb', '/a%5Cb', '/a%2eb'].map(hasEscapedSlash)).toEqual([true, true, false]);
    expect(unescapeSlashes('/a%2Fb%5cc')).toBe(String.raw`/a/b\c`);
  });
});
