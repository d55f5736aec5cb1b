// What a CEL expression can call.
import { parseDuration } from '../duration.ts';
import { ExpressionError } from '../errors.ts';
import { compileRegex } from '../regex.ts';
import { CelFailure, CelTime, type CelValue, size, typeName } from './cel-values.ts';

/** Gives the top-level names; undefined where one has no value now. */
export type CelScope = (name: string) => CelValue | undefined;
export type Evaluate = (scope: CelScope) => CelValue;

/** A part of an expression, compiled. */
export interface Node {
  readonly evaluate: Evaluate;
  /** The chain of names, when it is one. */
  readonly path?: readonly string[];
  readonly column: number;
}

const text = (value: CelValue): string => {
  if (typeof value !== 'string') throw new CelFailure(`expected a text, found a ${typeName(value)}`);
  return value;
};

type Fn = (...values: CelValue[]) => CelValue;
const METHODS: Readonly<Record<string, Fn>> = {
  startsWith: (a, b) => text(a ?? null).startsWith(text(b ?? null)),
  endsWith: (a, b) => text(a ?? null).endsWith(text(b ?? null)),
  contains: (a, b) => text(a ?? null).includes(text(b ?? null)),
  size: (a) => size(a ?? null),
  lowerAscii: (a) => text(a ?? null).replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  upperAscii: (a) => text(a ?? null).replace(/[a-z]/g, (letter) => letter.toUpperCase()),
};
const ARITY: Readonly<Record<string, number>> = { startsWith: 1, endsWith: 1, contains: 1, matches: 1 };

export function method(receiver: Node, name: string, args: readonly Node[], column: number): Node {
  if (args.length !== (ARITY[name] ?? 0))
    throw new ExpressionError(column, `${name}() takes ${ARITY[name] ?? 0} arguments`);
  if (name === 'matches') return matches([receiver, ...args], column);
  const fn = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (fn === undefined) throw new ExpressionError(column, `${name}() is not known`);
  return { column, evaluate: (scope) => fn(receiver.evaluate(scope), ...args.map(({ evaluate }) => evaluate(scope))) };
}

/** The pattern must be constant: it is compiled once. */
function matches([subject, pattern]: readonly Node[], column: number): Node {
  let source: CelValue;
  try {
    source = pattern?.evaluate(() => undefined) ?? null;
  } catch {
    throw new ExpressionError(column, 'the pattern of matches() must be written out');
  }
  const regex = compileRegex(typeof source === 'string' ? source : '(');
  if (typeof regex === 'string') throw new ExpressionError(column, `the pattern of matches() is not RE2: ${regex}`);
  return { column, evaluate: (scope) => regex.test(text(subject?.evaluate(scope) ?? null)) };
}

const FUNCTIONS: Readonly<Record<string, Fn>> = {
  size: (a) => size(a ?? null),
  string: (a) => {
    if (a === null || a === undefined || typeof a === 'object') throw new CelFailure('this has no text');
    return String(a);
  },
  int: (a) => number(a ?? null, Math.trunc),
  uint: (a) => number(a ?? null, (value) => (value < 0 ? Number.NaN : Math.trunc(value))),
  double: (a) => number(a ?? null, (value) => value),
  duration: (a) => {
    const ms = parseDuration(text(a ?? null));
    if (ms === undefined) throw new CelFailure('this is no duration');
    return new CelTime('duration', ms);
  },
  timestamp: (a) => {
    const ms = Date.parse(text(a ?? null));
    if (Number.isNaN(ms)) throw new CelFailure('this is no time');
    return new CelTime('timestamp', ms);
  },
};

function number(value: CelValue, round: (value: number) => number): number {
  const parsed = typeof value === 'string' && /^[-+]?[\d.]+(?:[eE][-+]?\d+)?$/.test(value) ? Number(value) : value;
  const rounded = typeof parsed === 'number' ? round(parsed) : Number.NaN;
  if (Number.isNaN(rounded)) throw new CelFailure('this is no number');
  return rounded;
}

export function call(name: string, args: readonly Node[], column: number): Node {
  if (name === 'has') return has(args, column);
  if (name === 'matches') return matches(args, column);
  const fn = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (fn === undefined) throw new ExpressionError(column, `${name}() is not known`);
  if (args.length !== 1) throw new ExpressionError(column, `${name}() takes 1 argument`);
  return { column, evaluate: (scope) => fn(...args.map(({ evaluate }) => evaluate(scope))) };
}

function has([field, ...others]: readonly Node[], column: number): Node {
  if (field?.path === undefined || field.path.length < 2 || others.length > 0)
    throw new ExpressionError(column, 'has() takes a field, as in has(request.headers.x)');
  return {
    column,
    evaluate(scope) {
      try {
        field.evaluate(scope);
        return true;
      } catch {
        return false;
      }
    },
  };
}
