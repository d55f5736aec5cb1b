import type { ValueType } from '@weft/contracts';
import { isDnsName, isEmail, isUri } from './names.ts';
import { parseIp, parseTimestamp, type Value } from './values.ts';

/** A function of fixed type. `conditional` and the operators are generic and live in the checker and compiler. */
export interface FunctionSpec {
  readonly params: readonly ValueType[];
  readonly returns: ValueType;
  /** `x.name(y)`: the receiver is the first parameter. `either` may be written both ways. */
  readonly form: 'function' | 'method' | 'either';
  /** @returns undefined when an argument has no such value; `invalid` says what was expected. */
  readonly apply: (...args: readonly string[]) => Value | undefined;
  /** For the message: "… is no {invalid}". */
  readonly invalid?: string;
}

const STRING = ['STRING'] as const;

function convert(returns: ValueType, invalid: string, apply: (text: string) => Value | undefined): FunctionSpec {
  return { params: STRING, returns, form: 'function', invalid, apply: (text = '') => apply(text) };
}

const predicate = (apply: (a: string, b: string) => boolean, form: FunctionSpec['form']): FunctionSpec => ({
  params: ['STRING', 'STRING'],
  returns: 'BOOL',
  form,
  apply: (a = '', b = '') => apply(a, b),
});

/** A trailing `*` makes a prefix test, else a leading one a suffix test, else both are equal. `*x*` does not mean "contains". */
function globMatch(text: string, pattern: string): boolean {
  if (pattern.endsWith('*')) return text.startsWith(pattern.slice(0, -1));
  if (pattern.startsWith('*')) return text.endsWith(pattern.slice(1));
  return text === pattern;
}

const EMPTY_MAP: ReadonlyMap<string, string> = new Map();

/** `matches` is absent: its pattern is compiled ahead where it can be, so the compiler treats it itself. */
export const FUNCTIONS: ReadonlyMap<string, FunctionSpec> = new Map<string, FunctionSpec>([
  ['match', predicate(globMatch, 'function')],
  ['startsWith', predicate((text, prefix) => text.startsWith(prefix), 'method')],
  ['endsWith', predicate((text, suffix) => text.endsWith(suffix), 'method')],
  ['ip', convert('IP_ADDRESS', 'IP address', parseIp)],
  ['timestamp', convert('TIMESTAMP', 'RFC 3339 time', parseTimestamp)],
  ['email', convert('EMAIL_ADDRESS', 'mail address', (text) => (isEmail(text) ? text : undefined))],
  ['dnsName', convert('DNS_NAME', 'DNS name', (text) => (isDnsName(text) ? text : undefined))],
  ['uri', convert('URI', 'URI', (text) => (isUri(text) ? text : undefined))],
  ['toLower', convert('STRING', 'text', (text) => text.toLowerCase())],
  ['size', convert('INT64', 'text', (text) => byteLength(text))],
  [
    'reverse',
    { params: STRING, returns: 'STRING', form: 'either', apply: (text = '') => Array.from(text).toReversed().join('') },
  ],
  ['emptyStringMap', { params: [], returns: 'STRING_MAP', form: 'function', apply: () => EMPTY_MAP }],
]);

/** Length in UTF-8 bytes. */
function byteLength(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) bytes += 1;
    // A pair of surrogates takes 4 bytes: two units counted, one more each here; all other units above 0x7ff take 3.
    if (unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff)) bytes += 1;
  }
  return bytes;
}
