import type { AttributeVocabulary, ValueType } from '@weft/contracts';
import type { Binary, BinaryOperator, Call, Expression, Index } from './ast.ts';
import { parseDuration } from './duration.ts';
import { ExpressionError } from './errors.ts';
import { FUNCTIONS, type FunctionSpec } from './functions.ts';
import { closest } from './closest.ts';
import { compileRegex, type Regex } from './regex.ts';
import type { Value } from './values.ts';

/** An expression whose types fit. Each node knows its type, so evaluation asks no more. */
export type TypedExpression =
  | { readonly kind: 'constant'; readonly type: ValueType; readonly value: Value; readonly column: number }
  | { readonly kind: 'attribute'; readonly type: ValueType; readonly name: string; readonly column: number }
  | {
      readonly kind: 'index';
      readonly type: 'STRING';
      readonly map: TypedExpression;
      readonly key: TypedExpression;
      readonly column: number;
    }
  | {
      readonly kind: 'call';
      readonly type: ValueType;
      readonly name: string;
      readonly spec: FunctionSpec;
      readonly args: readonly TypedExpression[];
      readonly column: number;
    }
  | {
      readonly kind: 'matches';
      readonly type: 'BOOL';
      /** Compiled when the pattern is written out. */
      readonly regex: Regex | undefined;
      readonly pattern: TypedExpression;
      readonly subject: TypedExpression;
      readonly column: number;
    }
  | {
      readonly kind: 'conditional';
      readonly type: ValueType;
      readonly condition: TypedExpression;
      readonly yes: TypedExpression;
      readonly no: TypedExpression;
      readonly column: number;
    }
  | {
      readonly kind: 'binary';
      readonly type: ValueType;
      readonly operator: BinaryOperator;
      readonly left: TypedExpression;
      readonly right: TypedExpression;
      readonly column: number;
    };

const EQUATABLE: ReadonlySet<ValueType> = new Set<ValueType>([
  'STRING',
  'BOOL',
  'INT64',
  'DOUBLE',
  'IP_ADDRESS',
  'TIMESTAMP',
  'DNS_NAME',
  'EMAIL_ADDRESS',
  'URI',
]);
const ORDERED: ReadonlySet<ValueType> = new Set<ValueType>(['STRING', 'INT64', 'DOUBLE', 'TIMESTAMP']);
const ADDABLE: ReadonlySet<ValueType> = new Set<ValueType>(['STRING', 'INT64', 'DOUBLE']);

