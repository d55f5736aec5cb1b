import type { RouteMatch as RouteMatchMessage } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import {
  type FractionalPercent,
  FractionalPercent_DenominatorType as Denominator,
} from '@weft/contracts/lean/envoy/type/v3/percent';
import type { RequestFacts } from './facts.ts';
import { compileHeaderMatcher, compileQueryMatcher, type RequestTest } from './header-matcher.ts';
import type { RegexEngine } from './regex.ts';
import { at, type Place, refuseUnknown, reject } from './rejected.ts';
import { asciiLower, compileRegex } from './string-matcher.ts';

/** How a route matches the path, for indexes and rewriting. */
export interface PathRule {
  readonly kind: 'prefix' | 'path' | 'regex' | 'separated-prefix' | 'connect';
  /** Prefix, path or expression; empty for `connect`. */
  readonly text: string;
  readonly caseSensitive: boolean;
  readonly test: RequestTest;
}

/** Everything in a match but the path must hold too. `undefined` = nothing else to test. */
export interface CompiledMatch {
  readonly path: PathRule;
  readonly conditions: RequestTest | undefined;
  /** Share of requests that the route takes, 0–1; 1 unless `runtime_fraction` says less. */
  readonly fraction: number;
}

export function compileMatch(match: RouteMatchMessage | undefined, regex: RegexEngine, place: Place): CompiledMatch {
  if (match === undefined) return reject(place, 'match is not set');
  refuseUnknown(match, place);
  const tests: RequestTest[] = [];
  match.headers.forEach((header, i) => tests.push(compileHeaderMatcher(header, regex, at(place, `headers[${i}]`))));
  match.queryParameters.forEach((parameter, i) =>
    tests.push(compileQueryMatcher(parameter, regex, at(place, `query_parameters[${i}]`))),
  );
  if (match.grpc !== undefined) tests.push(isGrpc);
  if (match.tlsContext !== undefined) tests.push(tlsTest(match.tlsContext));
  return {
    path: compilePath(match, regex, place),
    conditions: allOf(tests),
    fraction: fractionOf(match.runtimeFraction?.defaultValue),
  };
}

function compilePath(match: RouteMatchMessage, regex: RegexEngine, place: Place): PathRule {
  const { pathSpecifier } = match;
  const caseSensitive = match.caseSensitive ?? true;
  switch (pathSpecifier.case) {
    case 'prefix':
      return {
        kind: 'prefix',
        text: pathSpecifier.value,
        caseSensitive,
        test: prefixTest(pathSpecifier.value, caseSensitive),
      };
    case 'path':
      return {
        kind: 'path',
        text: pathSpecifier.value,
        caseSensitive,
        test: pathTest(pathSpecifier.value, caseSensitive),
      };
    case 'pathSeparatedPrefix': {
      const text = pathSpecifier.value;
      if (!text.startsWith('/') || text.endsWith('/') || /[?#]/.test(text)) {
        return reject(
          at(place, 'path_separated_prefix'),
          `"${text}" must begin with "/" and have no "/" at its end, "?" or "#"`,
        );
      }
      return { kind: 'separated-prefix', text, caseSensitive, test: separatedTest(text, caseSensitive) };
    }
    case 'safeRegex': {
      const compiled = compileRegex(pathSpecifier.value, regex, at(place, 'safe_regex'));
      return {
        kind: 'regex',
        text: pathSpecifier.value.regex,
        caseSensitive: true,
        test: ({ path, method }) => method !== 'CONNECT' && compiled.matchesWhole(path),
      };
    }
    case 'connectMatcher':
      return { kind: 'connect', text: '', caseSensitive: true, test: ({ method }) => method === 'CONNECT' };
    case undefined:
      return reject(place, 'no path specifier is set, or one that is not supported');
  }
}

function prefixTest(prefix: string, caseSensitive: boolean): RequestTest {
  if (prefix === '' || prefix === '/') return ({ path }) => prefix === '' || path.startsWith('/');
  if (caseSensitive) return ({ path }) => path.startsWith(prefix);
  const lower = asciiLower(prefix);
  return ({ path }) => path.length >= lower.length && asciiLower(path).startsWith(lower);
}

function pathTest(wanted: string, caseSensitive: boolean): RequestTest {
  if (caseSensitive) return ({ path }) => path === wanted;
  const lower = asciiLower(wanted);
  return ({ path }) => path.length === lower.length && asciiLower(path) === lower;
}

function separatedTest(prefix: string, caseSensitive: boolean): RequestTest {
  const begins = prefixTest(prefix, caseSensitive);
  return (facts) => {
    const { path } = facts;
    return (path.length === prefix.length || path[prefix.length] === '/') && begins(facts);
  };
}

const isGrpc: RequestTest = (facts) => {
  const type = facts.header('content-type');
  return type !== undefined && type.startsWith('application/grpc') && (type.length === 16 || type[16] === '+');
};

function tlsTest(wanted: {
  readonly presented?: boolean | undefined;
  readonly validated?: boolean | undefined;
}): RequestTest {
  return ({ clientCertificate = 'none' }: RequestFacts) =>
    (wanted.presented === undefined || wanted.presented === (clientCertificate !== 'none')) &&
    (wanted.validated === undefined || wanted.validated === (clientCertificate === 'validated'));
}

function allOf(tests: readonly RequestTest[]): RequestTest | undefined {
  const [first, second] = tests;
  if (first === undefined) return undefined;
  if (second === undefined) return first;
  if (tests.length === 2) return (facts) => first(facts) && second(facts);
  return (facts) => {
    for (const test of tests) if (!test(facts)) return false;
    return true;
  };
}

const DENOMINATORS: Readonly<Record<Denominator, number>> = {
  [Denominator.HUNDRED]: 100,
  [Denominator.TEN_THOUSAND]: 10_000,
  [Denominator.MILLION]: 1_000_000,
};

/** @returns 0–1; 1 when absent. */
export function fractionOf(percent: FractionalPercent | undefined): number {
  return percent === undefined ? 1 : Math.min(1, percent.numerator / DENOMINATORS[percent.denominator]);
}
