/** Routes and match blocks that an earlier one leaves nothing to. */
import type { HttpMatchRequest, HttpRoute } from '@weft/contracts/config';
import type { Path } from '../../source/locate.ts';
import { isRecord } from '../../source/yaml-values.ts';
import type { RuleContext } from './rule.ts';

export function unreachable(routes: readonly HttpRoute[], path: Path, { report }: RuleContext): void {
  let catchAll: number | undefined;
  /** Index of the first route with a condition. */
  const seen = new Map<string, number>();
  for (const [index, { match = [] }] of routes.entries()) {
    if (catchAll !== undefined) {
      report({
        code: 'W0042',
        istioCode: 'IST0130',
        severity: 'warning',
        path: [...path, index],
        message: `is never reached: http[${catchAll}] takes every request`,
        fix: `Move it before http[${catchAll}].`,
      });
      continue;
    }
    for (const [at, block] of match.entries()) {
      const condition = JSON.stringify(conditionOf(block), inOrder);
      const earlier = seen.get(condition);
      if (earlier === undefined) seen.set(condition, index);
      else {
        report({
          code: 'W0042',
          istioCode: 'IST0131',
          severity: 'info',
          path: [...path, index, 'match', at],
          message: `repeats a match of http[${earlier}], so it has no effect`,
          fix: 'Remove it.',
        });
      }
    }
    if (match.length === 0 || match.some(takesAll)) catchAll = index;
  }
}

/** What of a block decides: its names do not. */
function conditionOf({ name: _name, statPrefix: _statPrefix, ...condition }: HttpMatchRequest): HttpMatchRequest {
  return condition;
}

/** For JSON.stringify: equal objects give equal text, in whatever order their keys were written. */
const inOrder = (_key: string, value: unknown): unknown =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value;

function takesAll(block: HttpMatchRequest): boolean {
  const { uri, ignoreUriCase: _case, ...others } = conditionOf(block);
  const everyPath =
    uri === undefined || uri.prefix === '/' || uri.prefix === '' || uri.regex === '.*' || uri.regex === '*';
  return (
    everyPath &&
    Object.values(others).every(
      (value) => value !== null && typeof value === 'object' && Object.keys(value).length === 0,
    )
  );
}