/** @throws {ExpressionError} for an unknown attribute or function, a wrong type or number of arguments, a bad constant. */
export function checkExpression(expression: Expression, vocabulary: AttributeVocabulary): TypedExpression {
  const check = (node: Expression, wanted?: ValueType): TypedExpression => {
    const { column } = node;
    switch (node.kind) {
      case 'string':
        return stringConstant(node.value, column, wanted);
      case 'int':
        return { kind: 'constant', type: 'INT64', value: node.value, column };
      case 'double':
        return { kind: 'constant', type: 'DOUBLE', value: node.value, column };
      case 'bool':
        return { kind: 'constant', type: 'BOOL', value: node.value, column };
      case 'attribute': {
        const type = vocabulary.get(node.name);
        if (type === undefined) throw unknownAttribute(node.name, column, vocabulary);
        return { kind: 'attribute', type, name: node.name, column };
      }
      case 'index':
        return checkIndex(node);
      case 'call':
        return checkCall(node, wanted);
      case 'binary':
        return checkBinary(node, wanted);
    }
  };

  const expect = (node: Expression, type: ValueType, what: string): TypedExpression => {
    const typed = check(node, type);
    if (typed.type !== type) throw new ExpressionError(node.column, `${what} must be ${type}, not ${typed.type}`);
    return typed;
  };

  /** Two values of one type. A text that reads as a duration follows the other side. */
  const pair = (a: Expression, b: Expression, what: string, wanted?: ValueType): [TypedExpression, TypedExpression] => {
    let left = check(a, wanted);
    const right = check(b, left.type);
    if (left.type !== right.type) left = check(a, right.type);
    if (left.type !== right.type) {
      throw new ExpressionError(b.column, `${what} have different types: ${left.type} and ${right.type}`);
    }
    return [left, right];
  };

  const checkIndex = (node: Index): TypedExpression => ({
    kind: 'index',
    type: 'STRING',
    map: expect(node.map, 'STRING_MAP', 'what is indexed'),
    key: expect(node.key, 'STRING', 'the key'),
    column: node.column,
  });

  const checkCall = (node: Call, wanted: ValueType | undefined): TypedExpression => {
    const { name, column } = node;
    const all = node.receiver ? [node.receiver, ...node.args] : node.args;
    const count = (expected: number): void => {
      if (all.length === expected) return;
      const given = node.receiver ? all.length - 1 : all.length;
      const needs = node.receiver ? expected - 1 : expected;
      throw new ExpressionError(
        column,
        `${name} takes ${needs} ${needs === 1 ? 'argument' : 'arguments'}, not ${given}`,
      );
    };
    const form = (expected: FunctionSpec['form']): void => {
      if (expected === 'either' || (expected === 'method') === (node.receiver !== undefined)) return;
      const usage = expected === 'method' ? `x.${name}(...)` : `${name}(...)`;
      throw new ExpressionError(column, `${name} is not called this way`, `write ${usage}`);
    };
    if (name === 'conditional') {
      form('function');
      count(3);
      const [condition, yes, no] = all as [Expression, Expression, Expression];
      const test = expect(condition, 'BOOL', 'the condition');
      const [whenTrue, whenFalse] = pair(yes, no, 'the two branches of conditional', wanted);
      return { kind: 'conditional', type: whenTrue.type, condition: test, yes: whenTrue, no: whenFalse, column };
    }
    if (name === 'matches') {
      form('method');
      count(2);
      const [patternNode, subjectNode] = all as [Expression, Expression];
      const pattern = expect(patternNode, 'STRING', 'the pattern of matches');
      const subject = expect(subjectNode, 'STRING', 'the argument of matches');
      const literal = constantText(pattern);
      const regex = literal === undefined ? undefined : compiled(literal, pattern.column);
      return { kind: 'matches', type: 'BOOL', regex, pattern, subject, column };
    }
    const spec = FUNCTIONS.get(name);
    if (!spec) throw unknownFunction(name, column);
    form(spec.form);
    count(spec.params.length);
    const args = all.map((arg, i) => expect(arg, spec.params[i] ?? 'STRING', `argument ${i + 1} of ${name}`));
    return folded({ kind: 'call', type: spec.returns, name, spec, args, column });
  };

  const checkBinary = (node: Binary, wanted: ValueType | undefined): TypedExpression => {
    const { operator, column } = node;
    if (operator === '&&' || operator === '||') {
      const left = expect(node.left, 'BOOL', `the left side of ${operator}`);
      const right = expect(node.right, 'BOOL', `the right side of ${operator}`);
      return { kind: 'binary', type: 'BOOL', operator, left, right, column };
    }
    const keeps = operator === '|' || operator === '+';
    const [left, right] = pair(node.left, node.right, `the two sides of ${operator}`, keeps ? wanted : undefined);
    const allowed = operandTypes(operator);
    if (allowed && !allowed.has(left.type)) throw new ExpressionError(column, `${operator} does not take ${left.type}`);
    return { kind: 'binary', type: keeps ? left.type : 'BOOL', operator, left, right, column };
  };

  return check(expression);
}

/** @returns undefined when every type will do. */
function operandTypes(operator: BinaryOperator): ReadonlySet<ValueType> | undefined {
  if (operator === '==' || operator === '!=') return EQUATABLE;
  if (operator === '+') return ADDABLE;
  return operator === '|' ? undefined : ORDERED;
}

/** A text that reads as a duration is one (`"0ms"`, also `"0"`), except where a STRING must stand. */
function stringConstant(text: string, column: number, wanted: ValueType | undefined): TypedExpression {
  const duration = wanted === 'STRING' ? undefined : parseDuration(text);
  return duration === undefined
    ? { kind: 'constant', type: 'STRING', value: text, column }
    : { kind: 'constant', type: 'DURATION', value: duration, column };
}

/** Calls of constants are made once, at load; what they refuse is an error of the expression. */
function folded(call: Extract<TypedExpression, { kind: 'call' }>): TypedExpression {
  const { spec, args, column, type } = call;
  const texts = args.map(constantText).filter((text) => text !== undefined);
  if (texts.length < args.length) return call;
  const value = spec.apply(...texts);
  if (value === undefined) {
    throw new ExpressionError(args[0]?.column ?? column, `${JSON.stringify(texts[0])} is no ${spec.invalid ?? type}`);
  }
  return { kind: 'constant', type, value, column };
}

function constantText(node: TypedExpression): string | undefined {
  return node.kind === 'constant' && typeof node.value === 'string' ? node.value : undefined;
}

function compiled(pattern: string, column: number): Regex {
  const regex = compileRegex(pattern);
  if (typeof regex === 'string') throw new ExpressionError(column, `the pattern is not valid RE2: ${regex}`);
  return regex;
}

function unknownAttribute(name: string, column: number, vocabulary: AttributeVocabulary): ExpressionError {
  const near = closest(name, vocabulary.keys());
  return new ExpressionError(
    column,
    `unknown attribute ${name}`,
    near ? `did you mean ${near}?` : 'declare it in an attributemanifest',
  );
}

function unknownFunction(name: string, column: number): ExpressionError {
  const near = closest(name, [...FUNCTIONS.keys(), 'matches', 'conditional']);
  return new ExpressionError(column, `unknown function ${name}`, near && `did you mean ${near}?`);
}
