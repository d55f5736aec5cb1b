import { LOG_OPERATORS } from '@weft/contracts/config';
import { isRecord } from '../../source/yaml-values.ts';
import { shown } from '../formats.ts';
import { nearest } from '../names.ts';
import type { Rule, RuleContext } from './rule.ts';

const WHERE = ['spec', 'accessLogFormat'];

export const meshConfig: Rule<'MeshConfig'> = ({ accessLogEncoding = 'TEXT', accessLogFormat = '' }, context) => {
  if (accessLogFormat === '') return;
  if (accessLogEncoding === 'TEXT') return checkOperators([accessLogFormat], context);
  const tree = parsed(accessLogFormat);
  if (isRecord(tree)) return checkOperators(textsOf(tree), context);
  context.fail('W0024', WHERE, 'is no JSON object, though the encoding is JSON', 'Give field names with operators.');
};

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const textsOf = (value: unknown): string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(textsOf)
      : [];

/** Proxies refuse a format with one of these, and every listener with it. */
function checkOperators(formats: readonly string[], { fail }: RuleContext): void {
  const unknown = formats.map(unknownOperator).find((operator) => operator !== undefined);
  if (unknown === undefined) return;
  const guess = nearest(/[A-Za-z0-9_]+/.exec(unknown)?.[0] ?? '', [...LOG_OPERATORS]);
  fail(
    'W0013',
    WHERE,
    `"${shown(unknown)}" is no operator`,
    guess === undefined ? 'Write %% for a percent sign.' : `Did you mean %${guess}%?`,
  );
}

/** @returns what of a format is no operator, as it is written; undefined when all is well. Arguments are for proxies to judge. */
function unknownOperator(format: string): string | undefined {
  for (let at = format.indexOf('%'); at >= 0; at = format.indexOf('%', at)) {
    const end = endOfOperator(format, at + 1);
    const inner = format.slice(at + 1, end);
    if (end < 0) return format.slice(at);
    const name = /^[A-Z0-9_]+(?=$|[(:])/.exec(inner)?.[0];
    // `%%` is a percent sign.
    if (inner !== '' && (name === undefined || !LOG_OPERATORS.has(name))) return `%${inner}%`;
    at = end + 1;
  }
  return undefined;
}

/** Parentheses may hold percent signs. */
function endOfOperator(format: string, from: number): number {
  let inside = false;
  for (let at = from; at < format.length; at += 1) {
    if (format[at] === '(') inside = true;
    else if (format[at] === ')') inside = false;
    else if (format[at] === '%' && !inside) return at;
  }
  return -1;
}
