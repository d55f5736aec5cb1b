/**
 * What is left of a rule's match for a sidecar to decide, when both ends of the call are known: the language of Mixer's
 * rules evaluated as far as configuration goes, and the rest as conditions of the request.
 */
import { STANDARD_ATTRIBUTES } from '@weft/contracts';
import type { StringMatcher } from '@weft/contracts/full/envoy/type/matcher/v3/string';
import { bagAccess, checkExpression, compileExpression, createBag, type Expression } from '@weft/expr';
import { regexMatcher, stringMatcher } from '../generators/envoy.ts';
import * as truth from './truth.ts';
import type { Truth, Verdict } from './truth.ts';

/** What is known of one end. All undefined for a caller that is no workload of the mesh. */
export interface EndFacts {
  readonly namespace?: string;
  readonly workload?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Without `spiffe://`, as Mixer writes it. */
  readonly principal?: string;
  readonly service?: { readonly host: string; readonly name: string; readonly namespace: string };
  readonly port?: number;
}

export interface CallFacts {
  readonly source: EndFacts;
  readonly destination: EndFacts;
  /** A connection has no request: what is read of one is absent. */
  readonly traffic: 'http' | 'tcp';
}

/** Something in the expression that a sidecar has no answer for; its message ends "it reads …". */
export class Undecidable extends Error {
  readonly what: string;

  constructor(what: string) {
    super(what);
    this.what = what;
  }
}

type Constant = string | number | boolean | undefined;

/** A value: known now (undefined: absent), or of the request. */
type Value =
  | { readonly kind: 'known'; readonly value: Constant }
  | {
      readonly kind: 'request';
      readonly test: (matcher: StringMatcher) => Truth;
      /** Whether the request has it at all. */
      readonly present: Truth;
      /** Stands in when the request does not have it. */
      readonly otherwise?: Value;
    };

/** @throws {Undecidable} whatever the facts are, when the expression can not be decided by a sidecar. */
export function decide(match: Expression, facts: CallFacts): Verdict {
  switch (match.kind) {
    case 'bool':
      return truth.known(match.value);
    case 'binary': {
      const { operator, left, right } = match;
      if (operator === '&&') return truth.andThen(decide(left, facts), decide(right, facts));
      if (operator === '||') return truth.orElse(decide(left, facts), decide(right, facts));
      if (operator === '==' || operator === '!=') {
        const equal = isBoolean(left) || isBoolean(right) ? sameAnswer(left, right, facts) : equals(left, right, facts);
        return operator === '==' ? equal : truth.not(equal);
      }
      throw new Undecidable(`the operator ${operator}`);
    }
    case 'attribute':
      if (match.name === 'connection.mtls') {
        const mtls = truth.authenticated();
        return { isTrue: mtls, isFalse: truth.negate(mtls) };
      }
      throw new Undecidable(match.name);
    case 'call':
      return call(match, facts);
    default:
      throw new Undecidable(`${match.kind} as a condition`);
  }
}

const isBoolean = (node: Expression): boolean =>
  node.kind === 'bool' || (node.kind === 'attribute' && STANDARD_ATTRIBUTES.get(node.name) === 'BOOL');

function sameAnswer(left: Expression, right: Expression, facts: CallFacts): Verdict {
  const [a, b] = [decide(left, facts), decide(right, facts)];
  return {
    isTrue: truth.either(truth.both(a.isTrue, b.isTrue), truth.both(a.isFalse, b.isFalse)),
    isFalse: truth.either(truth.both(a.isTrue, b.isFalse), truth.both(a.isFalse, b.isTrue)),
  };
}

function equals(left: Expression, right: Expression, facts: CallFacts): Verdict {
  const [a, b] = [valueOf(left, facts), valueOf(right, facts)];
  if (a.kind === 'request' && b.kind === 'request') throw new Undecidable('two values of the request compared');
  const [value, other] = a.kind === 'request' ? [a, b] : [b, a];
  const wanted = other.kind === 'known' ? other.value : undefined;
  if (wanted === undefined) return truth.NEVER;
  return test(
    value,
    (text) => text === wanted,
    typeof wanted === 'string' ? stringMatcher('exact', wanted) : undefined,
  );
}

/** @param matcher the same question to a request; undefined where a request has no such value. */
function test(value: Value, isIt: (value: Constant) => boolean, matcher: StringMatcher | undefined): Verdict {
  if (value.kind === 'known') return value.value === undefined ? truth.NEVER : truth.known(isIt(value.value));
  const hit = matcher === undefined ? false : value.test(matcher);
  const own: Verdict = {
    isTrue: truth.both(value.present, hit),
    isFalse: truth.both(value.present, truth.negate(hit)),
  };
  if (value.otherwise === undefined) return own;
  const absent = truth.negate(value.present);
  const rest = test(value.otherwise, isIt, matcher);
  return {
    isTrue: truth.either(own.isTrue, truth.both(absent, rest.isTrue)),
    isFalse: truth.either(own.isFalse, truth.both(absent, rest.isFalse)),
  };
}

