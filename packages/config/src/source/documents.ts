/** Text → documents, each a JSON value with positions. Reads YAML as kubectl does (1.1 booleans and octals), and JSON. */
import { Composer, Lexer, LineCounter, Parser, type CST, type Document, type Node, type Tags } from 'yaml';
import type { ProblemCode } from '../problems.ts';
import { DEFAULT_READ_LIMITS, type ReadLimits } from './limits.ts';
import { locate, positionAt, type Path, type Position } from './locate.ts';
import { NESTING_FIX, toJsonValue, UnreadableValueError } from './yaml-values.ts';

export interface SourceProblem extends Position {
  readonly code: ProblemCode;
  readonly message: string;
  readonly fix?: string;
}

export interface SourceDocument {
  /** From 0, counting empty documents too. */
  readonly index: number;
  readonly value: unknown;
  /** The document’s own text, comments included, without its separators. */
  readonly text: string;
  /** Where that text is in the file: offsets of its first and after its last character. */
  readonly start: number;
  readonly end: number;
  locate(path: Path, want?: 'key' | 'value'): Position;
}

export interface ReadResult {
  /** Only whole documents: one with a problem is left out. */
  readonly documents: readonly SourceDocument[];
  readonly problems: readonly SourceProblem[];
}

// kubectl’s reader leaves dates as text and knows no base-60 numbers, sets or binaries.
const KUBECTL_TAGS = new Set(['map', 'seq', 'string', 'null', 'bool', 'int', 'float', 'merge']);
const keepKubectlTags = (tags: Tags): Tags =>
  tags.filter((tag) => {
    if (typeof tag === 'string') return KUBECTL_TAGS.has(tag);
    const name = tag.tag.replace('tag:yaml.org,2002:', '');
    const base60 = 'format' in tag && tag.format === 'TIME';
    return !base60 && ['map', 'seq', 'str', 'null', 'bool', 'int', 'float', 'merge'].includes(name);
  });

/**
 * The parser’s tokens, as long as they are not nested too deep: what comes after recurses, and at thousands of levels
 * ends the process, not the call (seen on Node 20: a regular expression compiled at the end of the stack).
 */
function* boundedTokens(text: string, lines: LineCounter, maxDepth: number): Generator<CST.Token, void> {
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  // A level of the document is one collection on the stack and at most one token inside it.
  const maxStack = 2 * maxDepth + 8;
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme);
    if (parser.stack.length > maxStack) throw new Error(`it is nested deeper than ${maxDepth} levels`);
  }
  yield* parser.end();
}

/** Never throws: whatever is wrong with the text is in `problems`. */
export function readDocuments(text: string, limits: ReadLimits = DEFAULT_READ_LIMITS): ReadResult {
  if (Buffer.byteLength(text) > limits.maxBytes) {
    return failed('W0003', `the text is larger than ${limits.maxBytes} bytes`, 'Split it into several files.');
  }
  const lines = new LineCounter();
  let parsed: Document.Parsed[];
  try {
    const composer = new Composer({
      version: '1.1',
      uniqueKeys: false,
      intAsBigInt: true,
      merge: true,
      prettyErrors: false,
      logLevel: 'silent',
      customTags: keepKubectlTags,
    });
    parsed = [...composer.compose(boundedTokens(text, lines, limits.maxDepth))] as Document.Parsed[];
  } catch (error) {
    const message = error instanceof Error ? error.message : 'unknown reason';
    return failed('W0003', `the text can not be parsed: ${message}`, NESTING_FIX);
  }
  if (parsed.length > limits.maxDocuments) {
    return failed('W0003', `the text holds more than ${limits.maxDocuments} documents`, 'Split it into several files.');
  }
  const documents: SourceDocument[] = [];
  const problems: SourceProblem[] = [];
  for (const [index, document] of parsed.entries()) {
    const [firstError] = document.errors;
    if (firstError !== undefined) {
      problems.push(syntaxProblem(firstError, lines));
      continue;
    }
    try {
      const value = toJsonValue(document, limits);
      const after = parsed[index - 1]?.range[2] ?? 0;
      const start = after + (/^---[ \t]*(?:\r?\n|$)/.exec(text.slice(after))?.[0].length ?? 0);
      documents.push({
        index,
        value,
        text: text.slice(start, document.range[2]),
        start,
        end: document.range[2],
        locate: (path, want) => locate(document, lines, path, want),
      });
    } catch (error) {
      problems.push(unreadable(error, document, lines));
    }
  }
  return { documents, problems };
}

/** By the parser's codes. */
const FIX_OF_SYNTAX: Readonly<Record<string, string>> = {
  BAD_DIRECTIVE: 'Write text that begins with % in quotes.',
  BAD_DQ_ESCAPE: 'In double quotes a backslash begins an escape: write two, or use single quotes.',
  BAD_INDENT: 'Give all keys of one object, and all items of one list, the same indentation.',
  BAD_SCALAR_START: 'Write text that begins with this character in quotes.',
  BLOCK_AS_IMPLICIT_KEY: 'Write text that holds ": " in quotes, and what is nested on lines of its own.',
  BLOCK_IN_FLOW: 'Inside of brackets write lists as [a, b] and objects as {a: b}.',
  KEY_OVER_1024_CHARS: 'Look for a quote that is not closed.',
  MISSING_CHAR: 'Close what was opened before: a quote, a bracket, or a document with "---".',
  MULTILINE_IMPLICIT_KEY: 'Look for a ":" that is missing behind a key, or a quote that is not closed.',
  TAB_AS_INDENT: 'Indent with blanks.',
  UNEXPECTED_TOKEN: 'Look for what is too much here, or write the text in quotes.',
};

function syntaxProblem(
  error: { readonly code: string; readonly message: string; readonly pos: readonly [number, number] },
  lines: LineCounter,
): SourceProblem {
  const [firstLine = ''] = error.message.split('\n');
  const fix = FIX_OF_SYNTAX[error.code];
  return {
    code: 'W0001',
    message: `not readable as YAML: ${firstLine}`,
    ...(fix === undefined ? {} : { fix }),
    ...positionAt(lines, error.pos[0]),
  };
}

function unreadable(error: unknown, document: Document.Parsed, lines: LineCounter): SourceProblem {
  const known = error instanceof UnreadableValueError ? error : undefined;
  const node: Node | undefined = known?.node;
  const message = known?.message ?? (error instanceof Error ? error.message : 'unknown reason');
  return {
    code: known?.code ?? 'W0003',
    message: known?.code === 'W0002' ? message : `the document ${message}`,
    ...(known?.fix === undefined ? {} : { fix: known.fix }),
    ...positionAt(lines, node?.range?.[0] ?? document.range[0]),
  };
}

const failed = (code: ProblemCode, message: string, fix?: string): ReadResult => ({
  documents: [],
  problems: [{ code, message, ...(fix === undefined ? {} : { fix }), line: 1, column: 1 }],
});
