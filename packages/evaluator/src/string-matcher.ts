import type { RegexMatcher } from '@weft/contracts/lean/envoy/type/matcher/v3/regex';
import type { StringMatcher } from '@weft/contracts/lean/envoy/type/matcher/v3/string';
import { at, type Place, refuseUnknown, reject } from './rejected.ts';
import type { CompiledRegex, RegexEngine } from './regex.ts';

export type TextTest = (text: string) => boolean;

const UPPER = /[A-Z]+/g;

/** Lower case in ASCII only, as HTTP compares names. */
export const asciiLower = (text: string): string => text.replace(UPPER, (letters) => letters.toLowerCase());

export function compileRegex(matcher: RegexMatcher | undefined, regex: RegexEngine, place: Place): CompiledRegex {
  if (matcher === undefined || matcher.regex === '') return reject(place, 'the expression is empty');
  try {
    return regex.compile(matcher.regex);
  } catch (error) {
    return reject(place, `"${matcher.regex}" is not a valid RE2 expression`, error);
  }
}

/** `ignore_case` is ASCII and has no effect on expressions. */
export function compileStringMatcher(matcher: StringMatcher, regex: RegexEngine, place: Place): TextTest {
  refuseUnknown(matcher, place);
  const { matchPattern, ignoreCase } = matcher;
  if (matchPattern.case === undefined) return reject(place, 'no match pattern is set, or one that is not supported');
  if (matchPattern.case === 'safeRegex') {
    const compiled = compileRegex(matchPattern.value, regex, at(place, 'safe_regex'));
    return (text) => compiled.matchesWhole(text);
  }
  if (matchPattern.case !== 'exact' && matchPattern.value === '') {
    return reject(at(place, matchPattern.case), 'the text is empty');
  }
  const wanted = ignoreCase ? asciiLower(matchPattern.value) : matchPattern.value;
  const test = plainTest(matchPattern.case, wanted);
  return ignoreCase ? (text) => test(asciiLower(text)) : test;
}

export function plainTest(kind: 'exact' | 'prefix' | 'suffix' | 'contains', wanted: string): TextTest {
  switch (kind) {
    case 'exact':
      return (text) => text === wanted;
    case 'prefix':
      return (text) => text.startsWith(wanted);
    case 'suffix':
      return (text) => text.endsWith(wanted);
    case 'contains':
      return (text) => text.includes(wanted);
  }
}
