import type { Path } from '../../source/locate.ts';
import { durationMs } from '../duration.ts';
import { selector } from './common.ts';
import type { Rule, RuleContext } from './rule.ts';

const MIN_FILL_MS = 50;

export const localRateLimit: Rule<'LocalRateLimit'> = ({ selector: selected, limits }, context) => {
  const { fail } = context;
  if (selected !== undefined) selector(selected.matchLabels, ['spec', 'selector', 'matchLabels'], context);
  for (const [index, limit] of limits.entries()) {
    const where = ['spec', 'limits', index];
    const { descriptors = [], rateLimits = [] } = limit;
    if (limit.tokenBucket === undefined && (descriptors.length === 0 || limit.routes !== undefined))
      fail('W0012', where, 'the tokenBucket is missing, so nothing would be limited', 'Give tokenBucket.');
    bucket(limit.tokenBucket, [...where, 'tokenBucket'], context);
    descriptors.forEach((one, i) => bucket(one.tokenBucket, [...where, 'descriptors', i, 'tokenBucket'], context));
    if (descriptors.length > 0 && rateLimits.length === 0)
      fail('W0024', [...where, 'descriptors'], 'match nothing without rateLimits', 'Say what requests are counted as.');
    const seen = new Set<string>();
    for (const [i, { entries }] of descriptors.entries()) {
      const text = JSON.stringify(entries.map(({ key, value }) => [key, value]));
      if (seen.has(text)) fail('W0024', [...where, 'descriptors', i], 'has the same entries as one before');
      seen.add(text);
    }
  }
};

function bucket(given: { readonly fillInterval: string } | undefined, path: Path, { fail }: RuleContext): void {
  const ms = given === undefined ? undefined : durationMs(given.fillInterval);
  if (ms !== undefined && ms < MIN_FILL_MS)
    fail('W0014', [...path, 'fillInterval'], `is shorter than ${MIN_FILL_MS}ms`, 'Give more tokens less often.');
}
