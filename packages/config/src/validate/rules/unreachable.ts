/** Routes and match blocks that an earlier one leaves nothing to. */
import { isDeepStrictEqual } from 'node:util';
import type { HttpMatchRequest, HttpRoute } from '@weft/contracts/config';
import type { Path } from '../../source/locate.ts';
import type { RuleContext } from './rule.ts';

export function unreachable(routes: readonly HttpRoute[], path: Path, { report }: RuleContext): void {
  let catchAll: number | undefined;
  const seen: { readonly route: number; readonly match: HttpMatchRequest }[] = [];
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
      const condition = conditionOf(block);
      const earlier = seen.find((other) => isDeepStrictEqual(other.match, condition));
      if (earlier !== undefined) {
        report({
          code: 'W0042',
          istioCode: 'IST0131',
          severity: 'info',
          path: [...path, index, 'match', at],
          message: `repeats a match of http[${earlier.route}], so it has no effect`,
          fix: 'Remove it.',
        });
      }
      seen.push({ route: index, match: condition });
    }
    if (match.length === 0 || match.some(takesAll)) catchAll = index;
  }
}

/** What of a block decides: its names do not. */
function conditionOf({ name: _name, statPrefix: _statPrefix, ...condition }: HttpMatchRequest): HttpMatchRequest {
  return condition;
}

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
