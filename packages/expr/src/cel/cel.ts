// The Common Expression Language as proxies use it in filters and formats: no macros over lists, no messages of one's own.
import { ExpressionError } from '../errors.ts';
import { call, type CelScope, type Evaluate, method, type Node } from './cel-functions.ts';
import { type CelToken, tokenizeCel } from './cel-lexer.ts';
import {
  type Arithmetic,
  calculate,
  CelFailure,
  type CelValue,
  equal,
  isIn,
  isList,
  isMap,
  less,
  typeName,
} from './cel-values.ts';

export interface CelProgram {
  /** @throws {CelFailure} */
  evaluate(scope: CelScope): CelValue;
  /** Chains of constant names as written: `request.headers["x"]` is `request`, `headers`, `x`. */
  readonly references: readonly (readonly string[])[];
}

/** Roots of what proxies tell of a request, in filters and formats of access logs. */
export const REQUEST_ATTRIBUTES: ReadonlySet<string> = new Set([
  'request',
  'response',
  'source',
  'destination',
  'connection',
  'upstream',
  'xds',
  'weft',
]);

const MAX_LENGTH = 8192;
const MAX_DEPTH = 64;

/** @param names that may stand first in a chain. @throws {ExpressionError} with the column of what does not fit. */
export function compileCel(text: string, names: ReadonlySet<string>): CelProgram {
  if (text.length > MAX_LENGTH) throw new ExpressionError(1, `the expression is longer than ${MAX_LENGTH} characters`);
  const parser = new CelParser(tokenizeCel(text), names);
  const { evaluate } = parser.parse();
  return { evaluate, references: parser.references };
}

const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<', '<=', '>', '>=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
];

