import { RE2JS } from 're2js';

/** A compiled RE2 expression that must match the whole text. */
export interface CompiledRegex {
  matchesWhole(text: string): boolean;
  /** Replaces every match; `\1`–`\9` in the substitution stand for groups, `\0` for the match. */
  replaceAll(text: string, substitution: string): string;
}

export interface RegexEngine {
  /** @throws when the expression is not valid RE2, or too large. */
  compile(pattern: string): CompiledRegex;
}

// Compiled expressions are kept by their text, so that an unchanged route costs nothing at the next update.
const KEEP = 2048;
// Envoy refuses programs above this size by default where a limit is set; ours is by length and by program.
const MAX_PATTERN_LENGTH = 8192;
const MAX_PROGRAM_SIZE = 10_000;

function compile(pattern: string): CompiledRegex {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new RangeError(`the expression is longer than ${MAX_PATTERN_LENGTH} characters`);
  }
  const program = RE2JS.compile(pattern);
  if (program.programSize() > MAX_PROGRAM_SIZE) {
    throw new RangeError(`the expression compiles to more than ${MAX_PROGRAM_SIZE} instructions`);
  }
  return {
    matchesWhole: (text) => program.testExact(text),
    replaceAll(text, substitution) {
      let out = '';
      let last = 0;
      const matcher = program.matcher(text);
      while (matcher.find()) {
        out += text.slice(last, matcher.start());
        out += substitution.replaceAll(/\\([0-9\\])/g, (_, digit: string) =>
          digit === '\\' ? '\\' : Number(digit) <= matcher.groupCount() ? (matcher.group(Number(digit)) ?? '') : '',
        );
        last = matcher.end();
      }
      return out + text.slice(last);
    },
  };
}

/** RE2 in linear time: no expression of a configuration can stall the proxy. */
export function createRegexEngine(): RegexEngine {
  const known = new Map<string, CompiledRegex>();
  return {
    compile(pattern) {
      const former = known.get(pattern);
      if (former !== undefined) return former;
      const made = compile(pattern);
      if (known.size >= KEEP) {
        const oldest = known.keys().next();
        if (oldest.done !== true) known.delete(oldest.value);
      }
      known.set(pattern, made);
      return made;
    },
  };
}
