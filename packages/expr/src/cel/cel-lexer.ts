import { ExpressionError } from '../errors.ts';

export interface CelToken {
  readonly kind: 'name' | 'number' | 'string' | 'symbol' | 'end';
  readonly text: string;
  /** Of a literal. */
  readonly value: string | number;
  readonly column: number;
}

const PATTERN =
  /\s+|\/\/[^\n]*|(?<name>[A-Za-z_]\w*)|(?<number>0x[0-9a-fA-F]+u?|\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?u?)|(?<symbol>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()[\]{}])/y;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b', f: '\f', v: '\v', '\\': '\\', '"': '"', "'": "'", '`': '`', '?': '?',
}; // prettier-ignore

/** @throws {ExpressionError} */
export function tokenizeCel(text: string): CelToken[] {
  const tokens: CelToken[] = [];
  let at = 0;
  while (at < text.length) {
    const raw = /^[rR](?=["'])/.test(text.slice(at, at + 2));
    const quote = text[raw ? at + 1 : at] ?? '';
    if (quote === '"' || quote === "'") {
      const read = readString(text, at + (raw ? 1 : 0), raw);
      tokens.push({ kind: 'string', text: text.slice(at, read.end), value: read.value, column: at + 1 });
      at = read.end;
      continue;
    }
    PATTERN.lastIndex = at;
    const found = PATTERN.exec(text);
    if (found === null) throw new ExpressionError(at + 1, `unexpected "${text[at] ?? ''}"`);
    const { name, number, symbol } = found.groups ?? {};
    if (name !== undefined) tokens.push({ kind: 'name', text: name, value: name, column: at + 1 });
    else if (number !== undefined)
      tokens.push({ kind: 'number', text: number, value: Number(number.replace(/u$/, '')), column: at + 1 });
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol, value: symbol, column: at + 1 });
    at = PATTERN.lastIndex;
  }
  tokens.push({ kind: 'end', text: '', value: '', column: text.length + 1 });
  return tokens;
}

function readString(text: string, start: number, raw: boolean): { readonly value: string; readonly end: number } {
  const quote = text[start] ?? '';
  const marks = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote;
  let value = '';
  let at = start + marks.length;
  while (at < text.length) {
    if (text.startsWith(marks, at)) return { value, end: at + marks.length };
    const char = text[at] ?? '';
    if (char === '\\' && !raw) {
      const code = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/.exec(text.slice(at));
      if (code !== null) {
        const hex = code[1] ?? code[2] ?? code[3];
        const point = hex === undefined ? Number.parseInt(code[4] ?? '0', 8) : Number.parseInt(hex, 16);
        if (point > 0x10_ffff) throw new ExpressionError(at + 1, 'this escape is no character');
        value += String.fromCodePoint(point);
        at += code[0].length;
        continue;
      }
      const escaped = ESCAPES[text[at + 1] ?? ''];
      if (escaped === undefined) throw new ExpressionError(at + 1, `"\\${text[at + 1] ?? ''}" is no escape`);
      value += escaped;
      at += 2;
      continue;
    }
    if (char === '\n' && marks.length === 1) break;
    value += char;
    at += 1;
  }
  throw new ExpressionError(start + 1, 'the text does not end');
}
