import { type BinaryOperator, BINARY_OPERATORS, type Expression, PRECEDENCE } from './ast.ts';
import { ExpressionError } from './errors.ts';
import { type Token, tokenize } from './lexer.ts';

// Recursion follows the nesting of the text: a bound keeps a hostile text from exhausting the stack.
const MAX_DEPTH = 128;
const MAX_LENGTH = 32_768;

/** Reads CEXL. @throws {ExpressionError} with the column of what does not fit. */
export function parseExpression(text: string): Expression {
  if (text.length > MAX_LENGTH) throw new ExpressionError(1, `the expression is longer than ${MAX_LENGTH} characters`);
  const parser = new Parser(tokenize(text));
  return parser.parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Expression {
    if (this.#peek().kind === 'end') throw new ExpressionError(1, 'the expression is empty');
    const expression = this.#binary(1);
    const rest = this.#peek();
    if (rest.kind !== 'end') throw new ExpressionError(rest.column, `unexpected ${describe(rest)}`);
    return expression;
  }

  #peek(): Token {
    // The last token is `end` and is never taken.
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', column: 1 };
  }

  #take(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#at += 1;
    return token;
  }

  #takeIf(text: string): Token | undefined {
    const token = this.#peek();
    return token.kind === 'operator' && token.text === text ? this.#take() : undefined;
  }

  #expect(text: string, opened: Token): void {
    if (this.#takeIf(text)) return;
    const found = this.#peek();
    throw new ExpressionError(
      found.column,
      `expected \`${text}\` for the \`${opened.text}\` of column ${opened.column}, found ${describe(found)}`,
    );
  }

  #binary(level: number): Expression {
    let left = this.#postfix();
    let deepened = 0;
    for (;;) {
      const token = this.#peek();
      const operator = token.kind === 'operator' ? asBinary(token.text) : undefined;
      if (operator === undefined || PRECEDENCE[operator] < level) break;
      this.#take();
      // A chain leans to the left, so it nests as deep as it is long.
      this.#deeper(token.column);
      deepened += 1;
      const right = this.#binary(PRECEDENCE[operator] + 1);
      left = { kind: 'binary', operator, left, right, column: token.column };
    }
    this.#depth -= deepened;
    return left;
  }

  #deeper(column: number): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new ExpressionError(column, `nested deeper than ${MAX_DEPTH} levels`);
  }

  #postfix(): Expression {
    let expression = this.#primary();
    let deepened = 0;
    for (;;) {
      const open = this.#takeIf('[');
      const dot = open ? undefined : this.#takeIf('.');
      const token = open ?? dot;
      if (!token) break;
      this.#deeper(token.column);
      deepened += 1;
      if (open) {
        const key = this.#binary(1);
        this.#expect(']', open);
        expression = { kind: 'index', map: expression, key, column: open.column };
      } else {
        expression = this.#member(expression);
      }
    }
    this.#depth -= deepened;
    return expression;
  }

  /** After the dot: a method, or one more part of an attribute's name. */
  #member(base: Expression): Expression {
    const name = this.#take();
    if (name.kind !== 'name') {
      throw new ExpressionError(name.column, `expected a name after the dot, found ${describe(name)}`);
    }
    const open = this.#takeIf('(');
    if (open) {
      return { kind: 'call', name: name.text, receiver: base, args: this.#args(open), column: name.column };
    }
    if (base.kind !== 'attribute') {
      throw new ExpressionError(name.column, `\`${name.text}\` is not called`, `write ${name.text}(...)`);
    }
    return { kind: 'attribute', name: `${base.name}.${name.text}`, column: base.column };
  }

  #primary(): Expression {
    const token = this.#take();
    const { column } = token;
    switch (token.kind) {
      case 'string':
        return { kind: 'string', value: token.text, column };
      case 'int':
      case 'double':
        return { kind: token.kind, value: Number(token.text), column };
      case 'name': {
        const open = this.#takeIf('(');
        if (open) return { kind: 'call', name: token.text, receiver: undefined, args: this.#args(open), column };
        const lower = token.text.toLowerCase();
        const dotted = this.#peek().text === '.' && this.#peek().kind === 'operator';
        if ((lower === 'true' || lower === 'false') && !dotted)
          return { kind: 'bool', value: lower === 'true', column };
        return { kind: 'attribute', name: token.text, column };
      }
      case 'operator':
        if (token.text === '(') {
          this.#deeper(column);
          const inner = this.#binary(1);
          this.#expect(')', token);
          this.#depth -= 1;
          return inner;
        }
        break;
      case 'end':
        break;
    }
    throw new ExpressionError(column, `expected a value, found ${describe(token)}`);
  }

  #args(open: Token): readonly Expression[] {
    const args: Expression[] = [];
    if (this.#takeIf(')')) return args;
    this.#deeper(open.column);
    do args.push(this.#binary(1));
    while (this.#takeIf(','));
    this.#expect(')', open);
    this.#depth -= 1;
    return args;
  }
}

function asBinary(text: string): BinaryOperator | undefined {
  return BINARY_OPERATORS.find((operator) => operator === text);
}

function describe(token: Token): string {
  if (token.kind === 'end') return 'the end';
  return token.kind === 'string' ? JSON.stringify(token.text) : `\`${token.text}\``;
}
