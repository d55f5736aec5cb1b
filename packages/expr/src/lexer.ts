import { ExpressionError } from './errors.ts';

export type TokenKind = 'name' | 'string' | 'int' | 'double' | 'operator' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Of strings the decoded value, of the rest the text. */
  readonly text: string;
  /** 1-based. */
  readonly column: number;
}

// Longest first.
const OPERATORS = ['&&', '||', '==', '!=', '<=', '>=', '<', '>', '+', '|', '(', ')', '[', ']', ',', '.'];
const FOREIGN: Readonly<Record<string, string>> = {
  '!': 'compare with false: `x == false`',
  '-': 'there is no subtraction and no negative number',
  '*': 'there is no multiplication',
  '/': 'there is no division',
  '%': 'there is no remainder',
  '=': 'equality is `==`',
  '&': '"and" is `&&`',
};
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?/y;
const BLANK = /[ \t\r\n]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** Splits an expression into tokens; the last is `end`. @throws {ExpressionError} */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = matchAt(BLANK, text, 0)?.length ?? 0;
  while (at < text.length) {
    const { token, end } = readToken(text, at);
    tokens.push(token);
    at = end + (matchAt(BLANK, text, end)?.length ?? 0);
  }
  tokens.push({ kind: 'end', text: '', column: text.length + 1 });
  return tokens;
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function readToken(text: string, at: number): { token: Token; end: number } {
  const column = at + 1;
  const first = text.charAt(at);
  const name = matchAt(NAME, text, at);
  if (name !== undefined) return { token: { kind: 'name', text: name, column }, end: at + name.length };
  // A dot starts a number only where no name or bracket can stand before it: `.5`, but `a.b`.
  const number = matchAt(NUMBER, text, at);
  if (number !== undefined) return readNumber(text, number, at);
  if (first === '"' || first === "'") return readQuoted(text, at, first);
  if (first === '`') return readRaw(text, at);
  const operator = OPERATORS.find((candidate) => text.startsWith(candidate, at));
  if (operator !== undefined) return { token: { kind: 'operator', text: operator, column }, end: at + operator.length };
  const known = FOREIGN[first];
  throw new ExpressionError(
    column,
    known === undefined ? `unexpected character ${JSON.stringify(first)}` : `CEXL has no operator \`${first}\``,
    known,
  );
}

function readNumber(text: string, number: string, at: number): { token: Token; end: number } {
  const column = at + 1;
  const end = at + number.length;
  const after = matchAt(NAME, text, end);
  if (after !== undefined) throw new ExpressionError(column, `${number}${after} is not a number`);
  const kind = /[.eE]/.test(number) ? 'double' : 'int';
  if (kind === 'int' && number.length > 1 && number.startsWith('0')) {
    throw new ExpressionError(column, `${number} starts with 0; only decimal numbers are known`);
  }
  if (kind === 'int' && !Number.isSafeInteger(Number(number))) {
    throw new ExpressionError(column, `${number} is larger than 2^53 - 1`);
  }
  if (!Number.isFinite(Number(number))) throw new ExpressionError(column, `${number} is too large`);
  return { token: { kind, text: number, column }, end };
}

function readRaw(text: string, at: number): { token: Token; end: number } {
  const close = text.indexOf('`', at + 1);
  if (close < 0) throw new ExpressionError(at + 1, 'the quoted text has no end');
  return {
    token: { kind: 'string', text: text.slice(at + 1, close).replaceAll('\r', ''), column: at + 1 },
    end: close + 1,
  };
}

function readQuoted(text: string, at: number, quote: string): { token: Token; end: number } {
  let value = '';
  let i = at + 1;
  for (;;) {
    const char = text.charAt(i);
    if (char === '' || char === '\n') throw new ExpressionError(at + 1, 'the quoted text has no end');
    if (char === quote) break;
    if (char === '\\') {
      const escape = readEscape(text, i, quote);
      value += escape.value;
      i = escape.end;
    } else {
      value += char;
      i += 1;
    }
  }
  if (quote === "'" && Array.from(value).length !== 1) {
    throw new ExpressionError(
      at + 1,
      'single quotes hold exactly one character',
      `write ${JSON.stringify(value)} in double quotes`,
    );
  }
  return { token: { kind: 'string', text: value, column: at + 1 }, end: i + 1 };
}

function readEscape(text: string, at: number, quote: string): { value: string; end: number } {
  const char = text.charAt(at + 1);
  const wrongQuote = (char === '"' || char === "'") && char !== quote;
  const simple = wrongQuote ? undefined : ESCAPES[char];
  if (simple !== undefined) return { value: simple, end: at + 2 };
  const digits = { x: 2, u: 4, U: 8 }[char];
  const code =
    digits === undefined
      ? /^[0-3][0-7]{2}/.exec(text.slice(at + 1, at + 4))?.[0]
      : new RegExp(`^[0-9a-fA-F]{${digits}}`).exec(text.slice(at + 2, at + 2 + digits))?.[0];
  const point = code === undefined ? Number.NaN : Number.parseInt(code, digits === undefined ? 8 : 16);
  const surrogate = point >= 0xd800 && point <= 0xdfff;
  if (code === undefined || Number.isNaN(point) || point > 0x10ffff || surrogate) {
    throw new ExpressionError(at + 1, `unknown escape \\${char}`, 'write a backslash as \\\\, or use back quotes');
  }
  return { value: String.fromCodePoint(point), end: at + 1 + code.length + (digits === undefined ? 0 : 1) };
}
