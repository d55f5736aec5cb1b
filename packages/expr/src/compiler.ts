/** Turns a typed expression into closures. What can be decided ahead is; failures known ahead are made ahead. */
import type { ValueType } from '@weft/contracts';
import { EvaluationFailure } from './errors.ts';
import type { TypedExpression } from './checker.ts';
import { sameDnsName, sameEmail, sameUri } from './names.ts';
import { compileRegex, type Regex } from './regex.ts';
import { sameIp, type StringMapView, type Value } from './values.ts';

/** How attributes are read from the request at hand. Asked once for each name at compile time, so it can bind names to slots. */
export interface AttributeAccess<Context> {
  /** @returns a reader that gives undefined when the attribute is absent. */
  attribute(name: string, type: ValueType): (context: Context) => Value | undefined;
  /** One key of a STRING_MAP attribute, without building the map. */
  key(name: string): (context: Context, key: string) => string | undefined;
}

export interface CompiledExpression<Context> {
  readonly type: ValueType;
  /** Never throws. */
  evaluate(context: Context): Value | EvaluationFailure;
}

/** `undefined` means absent: only `|` goes on from there, everything else fails. */
type Outcome = Value | undefined | EvaluationFailure;
type Step<Context> = (context: Context) => Outcome;

export function compileExpression<Context>(
  expression: TypedExpression,
  access: AttributeAccess<Context>,
): CompiledExpression<Context> {
  const step = required(expression, access);
  return { type: expression.type, evaluate: step };
}

/** A step whose absence is a failure. */
function required<C>(node: TypedExpression, access: AttributeAccess<C>): (context: C) => Value | EvaluationFailure {
  const step = compile(node, access);
  const absent = new EvaluationFailure('absent', node.column, `${describe(node)} is absent`);
  return (context) => step(context) ?? absent;
}

function compile<C>(node: TypedExpression, access: AttributeAccess<C>): Step<C> {
  switch (node.kind) {
    case 'constant': {
      const { value } = node;
      return () => value;
    }
    case 'attribute':
      return access.attribute(node.name, node.type);
    case 'index':
      return compileIndex(node, access);
    case 'call':
      return compileCall(node, access);
    case 'matches':
      return compileMatches(node, access);
    case 'conditional': {
      const condition = required(node.condition, access);
      const yes = required(node.yes, access);
      const no = required(node.no, access);
      return (context) => {
        const test = condition(context);
        if (test instanceof EvaluationFailure) return test;
        return test === true ? yes(context) : no(context);
      };
    }
    case 'binary':
      return compileBinary(node, access);
  }
}

type Node<Kind extends TypedExpression['kind']> = Extract<TypedExpression, { kind: Kind }>;

function compileIndex<C>(node: Node<'index'>, access: AttributeAccess<C>): Step<C> {
  const key = required(node.key, access);
  if (node.map.kind === 'attribute') {
    const read = access.key(node.map.name);
    if (node.key.kind === 'constant' && typeof node.key.value === 'string') {
      const name = node.key.value;
      return (context) => read(context, name);
    }
    return (context) => {
      const name = key(context);
      return typeof name === 'string' ? read(context, name) : name;
    };
  }
  const map = compile(node.map, access);
  return (context) => {
    const found = map(context);
    if (found === undefined || found instanceof EvaluationFailure) return found;
    const name = key(context);
    return typeof name === 'string' ? (found as StringMapView).get(name) : name;
  };
}

function compileCall<C>(node: Node<'call'>, access: AttributeAccess<C>): Step<C> {
  const { spec, name } = node;
  const args = node.args.map((arg) => required(arg, access));
  const invalid = (text: string): EvaluationFailure =>
    new EvaluationFailure(
      'invalid',
      node.column,
      `${name}: ${JSON.stringify(text)} is no ${spec.invalid ?? spec.returns}`,
    );
  const [first, second] = args;
  if (!first) return () => spec.apply();
  if (!second) {
    return (context) => {
      const a = first(context);
      return typeof a === 'string' ? (spec.apply(a) ?? invalid(a)) : a;
    };
  }
  return (context) => {
    const a = first(context);
    if (typeof a !== 'string') return a;
    const b = second(context);
    return typeof b === 'string' ? (spec.apply(a, b) ?? invalid(a)) : b;
  };
}

function compileMatches<C>(node: Node<'matches'>, access: AttributeAccess<C>): Step<C> {
  const subject = required(node.subject, access);
  const { regex } = node;
  if (regex) {
    return (context) => {
      const text = subject(context);
      return typeof text === 'string' ? regex.test(text) : text;
    };
  }
  const pattern = required(node.pattern, access);
  // A pattern from the request usually repeats: the last one is kept compiled.
  let last: { readonly pattern: string; readonly regex: Regex | string } | undefined;
  return (context) => {
    const source = pattern(context);
    if (typeof source !== 'string') return source;
    const text = subject(context);
    if (typeof text !== 'string') return text;
    if (last?.pattern !== source) last = { pattern: source, regex: compileRegex(source) };
    if (typeof last.regex !== 'string') return last.regex.test(text);
    return new EvaluationFailure('invalid', node.column, `the pattern is not valid RE2: ${last.regex}`);
  };
}

function compileBinary<C>(node: Node<'binary'>, access: AttributeAccess<C>): Step<C> {
  const { operator } = node;
  if (operator === '|') {
    const [first, fallback] = [compile(node.left, access), compile(node.right, access)];
    return (context) => first(context) ?? fallback(context);
  }
  const left = required(node.left, access);
  const right = required(node.right, access);
  if (operator === '&&' || operator === '||') {
    const decided = operator === '||';
    return (context) => {
      const a = left(context);
      return a === decided || a instanceof EvaluationFailure ? a : right(context);
    };
  }
  const combine = combiner(operator, node.left.type);
  return (context) => {
    const a = left(context);
    if (a instanceof EvaluationFailure) return a;
    const b = right(context);
    return b instanceof EvaluationFailure ? b : combine(a, b);
  };
}

/** Both sides have the type that the checker saw, so the casts hold. */
function combiner(
  operator: Exclude<Node<'binary'>['operator'], '|' | '&&' | '||'>,
  type: ValueType,
): (a: Value, b: Value) => Value {
  const equal = equality(type);
  switch (operator) {
    case '==':
      return equal;
    case '!=':
      return (a, b) => !equal(a, b);
    case '<':
      return (a, b) => a < b;
    case '<=':
      return (a, b) => a <= b;
    case '>':
      return (a, b) => a > b;
    case '>=':
      return (a, b) => a >= b;
    case '+':
      return type === 'STRING' ? (a, b) => `${a as string}${b as string}` : (a, b) => (a as number) + (b as number);
  }
}

function equality(type: ValueType): (a: Value, b: Value) => boolean {
  switch (type) {
    case 'IP_ADDRESS':
      return (a, b) => sameIp(a as Uint8Array, b as Uint8Array);
    case 'DNS_NAME':
      return (a, b) => sameDnsName(a as string, b as string);
    case 'EMAIL_ADDRESS':
      return (a, b) => sameEmail(a as string, b as string);
    case 'URI':
      return (a, b) => sameUri(a as string, b as string);
    default:
      return (a, b) => a === b;
  }
}

function describe(node: TypedExpression): string {
  if (node.kind === 'attribute') return node.name;
  if (node.kind === 'index' && node.map.kind === 'attribute' && node.key.kind === 'constant') {
    return `${node.map.name}[${JSON.stringify(node.key.value)}]`;
  }
  return 'the value';
}
