import { describe, expect, it } from 'vitest';
import type { HttpRoute } from '@weft/contracts/config';
import type { Finding } from '../finding.ts';
import type { RuleContext } from './rule.ts';
import { unreachable } from './unreachable.ts';

function findings(routes: readonly HttpRoute[]): string[] {
  const found: Finding[] = [];
  const context = { report: (finding: Finding) => void found.push(finding) } as RuleContext;
  unreachable(routes, ['spec', 'http'], context);
  return found.map(({ message }) => message);
}

describe('unreachable', () => {
  it('sees a repeated match in whatever order its fields are written', () => {
    const headers = { a: { exact: '1' }, b: { prefix: '2' } };
    const turned = { b: { prefix: '2' }, a: { exact: '1' } };
    expect(
      findings([
        { match: [{ uri: { prefix: '/x' }, headers }] },
        { match: [{ headers: turned, uri: { prefix: '/x' } }] },
        { match: [{ headers: turned, uri: { exact: '/x' } }] },
      ]),
    ).toEqual(['repeats a match of http[0], so it has no effect']);
  });

  it('takes no longer than reading them for as many routes as a file can hold', () => {
    const routes = Array.from({ length: 50_000 }, (_, i) => ({ match: [{ uri: { prefix: `/${i}` } }] }));
    expect(findings(routes)).toEqual([]);
  });
});
