import { seededRandom } from '@weft/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRegexEngine } from './regex.ts';
import { compileRoutes } from './routes.ts';
import { factsOf } from './test-support/builders.ts';
import {
  naiveCluster,
  type PlainHost,
  type PlainRequest,
  type PlainRoute,
  plainRoutes,
} from './test-support/naive-routes.ts';

// The compiled table must answer what reading the configuration from top to bottom answers.

const segment = fc.constantFrom('a', 'A', 'b', 'ab', 'B1');
const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const plainRoute: fc.Arbitrary<PlainRoute> = fc.record({
  kind: fc.constantFrom('prefix', 'path', 'pathSeparatedPrefix', 'safeRegex'),
  text: path,
  caseSensitive: fc.boolean(),
  header: fc.option(
    fc.record({ value: fc.constantFrom('x', 'y'), invert: fc.boolean(), missingIsEmpty: fc.boolean() }),
    { nil: undefined, freq: 3 },
  ),
});
const domain = fc.constantFrom('a.b', 'c.a.b', '*.b', '*.a.b', '*b', 'a.*', 'a*', 'c.a.*', '*', 'x');
const hosts: fc.Arbitrary<PlainHost[]> = fc
  .uniqueArray(domain, { minLength: 1, maxLength: 8 })
  .chain((domains) =>
    fc.tuple(
      ...domains.map((one) =>
        fc.record({ domains: fc.constant([one]), routes: fc.array(plainRoute, { maxLength: 24 }) }),
      ),
    ),
  );
const request: fc.Arbitrary<PlainRequest> = fc.record({
  authority: fc.constantFrom('a.b', 'A.B', 'c.a.b', 'd.b', 'b', 'a.x', 'a', 'c.a.z', 'x', 'other'),
  path,
  header: fc.constantFrom(undefined, '', 'x', 'y'),
});

describe('compileRoutes', () => {
  it('answers as a reading from top to bottom does', () => {
    const regex = createRegexEngine();
    const random = seededRandom(1);
    fc.assert(
      fc.property(hosts, fc.array(request, { minLength: 1, maxLength: 20 }), (all, requests) => {
        const table = compileRoutes(plainRoutes(all), { regex });
        for (const asked of requests) {
          const headers = asked.header === undefined ? {} : { h: asked.header };
          const got = table.route(factsOf({ authority: asked.authority, path: asked.path, headers }), random);
          expect(got?.cluster).toBe(naiveCluster(all, asked));
        }
      }),
      { numRuns: 300 },
    );
  });
});
