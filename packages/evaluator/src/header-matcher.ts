import type { HeaderMatcher, QueryParameterMatcher } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { headerReader, type RequestFacts } from './facts.ts';
import type { RegexEngine } from './regex.ts';
import { at, type Place, refuseUnknown, reject } from './rejected.ts';
import { compileRegex, compileStringMatcher, plainTest, type TextTest } from './string-matcher.ts';

export type RequestTest = (facts: RequestFacts) => boolean;

const INTEGER = /^[+-]?\d+$/;

/**
 * What a header of several lines is judged by: its lines joined, as Envoy routes; or, where more than a route depends on it,
 * every line for itself: a match of `any` of them (or of all joined), or only of `all`. An application may read the first or
 * the last of what a proxy saw joined.
 */
export type RepeatedHeader = 'joined' | 'any' | 'all';

function linesTest(
  name: string,
  holds: TextTest,
  repeated: 'any' | 'all',
): (facts: RequestFacts, joined: string) => boolean {
  return (facts, joined) => {
    const lines = facts.headerLines?.(name);
    if (lines === undefined || lines.length < 2) return holds(joined);
    return repeated === 'any' ? holds(joined) || lines.some(holds) : lines.every(holds);
  };
}

/**
 * One header condition. A value matcher fails on an absent header even when inverted, unless the missing header counts
 * as empty; only the presence matcher inverts absence (Envoy's HeaderMatcher).
 */
export function compileHeaderMatcher(
  matcher: HeaderMatcher,
  regex: RegexEngine,
  place: Place,
  repeated: RepeatedHeader = 'joined',
): RequestTest {
  refuseUnknown(matcher, place);
  if (matcher.name === '') return reject(at(place, 'name'), 'the header name is empty');
  const read = headerReader(matcher.name);
  const inverted = matcher.invertMatch;
  const emptyWhenMissing = matcher.treatMissingHeaderAsEmpty;
  const specifier = matcher.headerMatchSpecifier;
  if (specifier.case === undefined || specifier.case === 'presentMatch') {
    const wanted = (specifier.value ?? true) !== inverted;
    return emptyWhenMissing ? () => wanted : (facts) => (read(facts) !== undefined) === wanted;
  }
  const test = valueTest(specifier, regex, place);
  const holds: TextTest = inverted ? (text) => !test(text) : test;
  const ofLines = repeated === 'joined' ? undefined : linesTest(matcher.name.toLowerCase(), holds, repeated);
  return (facts) => {
    const value = read(facts);
    if (value === undefined) return emptyWhenMissing && holds('');
    return ofLines !== undefined && value.includes(',') ? ofLines(facts, value) : holds(value);
  };
}

type ValueSpecifier = Exclude<HeaderMatcher['headerMatchSpecifier'], { case: undefined } | { case: 'presentMatch' }>;

function valueTest(specifier: ValueSpecifier, regex: RegexEngine, place: Place): TextTest {
  switch (specifier.case) {
    case 'stringMatch':
      return compileStringMatcher(specifier.value, regex, at(place, 'string_match'));
    case 'safeRegexMatch': {
      const compiled = compileRegex(specifier.value, regex, at(place, 'safe_regex_match'));
      return (text) => compiled.matchesWhole(text);
    }
    case 'exactMatch':
      return plainTest('exact', specifier.value);
    case 'prefixMatch':
      return plainTest('prefix', notEmpty(specifier.value, at(place, 'prefix_match')));
    case 'suffixMatch':
      return plainTest('suffix', notEmpty(specifier.value, at(place, 'suffix_match')));
    case 'containsMatch':
      return plainTest('contains', notEmpty(specifier.value, at(place, 'contains_match')));
    case 'rangeMatch': {
      const { start, end } = specifier.value;
      return (text) => {
        if (!INTEGER.test(text)) return false;
        const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
        return value >= start && value < end;
      };
    }
  }
}

const notEmpty = (text: string, place: Place): string => (text === '' ? reject(place, 'the text is empty') : text);

/** First value of a repeated key, without decoding; undefined when the key is absent. */
export function queryParameter(query: string, name: string): string | undefined {
  for (let start = 0; start <= query.length;) {
    const next = query.indexOf('&', start);
    const end = next === -1 ? query.length : next;
    if (query.startsWith(name, start)) {
      const after = start + name.length;
      if (after === end) return '';
      if (after < end && query[after] === '=') return query.slice(after + 1, end);
    }
    start = end + 1;
  }
  return undefined;
}

export function compileQueryMatcher(matcher: QueryParameterMatcher, regex: RegexEngine, place: Place): RequestTest {
  refuseUnknown(matcher, place);
  const { name, queryParameterMatchSpecifier: specifier } = matcher;
  if (name === '') return reject(at(place, 'name'), 'the parameter name is empty');
  if (specifier.case === 'stringMatch') {
    const test = compileStringMatcher(specifier.value, regex, at(place, 'string_match'));
    return ({ query }) => {
      const value = query === '' ? undefined : queryParameter(query, name);
      return value !== undefined && test(value);
    };
  }
  const wanted = specifier.value ?? true;
  return ({ query }) => (query !== '' && queryParameter(query, name) !== undefined) === wanted;
}
