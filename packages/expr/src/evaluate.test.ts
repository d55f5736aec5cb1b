import { STANDARD_ATTRIBUTES, VALUE_TYPES, type ValueType } from '@weft/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BINARY_OPERATORS, type Expression } from './ast.ts';
import { bagAccess, createBag } from './bag.ts';
import { checkExpression } from './checker.ts';
import { compileExpression } from './compiler.ts';
import { EvaluationFailure, ExpressionError } from './errors.ts';
import { parseExpression } from './parser.ts';
import { printExpression } from './print.ts';
import { hasType, parseIp, type Value } from './values.ts';

const request = new Map<string, Value>([
  ['request.path', '/reviews/1'],
  ['request.method', 'GET'],
  ['request.host', ''],
  ['request.size', 10],
  ['response.code', 503],
  ['response.duration', 12.5],
  ['request.time', Date.UTC(2026, 0, 2)],
  ['connection.mtls', true],
  ['source.ip', Uint8Array.of(10, 0, 0, 1)],
  [
    'source.labels',
    new Map([
      ['app', 'productpage'],
      ['version', 'v3'],
    ]),
  ],
  [
    'request.headers',
    new Map([
      ['cookie', 'session=1'],
      ['user-agent', 'Curl/8'],
    ]),
  ],
]);

function evaluate(text: string, values: ReadonlyMap<string, Value> = request): Value | EvaluationFailure {
  const typed = checkExpression(parseExpression(text), STANDARD_ATTRIBUTES);
  return compileExpression(typed, bagAccess).evaluate(createBag(values));
}