class CelParser {
  readonly references: string[][] = [];
  readonly #tokens: readonly CelToken[];
  readonly #names: ReadonlySet<string>;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly CelToken[], names: ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#names = names;
  }

  parse(): Node {
    const node = this.#conditional();
    const rest = this.#peek();
    if (rest.kind !== 'end') throw new ExpressionError(rest.column, `unexpected "${rest.text}"`);
    return node;
  }

  #peek(): CelToken {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', value: '', column: 1 };
  }
  #is(text: string): boolean {
    const token = this.#peek();
    return token.text === text && (token.kind === 'symbol' || text === 'in');
  }
  #takeIf(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at += 1;
    return true;
  }
  #expect(text: string): void {
    const { column, text: found } = this.#peek();
    if (!this.#takeIf(text))
      throw new ExpressionError(column, `expected "${text}"${found === '' ? '' : `, found "${found}"`}`);
  }

  #conditional(): Node {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new ExpressionError(this.#peek().column, 'the expression is nested too deeply');
    const test = this.#binary(0);
    let node = test;
    if (this.#takeIf('?')) {
      const yes = this.#conditional();
      this.#expect(':');
      const no = this.#conditional();
      node = {
        column: test.column,
        evaluate: (scope) => (truth(test.evaluate(scope)) ? yes.evaluate(scope) : no.evaluate(scope)),
      };
    }
    this.#depth -= 1;
    return node;
  }

  #binary(level: number): Node {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const operator = operators.find((one) => this.#is(one));
      if (operator === undefined) return left;
      this.#at += 1;
      left = { column: left.column, evaluate: binary(operator, left.evaluate, this.#binary(level + 1).evaluate) };
    }
  }

  #unary(): Node {
    const { column } = this.#peek();
    if (this.#takeIf('!')) {
      const { evaluate } = this.#guarded(() => this.#unary());
      return { column, evaluate: (scope) => !truth(evaluate(scope)) };
    }
    if (this.#takeIf('-')) {
      const { evaluate } = this.#guarded(() => this.#unary());
      return { column, evaluate: (scope) => calculate('-', 0, evaluate(scope)) };
    }
    return this.#postfix();
  }

  #guarded(parse: () => Node): Node {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new ExpressionError(this.#peek().column, 'the expression is nested too deeply');
    const node = parse();
    this.#depth -= 1;
    return node;
  }

  #postfix(): Node {
    let node = this.#primary();
    for (;;) {
      const { column } = this.#peek();
      if (this.#takeIf('.')) {
        const name = this.#name();
        if (this.#takeIf('(')) node = method(node, name, this.#arguments(')'), column);
        else node = member(node, name);
      } else if (this.#takeIf('[')) {
        const token = this.#peek();
        const index = this.#conditional();
        this.#expect(']');
        const constant = token.kind === 'string' && index.path === undefined && typeof token.value === 'string';
        node = constant && this.#tokens[this.#at - 2] === token ? member(node, token.value) : indexed(node, index);
      } else {
        if (node.path !== undefined) this.references.push([...node.path]);
        return node;
      }
    }
  }

  #name(): string {
    const token = this.#peek();
    if (token.kind !== 'name') throw new ExpressionError(token.column, 'expected a name');
    this.#at += 1;
    return token.text;
  }

  #arguments(end: string): Node[] {
    const nodes: Node[] = [];
    if (this.#takeIf(end)) return nodes;
    do nodes.push(this.#conditional());
    while (this.#takeIf(','));
    this.#expect(end);
    return nodes;
  }

  #primary(): Node {
    const token = this.#peek();
    const { column } = token;
    this.#at += 1;
    if (token.kind === 'number' || token.kind === 'string') return { column, evaluate: () => token.value };
    if (token.kind === 'symbol' && token.text === '(') {
      const inner = this.#conditional();
      this.#expect(')');
      return { column, evaluate: inner.evaluate };
    }
    if (token.kind === 'symbol' && token.text === '[') {
      const items = this.#arguments(']');
      return { column, evaluate: (scope) => items.map(({ evaluate }) => evaluate(scope)) };
    }
    if (token.kind !== 'name')
      throw new ExpressionError(
        column,
        token.kind === 'end' ? 'the expression ends too soon' : `unexpected "${token.text}"`,
      );
    const { text } = token;
    if (text === 'true' || text === 'false') return { column, evaluate: () => text === 'true' };
    if (text === 'null') return { column, evaluate: () => null };
    if (this.#takeIf('(')) return call(text, this.#arguments(')'), column);
    if (!this.#names.has(text)) throw new ExpressionError(column, `"${text}" is not known`);
    return { column, path: [text], evaluate: (scope) => known(scope(text), text) };
  }
}

const known = (value: CelValue | undefined, name: string): CelValue => {
  if (value === undefined) throw new CelFailure(`${name} has no value`);
  return value;
};

function truth(value: CelValue): boolean {
  if (typeof value !== 'boolean') throw new CelFailure(`a ${typeName(value)} is neither true nor false`);
  return value;
}

function member(node: Node, name: string): Node {
  return {
    column: node.column,
    ...(node.path === undefined ? {} : { path: [...node.path, name] }),
    evaluate(scope) {
      const value = node.evaluate(scope);
      if (!isMap(value)) throw new CelFailure(`a ${typeName(value)} has no ${name}`);
      return known(value.get(name), name);
    },
  };
}

function indexed(node: Node, index: Node): Node {
  return {
    column: node.column,
    evaluate(scope) {
      const value = node.evaluate(scope);
      const key = index.evaluate(scope);
      if (isList(value) && typeof key === 'number') return known(value[key], String(key));
      if (isMap(value) && typeof key === 'string') return known(value.get(key), key);
      throw new CelFailure(`a ${typeName(value)} has no ${typeName(key)} index`);
    },
  };
}

/** An error on one side counts only where the other does not decide (CEL, logical operators). */
function either(a: Evaluate, b: Evaluate, decisive: boolean): Evaluate {
  return (scope) => {
    let failure: unknown;
    try {
      if (truth(a(scope)) === decisive) return decisive;
    } catch (error) {
      failure = error;
    }
    if (truth(b(scope)) === decisive) return decisive;
    if (failure !== undefined) throw failure;
    return !decisive;
  };
}

function binary(operator: string, a: Evaluate, b: Evaluate): Evaluate {
  switch (operator) {
    case '||':
      return either(a, b, true);
    case '&&':
      return either(a, b, false);
    case '==':
      return (scope) => equal(a(scope), b(scope));
    case '!=':
      return (scope) => !equal(a(scope), b(scope));
    case '<':
      return (scope) => less(a(scope), b(scope));
    case '>':
      return (scope) => less(b(scope), a(scope));
    case '<=':
      return (scope) => !less(b(scope), a(scope));
    case '>=':
      return (scope) => !less(a(scope), b(scope));
    case 'in':
      return (scope) => isIn(a(scope), b(scope));
    default:
      return (scope) => calculate(operator as Arithmetic, a(scope), b(scope));
  }
}
