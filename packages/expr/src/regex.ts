import { RE2JS } from 're2js';

/** RE2: linear time, whatever the pattern. */
export interface Regex {
  /** True when some part of the text matches. */
  test(text: string): boolean;
}

/** @returns what is wrong, when the pattern is not RE2. */
export function compileRegex(pattern: string): Regex | string {
  try {
    const compiled = RE2JS.compile(pattern);
    return { test: (text) => compiled.matcher(text).find() };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
