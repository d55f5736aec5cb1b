import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BINARY_OPERATORS, type Expression } from './ast.ts';
import { ExpressionError } from './errors.ts';
import { parseExpression } from './parser.ts';
import { printExpression } from './print.ts';

function withoutColumns(expression: Expression): unknown {
  return JSON.parse(JSON.stringify(expression, (key, value: unknown) => (key === 'column' ? undefined : value)));
}

function errorOf(text: string): ExpressionError {
  try {
    parseExpression(text);
  } catch (error) {
    if (error instanceof ExpressionError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

const identifier = fc.stringMatching(/^[a-z][a-zA-Z0-9_]{0,6}$/).filter((name) => !/^(true|false)$/i.test(name));
const expressions = fc.letrec<{ node: Expression }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }), column: fc.constant(1) }),
    fc.record({ kind: fc.constant('int' as const), value: fc.maxSafeNat(), column: fc.constant(1) }),
    fc.record({
      kind: fc.constant('double' as const),
      value: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map(Math.abs),
      column: fc.constant(1),
    }),
    fc.record({ kind: fc.constant('bool' as const), value: fc.boolean(), column: fc.constant(1) }),
    fc.record({
      kind: fc.constant('attribute' as const),
      name: fc.array(identifier, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.')),
      column: fc.constant(1),
    }),
    fc.record({ kind: fc.constant('index' as const), map: tie('node'), key: tie('node'), column: fc.constant(1) }),
    fc.record({
      kind: fc.constant('call' as const),
      name: identifier,
      receiver: fc.option(tie('node'), { nil: undefined }),
      args: fc.array(tie('node'), { maxLength: 3 }),
      column: fc.constant(1),
    }),
    fc.record({
      kind: fc.constant('binary' as const),
      operator: fc.constantFrom(...BINARY_OPERATORS),
      left: tie('node'),
      right: tie('node'),
      column: fc.constant(1),
    }),
  ) as fc.Arbitrary<Expression>,
})).node;

describe('parseExpression', () => {
  it('gives back what was printed', () => {
    fc.assert(
      fc.property(expressions, (expression) => {
        const text = printExpression(expression);
        expect(withoutColumns(parseExpression(text))).toEqual(withoutColumns(expression));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses or reads any text, and never fails in another way', () => {
    const pieces = fc.constantFrom(
      'a',
      '.',
      '"x"',
      '(',
      ')',
      '[',
      ']',
      '|',
      '+',
      '&&',
      '1',
      '1.5',
      ',',
      '!',
      '`',
      "'",
      ' ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((list) => list.join('')),
        ),
        (text) => {
          try {
            parseExpression(text);
          } catch (error) {
            expect(error).toBeInstanceOf(ExpressionError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['a | "x" == "y"', '(a | "x") == "y"'],
    ['a + b | c', '(a + b) | c'],
    ['a == b && c || d', '((a == b) && c) || d'],
    ['a || b && c', 'a || (b && c)'],
    ['request.headers["x"].startsWith("y")', '(request.headers["x"]).startsWith("y")'],
    ['"re".matches(a)', '("re").matches(a)'],
    ['a == b == c', '(a == b) == c'],
  ])('%s reads as %s', (text, same) => {
    expect(withoutColumns(parseExpression(text))).toEqual(withoutColumns(parseExpression(same)));
  });

  it('reads all forms of literals', () => {
    expect(parseExpression('TRUE')).toMatchObject({ kind: 'bool', value: true });
    expect(parseExpression("'c'")).toMatchObject({ kind: 'string', value: 'c' });
    expect(parseExpression('`a\\b"`')).toMatchObject({ kind: 'string', value: 'a\\b"' });
    expect(parseExpression('"\\x41\\u00e9\\U0001F600\\101\\n"')).toMatchObject({ value: 'Aé😀A\n' });
    expect(parseExpression('1.5e3')).toMatchObject({ kind: 'double', value: 1500 });
    expect(parseExpression('destination.workload.name')).toMatchObject({
      kind: 'attribute',
      name: 'destination.workload.name',
    });
  });

  it.each([
    ['', 1, /empty/],
    ['!a', 1, /no operator `!`/],
    ['a - b', 3, /no operator `-`/],
    ['a = b', 3, /no operator `=`/],
    ['(a', 3, /expected `\)` for the `\(` of column 1, found the end/],
    ['m["k"', 6, /expected `\]`/],
    ['"abc', 1, /no end/],
    ["'abc'", 1, /exactly one character/],
    ['a b', 3, /unexpected `b`/],
    ['"x".y', 5, /not called/],
    ['a ==', 5, /expected a value, found the end/],
    ['9007199254740993', 1, /larger/],
    ['12abc', 1, /not a number/],
    ['"\\q"', 2, /escape/],
    ['a.', 3, /after the dot/],
    ['f(a,)', 5, /expected a value/],
  ])('refuses %s at column %i', (text, column, message) => {
    const error = errorOf(text);
    expect(error.message).toMatch(message);
    expect(error.column).toBe(column);
  });

  it('bounds depth instead of exhausting the stack', () => {
    expect(errorOf('('.repeat(20_000)).message).toMatch(/nested deeper/);
    expect(errorOf(`a${'[a'.repeat(5_000)}`).message).toMatch(/nested deeper/);
    expect(errorOf('a'.repeat(40_000)).message).toMatch(/longer/);
  });
});
