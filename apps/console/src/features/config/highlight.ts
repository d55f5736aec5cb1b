/** Splits a line of YAML into what it is made of, for colours only. Pure; it never changes the text. */
export interface Token {
  readonly kind: 'key' | 'string' | 'literal' | 'comment' | 'plain';
  readonly text: string;
}

const KEY = /^(\s*(?:- +)*)([A-Za-z_][\w./-]*|"[^"]*"|'[^']*')(:)(?= |$)/;
const LITERAL = /^(?:true|false|null|~|-?\d+(?:\.\d+)?(?:ms|s|m|h)?)$/;

export function highlight(line: string): readonly Token[] {
  const tokens: Token[] = [];
  const put = (kind: Token['kind'], text: string): void => {
    if (text !== '') tokens.push({ kind, text });
  };
  const { code, comment } = splitComment(line);
  const key = KEY.exec(code);
  let rest = code;
  if (key) {
    const [whole, indent = '', name = '', colon = ''] = key;
    put('plain', indent);
    put('key', name);
    put('plain', colon);
    rest = code.slice(whole.length);
  } else {
    const dash = /^\s*(?:- +)*/.exec(code)?.[0] ?? '';
    put('plain', dash);
    rest = code.slice(dash.length);
  }
  const space = /^\s*/.exec(rest)?.[0] ?? '';
  put('plain', space);
  const value = rest.slice(space.length);
  const bare = value.trimEnd();
  put(/^["']/.test(bare) ? 'string' : LITERAL.test(bare) ? 'literal' : 'plain', value);
  put('comment', comment);
  return tokens;
}

/** A `#` starts a comment at the line's start or after a space, outside quotes. */
function splitComment(line: string): { readonly code: string; readonly comment: string } {
  let quote = '';
  for (let i = 0; i < line.length; i += 1) {
    const char = line[i] ?? '';
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '#' && (i === 0 || /\s/.test(line[i - 1] ?? '')))
      return { code: line.slice(0, i), comment: line.slice(i) };
  }
  return { code: line, comment: '' };
}
