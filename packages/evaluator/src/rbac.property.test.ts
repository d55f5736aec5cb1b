import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRbac } from './rbac.ts';
import { createRegexEngine } from './regex.ts';
import { factsOf, rbac } from './test-support/builders.ts';

// The compiled rules must say what the boolean formula that they stand for says.

type Formula =
  | { readonly is: 'port'; readonly port: number }
  | { readonly is: 'header'; readonly value: string }
  | { readonly is: 'and' | 'or'; readonly of: readonly Formula[] }
  | { readonly is: 'not'; readonly of: Formula };

const { formula } = fc.letrec<{ formula: Formula }>((tie) => ({
  formula: fc.oneof(
    { maxDepth: 4 },
    fc.record({ is: fc.constant('port' as const), port: fc.constantFrom(1, 2) }),
    fc.record({ is: fc.constant('header' as const), value: fc.constantFrom('x', 'y') }),
    fc.record({
      is: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('formula'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ is: fc.constant('not' as const), of: tie('formula') }),
  ),
}));

interface Asked {
  readonly port: number;
  readonly header: string | undefined;
}

function holds(one: Formula, asked: Asked): boolean {
  switch (one.is) {
    case 'port':
      return asked.port === one.port;
    case 'header':
      return asked.header === one.value;
    case 'and':
      return one.of.every((part) => holds(part, asked));
    case 'or':
      return one.of.some((part) => holds(part, asked));
    case 'not':
      return !holds(one.of, asked);
  }
}

type Json = Parameters<typeof rbac>[0];
function permission(one: Formula): Json {
  switch (one.is) {
    case 'port':
      return { destinationPort: one.port };
    case 'header':
      return { header: { name: 'h', stringMatch: { exact: one.value } } };
    case 'and':
      return { andRules: { rules: one.of.map(permission) } };
    case 'or':
      return { orRules: { rules: one.of.map(permission) } };
    case 'not':
      return { notRule: permission(one.of) };
  }
}

describe('compileRbac', () => {
  it('agrees with the formula, whatever the action', () => {
    const regex = createRegexEngine();
    fc.assert(
      fc.property(
        fc.constantFrom('ALLOW', 'DENY', 'LOG'),
        fc.array(formula, { maxLength: 4 }),
        fc.record({ port: fc.constantFrom(1, 2, 3), header: fc.constantFrom(undefined, 'x', 'y') }),
        (action, formulas, asked) => {
          const policies = Object.fromEntries(
            formulas.map((one, i) => [`p${i}`, { permissions: [permission(one)], principals: [{ any: true }] }]),
          );
          const verdict = compileRbac(rbac({ action, policies }), { regex }, 'r').check(
            factsOf({ destinationPort: asked.port, headers: asked.header === undefined ? {} : { h: asked.header } }),
          );
          const matched = formulas.findIndex((one) => holds(one, asked));
          expect(verdict.policy).toBe(matched === -1 ? '' : `p${matched}`);
          expect(verdict.allowed).toBe(action === 'LOG' || (action === 'ALLOW') === (matched !== -1));
        },
      ),
      { numRuns: 500 },
    );
  });
});
