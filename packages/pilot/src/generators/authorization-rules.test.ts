import { describe, expect, it } from 'vitest';
import { createRegexEngine } from '@weft/evaluator';
import { policyOfRule, type RuleContext } from './authorization-rules.ts';

const context: RuleContext = {
  action: 'DENY',
  traffic: 'http',
  namespace: 'default',
  trustDomains: ['cluster.local'],
  port: undefined,
};

/** The matcher of `:authority` that a host in a rule becomes. */
function hostMatcher(host: string) {
  const rule = policyOfRule({ to: [{ operation: { hosts: [host] } }] }, context)?.permissions[0]?.rule;
  const specifier = rule?.case === 'header' ? rule.value.headerMatchSpecifier : undefined;
  return specifier?.case === 'stringMatch' ? specifier.value : undefined;
}

describe('hosts of a rule', () => {
  const test = (host: string): ((authority: string) => boolean) => {
    const pattern = hostMatcher(host)?.matchPattern;
    if (pattern?.case !== 'safeRegex') throw new Error(`${host} became ${pattern?.case}`);
    const regex = createRegexEngine().compile(pattern.value.regex);
    return (authority) => regex.matchesWhole(authority);
  };

  it.each([
    'admin.example',
    'ADMIN.Example',
    'admin.example:8080',
    'admin.example:',
    'admin.example.',
    'admin.example.:80',
  ])('are the same host as %s', (authority) => expect(test('admin.example')(authority)).toBe(true));
  it.each(['adminxexample', 'admin.example.org', 'x.admin.example', 'admin.example:x', 'admin.example..'])(
    'are not %s',
    (authority) => expect(test('admin.example')(authority)).toBe(false),
  );
  it('hold for every name below a wildcard', () => {
    expect(['a.example', 'b.a.example:80', 'a.example.'].map(test('*.example'))).toEqual([true, true, true]);
    expect(['example', 'a.example.org'].map(test('*.example'))).toEqual([false, false]);
  });
  it('keep a port that they name', () => {
    expect(hostMatcher('admin.example:80')).toMatchObject({
      matchPattern: { case: 'exact', value: 'admin.example:80' },
      ignoreCase: true,
    });
  });
});
