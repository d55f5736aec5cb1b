import { describe, expect, it } from 'vitest';
import { compileCel } from './cel.ts';
import { CelTime, type CelValue } from './cel-values.ts';

const headers = new Map<string, CelValue>([
  ['x-user', 'jason'],
  ['x-n', '7'],
]);
const request = new Map<string, CelValue>([
  ['method', 'GET'],
  ['path', '/a/b?c'],
  ['headers', headers],
  ['duration', new CelTime('duration', 1500)],
]);
const response = new Map<string, CelValue>([['code', 503]]);
const NAMES = new Set(['request', 'response']);
const scope = (name: string): CelValue | undefined => ({ request, response })[name];
const run = (text: string): CelValue => compileCel(text, NAMES).evaluate(scope);

describe('CEL', () => {
  it.each<[string, CelValue]>([
    ['1 + 2 * 3 - 4 / 3', 6],
    ['-(7 % 4) == -3', true],
    ['7.5 / 2.5', 3],
    ['response.code >= 500 && response.code < 600', true],
    ['response.code == 200 || request.method == "GET"', true],
    ['request.headers["x-user"] == \'jason\' ? "j" : "o"', 'j'],
    ['"x-user" in request.headers', true],
    ['!("x-none" in request.headers)', true],
    ['response.code in [500, 503]', true],
    ['has(request.headers.nothing)', false],
    ['has(request.headers)', true],
    ['request.path.startsWith("/a") && request.path.endsWith("c") && request.path.contains("b")', true],
    ['request.path.matches("^/a/[a-z]")', true],
    ['matches(request.method, "G.T")', true],
    ['int(request.headers["x-n"]) + 1', 8],
    ['size(request.method) == 3 && "äö".size() == 2', true],
    ['request.duration > duration("1s") && request.duration < duration("1s600ms")', true],
    ['timestamp("2026-01-02T00:00:00Z") - timestamp("2026-01-01T00:00:00Z") == duration("24h")', true],
    ['"a\\n\\x41\\u00e4" == r"a\\n" + "x"', false],
    ['"""a"b"""', 'a"b'],
    ['string(response.code) + "!"', '503!'],
    ['[1, 2] + [3] == [1, 2, 3]', true],
    ['null == null // a remark', true],
    // One side that has no value does not matter where the other decides.
    ['request.headers["no"] == "x" || true', true],
    ['true || request.headers["no"] == "x"', true],
    ['request.headers["no"] == "x" && false', false],
  ])('%s is %j', (text, expected) => {
    expect(run(text)).toEqual(expected);
  });

  it.each([
    'request.headers["no"] == "x"',
    'request.headers["no"] == "x" && true',
    'request.method < 3',
    '1 / 0',
    'request.method && true',
    '[1][5]',
    'duration("x") == duration("1s")',
  ])('%s has no value here', (text) => {
    expect(() => run(text)).toThrow();
    expect(() => compileCel(text, NAMES)).not.toThrow();
  });

  it.each([
    ['', 'ends too soon'],
    ['1 +', 'ends too soon'],
    ['foo.bar', '"foo" is not known'],
    ['request.method =', 'unexpected "="'],
    ['"abc', 'does not end'],
    ['"\\q"', 'no escape'],
    ['(1', 'expected ")"'],
    ['request.nothing()', 'nothing() is not known'],
    ['evil("x")', 'evil() is not known'],
    ['constructor("x")', 'constructor() is not known'],
    ['request.path.matches(request.method)', 'written out'],
    ['request.path.matches("(")', 'not RE2'],
    ['request.path.startsWith()', 'takes 1'],
    ['('.repeat(100), 'too deeply'],
    ['!'.repeat(100), 'too deeply'],
    ['1'.repeat(9000), 'longer than'],
  ])('%s is refused', (text, message) => {
    expect(() => compileCel(text, NAMES)).toThrow(message);
  });

  it('says what it reads', () => {
    const { references } = compileCel('request.headers["X-A"] == response.headers.b && has(request.method)', NAMES);
    expect(references).toEqual([
      ['request', 'headers', 'X-A'],
      ['response', 'headers', 'b'],
      ['request', 'method'],
    ]);
  });
});