function call(node: Extract<Expression, { kind: 'call' }>, facts: CallFacts): Verdict {
  const { name, receiver, args } = node;
  const [first, second] = receiver === undefined ? args : [receiver, ...args];
  if (first === undefined || second === undefined) throw new Undecidable(`the function ${name}`);
  // The pattern of `matches` is its receiver; elsewhere the text comes first.
  const [text, pattern] = name === 'matches' ? [second, first] : [first, second];
  const wanted = valueOf(pattern, facts);
  if (wanted.kind === 'request') throw new Undecidable(`a pattern of ${name} that comes with the request`);
  if (typeof wanted.value !== 'string') return truth.NEVER;
  const matcher = matcherOf(name, wanted.value);
  const literal = (value: string): Expression => ({ kind: 'string', value, column: node.column });
  const ask = (value: string): boolean => {
    const [left, right] = name === 'matches' ? [wanted.value as string, value] : [value, wanted.value as string];
    const spoken: Expression =
      receiver === undefined
        ? { ...node, args: [literal(left), literal(right)] }
        : { ...node, receiver: literal(left), args: [literal(right)] };
    return compileExpression(checkExpression(spoken, STANDARD_ATTRIBUTES), bagAccess).evaluate(NOTHING) === true;
  };
  return test(valueOf(text, facts), (value) => typeof value === 'string' && ask(value), matcher);
}

function matcherOf(name: string, pattern: string): StringMatcher {
  switch (name) {
    case 'match':
      if (pattern.endsWith('*')) return stringMatcher('prefix', pattern.slice(0, -1));
      return pattern.startsWith('*') ? stringMatcher('suffix', pattern.slice(1)) : stringMatcher('exact', pattern);
    case 'startsWith':
      return stringMatcher('prefix', pattern);
    case 'endsWith':
      return stringMatcher('suffix', pattern);
    case 'matches':
      // Any part of the text may match there; here the whole must.
      return regexMatcher(`(?s:.*)(?:${pattern})(?s:.*)`);
    default:
      throw new Undecidable(`the function ${name}`);
  }
}

const NOTHING = createBag(new Map());

const constant = (value: Constant): Value => ({ kind: 'known', value });

function valueOf(node: Expression, facts: CallFacts): Value {
  switch (node.kind) {
    case 'string':
    case 'int':
    case 'double':
      return constant(node.value);
    case 'attribute':
      return attribute(node.name, facts);
    case 'index':
      return indexed(node, facts);
    case 'binary':
      if (node.operator === '|') return withDefault(valueOf(node.left, facts), valueOf(node.right, facts));
      throw new Undecidable(`the operator ${node.operator}`);
    default:
      throw new Undecidable(node.kind === 'call' ? `the function ${node.name}` : `${node.kind} as a value`);
  }
}

function withDefault(first: Value, fallback: Value): Value {
  if (first.kind === 'known') return first.value === undefined ? fallback : first;
  return { ...first, otherwise: first.otherwise === undefined ? fallback : withDefault(first.otherwise, fallback) };
}

const requestHeader = (name: string, always = false): Value => ({
  kind: 'request',
  test: (matcher) => truth.header(name, matcher),
  present: always ? true : truth.headerPresent(name),
});

function indexed({ map, key }: Extract<Expression, { kind: 'index' }>, facts: CallFacts): Value {
  const name = map.kind === 'attribute' ? map.name : `${map.kind} as a map`;
  const at = valueOf(key, facts);
  if (at.kind === 'request' || typeof at.value !== 'string') throw new Undecidable(`${name} by a key of the request`);
  switch (name) {
    case 'request.headers':
      return ofRequest(facts, requestHeader(at.value.toLowerCase()));
    case 'source.labels':
      return constant(own(facts.source.labels, at.value));
    case 'destination.labels':
      return constant(own(facts.destination.labels, at.value));
    default:
      throw new Undecidable(name);
  }
}

const own = (map: Readonly<Record<string, string>> | undefined, key: string): string | undefined =>
  map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;

const ofRequest = ({ traffic }: CallFacts, value: Value): Value => (traffic === 'http' ? value : constant(undefined));

function attribute(name: string, facts: CallFacts): Value {
  const { source, destination } = facts;
  const of = (end: EndFacts, field: string): Value | undefined => {
    const { namespace, workload, principal } = end;
    switch (field) {
      case 'namespace':
      case 'workload.namespace':
        return constant(namespace);
      case 'workload.name':
        return constant(workload);
      case 'workload.uid':
        return constant(workload === undefined ? undefined : `istio://${namespace}/workloads/${workload}`);
      case 'principal':
      case 'user':
        return constant(principal);
      default:
        return undefined;
    }
  };
  const [end, ...rest] = name.split('.');
  const common =
    end === 'source' ? of(source, rest.join('.')) : end === 'destination' ? of(destination, rest.join('.')) : undefined;
  if (common) return common;
  switch (name) {
    case 'destination.service':
    case 'destination.service.host':
      return constant(destination.service?.host);
    case 'destination.service.name':
      return constant(destination.service?.name);
    case 'destination.service.namespace':
      return constant(destination.service?.namespace);
    case 'destination.port':
      return constant(destination.port);
    case 'context.reporter.kind':
      return constant('inbound');
    case 'request.method':
      return ofRequest(facts, requestHeader(':method', true));
    case 'request.host':
      return ofRequest(facts, requestHeader(':authority', true));
    case 'request.path':
      return ofRequest(facts, requestHeader(':path', true));
    case 'request.url_path':
      return ofRequest(facts, { kind: 'request', test: (matcher) => truth.urlPath(matcher), present: true });
    case 'request.useragent':
      return ofRequest(facts, requestHeader('user-agent'));
    case 'request.referer':
      return ofRequest(facts, requestHeader('referer'));
    default:
      throw new Undecidable(name);
  }
}
