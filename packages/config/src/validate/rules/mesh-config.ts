import { LOG_OPERATORS, unknownOperator } from '@weft/contracts/config';
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