function refusal(text: string): ExpressionError {
  try {
    checkExpression(parseExpression(text), STANDARD_ATTRIBUTES);
  } catch (error) {
    if (error instanceof ExpressionError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe('evaluation', () => {
  it.each<[string, Value]>([
    ['request.path == "/reviews/1"', true],
    ['source.labels["version"] == "v3"', true],
    ['source.labels["zone"] | "none"', 'none'],
    ['source.labels["zone"] | source.labels["app"] | "none"', 'productpage'],
    ['request.host | "fallback"', ''],
    ['destination.labels["app"] | "unknown"', 'unknown'],
    ['(destination.labels | emptyStringMap())["app"] | "unknown"', 'unknown'],
    ['request.size + 5 > 14', true],
    ['response.code >= 500 && response.code < 600', true],
    ['connection.mtls == false', false],
    ['match(request.path, "/rev*")', true],
    ['match(request.path, "*/1")', true],
    ['match(request.path, "*views*")', false],
    ['request.path.startsWith("/rev")', true],
    ['request.path.endsWith("/2")', false],
    ['"^/reviews/[0-9]+$".matches(request.path)', true],
    ['(source.labels["app"] + "$").matches("xproductpage")', true],
    ['ip("::ffff:10.0.0.1") == source.ip', true],
    ['source.ip | ip("0.0.0.0") == ip("10.0.0.2")', false],
    ['timestamp("2026-01-01T00:00:00Z") < request.time', true],
    ['dnsName("Example.COM.") == dnsName("example.com")', true],
    ['dnsName("bücher.example") == dnsName("xn--bcher-kva.example")', true],
    ['email("a.b@Example.com") == email("a.b@example.com")', true],
    ['email("A@example.com") == email("a@example.com")', false],
    ['uri("HTTP://Example.com/a") == uri("http://example.com/a")', true],
    ['uri("http://example.com:80/a") == uri("http://example.com/a")', false],
    ['toLower(request.headers["user-agent"])', 'curl/8'],
    ['size("äb")', 3],
    ['reverse("ab") + "ab".reverse()', 'baba'],
    ['conditional(connection.mtls, "mutual_tls", "none")', 'mutual_tls'],
    ['conditional(connection.mtls, "on", toLower(request.referer))', 'on'],
    ['false && "x" == request.referer', false],
    ['"0ms"', 0],
    ['response.duration | "0ms"', 12.5],
    ['connection.duration | "1m30s"', 90_000],
    ['request.headers["x"] | "0"', '0'],
    ['"5s" == request.method', false],
  ])('%s', (text, expected) => {
    expect(evaluate(text)).toEqual(expected);
  });

  it.each([
    ['request.referer', 'absent', 1, 'request.referer is absent'],
    ['source.labels["zone"] == "a"', 'absent', 14, 'source.labels["zone"] is absent'],
    ['toLower(request.headers["x"]) | ""', 'absent', 24, 'request.headers["x"] is absent'],
    ['request.referer == "" || true', 'absent', 1, 'request.referer is absent'],
    ['ip(request.path) == source.ip', 'invalid', 1, 'ip: "/reviews/1" is no IP address'],
    ['request.headers["cookie"].matches("x") || ("(" + request.method).matches("x")', 'invalid', 66, 'not valid RE2'],
  ])('%s has no value', (text, reason, column, message) => {
    const failure = evaluate(text);
    expect(failure).toBeInstanceOf(EvaluationFailure);
    expect(failure).toMatchObject({ reason, column, message: expect.stringContaining(message) as unknown });
  });

  it('takes a value of a wrong type for absent', () => {
    expect(evaluate('request.size | 7', new Map<string, Value>([['request.size', 'many']]))).toBe(7);
  });
});

describe('checkExpression', () => {
  it.each([
    ['source.labels["a"] == 5', 23, /different types: STRING and INT64/],
    ['request.pth == "x"', 1, /unknown attribute request.pth/],
    ['tolower("X")', 1, /unknown function tolower/],
    ['match("a")', 1, /takes 2 arguments, not 1/],
    ['match("a", "b", "c")', 1, /takes 2 arguments, not 3/],
    ['startsWith("a", "b")', 1, /not called this way/],
    ['"a".match("b")', 5, /not called this way/],
    ['request.size && true', 1, /left side of && must be BOOL, not INT64/],
    ['request.path["x"]', 1, /indexed must be STRING_MAP/],
    ['response.duration == "1s"', 19, /== does not take DURATION/],
    ['source.labels == request.headers', 15, /== does not take STRING_MAP/],
    ['connection.mtls < true', 17, /< does not take BOOL/],
    ['ip("10.0.0.300")', 4, /"10.0.0.300" is no IP address/],
    ['"(".matches("x")', 1, /not valid RE2/],
    ['conditional(true, 1, "a")', 22, /different types/],
    ['dnsName("a..b")', 9, /no DNS name/],
    ['timestamp("2026-02-30T00:00:00Z")', 11, /RFC 3339/],
    ['request.headers["x"] | 0', 24, /different types/],
  ])('refuses %s at column %i', (text, column, message) => {
    const error = refusal(text);
    expect(error.message).toMatch(message);
    expect(error.column).toBe(column);
  });

  it('suggests what was meant', () => {
    expect(refusal('request.pth == "x"').fix).toContain('request.path');
    expect(refusal('startWith("a", "b")').fix).toContain('startsWith');
  });

  it('accepts only what never fails by type at run time', () => {
    let accepted = 0;
    fc.assert(
      fc.property(programs, bags, (expression, values) => {
        const typed = (() => {
          try {
            return checkExpression(expression, STANDARD_ATTRIBUTES);
          } catch (error) {
            expect(error).toBeInstanceOf(ExpressionError);
            return undefined;
          }
        })();
        if (!typed) return;
        accepted += 1;
        const result = compileExpression(typed, bagAccess).evaluate(createBag(values));
        if (!(result instanceof EvaluationFailure)) {
          expect(hasType(result, typed.type), `${printExpression(expression)} gave another type`).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(300);
  });
});

const VALUE_OF: Record<ValueType, fc.Arbitrary<Value>> = {
  STRING: fc.string(),
  INT64: fc.integer(),
  DOUBLE: fc.double(),
  BOOL: fc.boolean(),
  TIMESTAMP: fc.nat(),
  IP_ADDRESS: fc.constantFrom('1.2.3.4', '::1', '2001:db8::1').map((text) => parseIp(text) ?? new Uint8Array(4)),
  EMAIL_ADDRESS: fc.constant('a@b.c'),
  URI: fc.constant('http://a/'),
  DNS_NAME: fc.constant('a.b'),
  DURATION: fc.nat(),
  STRING_MAP: fc.dictionary(fc.constantFrom('a', 'b'), fc.string()).map((entries) => new Map(Object.entries(entries))),
};
const NAMES = [
  'source.ip',
  'source.labels',
  'request.time',
  'request.path',
  'request.size',
  'connection.mtls',
  'response.duration',
];
const bags: fc.Arbitrary<ReadonlyMap<string, Value>> = fc
  .tuple(...NAMES.map((name) => fc.option(VALUE_OF[STANDARD_ATTRIBUTES.get(name) ?? 'STRING'], { nil: undefined })))
  .map(
    (values) => new Map(values.flatMap((value, i) => (value === undefined ? [] : [[NAMES[i] ?? '', value] as const]))),
  );

const at = { column: fc.constant(1) };
const programs = fc.letrec<{ node: Expression }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.record({ kind: fc.constant('string' as const), value: fc.constantFrom('a', '0', '5s', '1.2.3.4', '('), ...at }),
    fc.record({ kind: fc.constant('int' as const), value: fc.nat(), ...at }),
    fc.record({ kind: fc.constant('bool' as const), value: fc.boolean(), ...at }),
    fc.record({ kind: fc.constant('attribute' as const), name: fc.constantFrom(...NAMES), ...at }),
    fc.record({
      kind: fc.constant('index' as const),
      map: fc.constant<Expression>({ kind: 'attribute', name: 'source.labels', column: 1 }),
      key: tie('node'),
      ...at,
    }),
    fc.record({
      kind: fc.constant('call' as const),
      name: fc.constantFrom(
        'match',
        'ip',
        'toLower',
        'size',
        'conditional',
        'matches',
        'startsWith',
        'uri',
        'timestamp',
      ),
      receiver: fc.option(tie('node'), { nil: undefined }),
      args: fc.array(tie('node'), { maxLength: 3 }),
      ...at,
    }),
    fc.record({
      kind: fc.constant('binary' as const),
      operator: fc.constantFrom(...BINARY_OPERATORS),
      left: tie('node'),
      right: tie('node'),
      ...at,
    }),
  ) as fc.Arbitrary<Expression>,
})).node;

it('knows a runtime form for every type', () => {
  for (const type of VALUE_TYPES)
    fc.assert(
      fc.property(VALUE_OF[type], (value) => hasType(value, type)),
      { numRuns: 20 },
    );
});
