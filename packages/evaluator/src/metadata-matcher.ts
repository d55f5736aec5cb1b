import type { MetadataMatcher } from '@weft/contracts/lean/envoy/type/matcher/v3/metadata';
import type { DoubleMatcher } from '@weft/contracts/lean/envoy/type/matcher/v3/number';
import type { ValueMatcher } from '@weft/contracts/lean/envoy/type/matcher/v3/value';
import type { AuthorizationFacts } from './facts.ts';
import type { RegexEngine } from './regex.ts';
import { at, type Place, refuseUnknown, reject } from './rejected.ts';
import { compileStringMatcher } from './string-matcher.ts';

export type ValueTest = (value: unknown) => boolean;

export function compileMetadataMatcher(
  matcher: MetadataMatcher,
  regex: RegexEngine,
  place: Place,
): (facts: AuthorizationFacts) => boolean {
  refuseUnknown(matcher, place);
  if (matcher.filter === '') return reject(at(place, 'filter'), 'the name is empty');
  if (matcher.path.length === 0) return reject(at(place, 'path'), 'the path is empty');
  const path = matcher.path.map(({ segment }, i) =>
    segment.case === 'key' ? segment.value : reject(at(place, `path[${i}]`), 'is not a key'),
  );
  if (matcher.value === undefined) return reject(at(place, 'value'), 'is not set');
  const test = compileValueMatcher(matcher.value, regex, at(place, 'value'));
  const { filter, invert } = matcher;
  return (facts) => test(facts.metadata(filter, path)) !== invert;
}

export function compileValueMatcher(matcher: ValueMatcher, regex: RegexEngine, place: Place): ValueTest {
  refuseUnknown(matcher, place);
  const { matchPattern } = matcher;
  switch (matchPattern.case) {
    case 'nullMatch':
      return (value) => value === null;
    case 'doubleMatch':
      return doubleTest(matchPattern.value, at(place, 'double_match'));
    case 'stringMatch': {
      const test = compileStringMatcher(matchPattern.value, regex, at(place, 'string_match'));
      return (value) => typeof value === 'string' && test(value);
    }
    case 'boolMatch': {
      const wanted = matchPattern.value;
      return (value) => value === wanted;
    }
    case 'presentMatch': {
      const wanted = matchPattern.value;
      return (value) => (value !== undefined) === wanted;
    }
    case 'listMatch': {
      const { matchPattern: inner } = matchPattern.value;
      if (inner.case === undefined) return reject(at(place, 'list_match'), 'no pattern is set');
      const test = compileValueMatcher(inner.value, regex, at(place, 'list_match.one_of'));
      return (value) => Array.isArray(value) && value.some(test);
    }
    case 'orMatch': {
      const tests = matchPattern.value.valueMatchers.map((one, i) =>
        compileValueMatcher(one, regex, at(place, `or_match.value_matchers[${i}]`)),
      );
      return (value) => tests.some((test) => test(value));
    }
    case undefined:
      return reject(place, 'no pattern is set, or one that is not supported');
  }
}

function doubleTest({ matchPattern }: DoubleMatcher, place: Place): ValueTest {
  switch (matchPattern.case) {
    case 'exact': {
      const wanted = matchPattern.value;
      return (value) => value === wanted;
    }
    case 'range': {
      const { start, end } = matchPattern.value;
      return (value) => typeof value === 'number' && value >= start && value < end;
    }
    case undefined:
      return reject(place, 'no pattern is set');
  }
}
