import { seededRandom } from '@weft/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRegexEngine } from './regex.ts';
import { compileRoutes } from './routes.ts';
import { factsOf, routeConfig } from './test-support/builders.ts';

// The compiled table must answer what reading the configuration from top to bottom answers.

interface PlainRoute {
  readonly kind: 'prefix' | 'path' | 'pathSeparatedPrefix' | 'safeRegex';
  readonly text: string;
  readonly caseSensitive: boolean;
  readonly header: { readonly value: string; readonly invert: boolean; readonly missingIsEmpty: boolean } | undefined;
}
interface PlainHost {
  readonly domains: readonly string[];
  readonly routes: readonly PlainRoute[];
}

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
const request = fc.record({
  authority: fc.constantFrom('a.b', 'A.B', 'c.a.b', 'd.b', 'b', 'a.x', 'a', 'c.a.z', 'x', 'other'),
  path,
  header: fc.constantFrom(undefined, '', 'x', 'y'),
});

function naiveHost(all: readonly PlainHost[], authority: string): PlainHost | undefined {
  const host = authority.toLowerCase();
  const rank = (one: string): number => {
    if (one === '*') return 1;
    if (one.startsWith('*')) return host.endsWith(one.slice(1)) && host.length >= one.length ? 1000 + one.length : 0;
    if (one.endsWith('*')) return host.startsWith(one.slice(0, -1)) && host.length >= one.length ? 100 + one.length : 0;
    return one === host ? 10_000 : 0;
  };
  let best: PlainHost | undefined;
  let bestRank = 0;
  for (const candidate of all) {
    for (const one of candidate.domains) {
      if (rank(one) > bestRank) {
        best = candidate;
        bestRank = rank(one);
      }
    }
  }
  return best;
}

function naiveMatch(route: PlainRoute, asked: { path: string; header: string | undefined }): boolean {
  const fold = (text: string): string =>
    route.caseSensitive || route.kind === 'safeRegex' ? text : text.toLowerCase();
  const [have, want] = [fold(asked.path), fold(route.text)];
  const onPath =
    route.kind === 'prefix'
      ? have.startsWith(want)
      : route.kind === 'pathSeparatedPrefix'
        ? have === want || have.startsWith(`${want}/`)
        : route.kind === 'safeRegex'
          ? have === want || have === `${want}1`
          : have === want;
  if (!onPath) return false;
  if (route.header === undefined) return true;
  const { value, invert, missingIsEmpty } = route.header;
  const seen = asked.header ?? (missingIsEmpty ? '' : undefined);
  return seen !== undefined && (seen === value) !== invert;
}

const toJson = (all: readonly PlainHost[]) =>
  routeConfig({
    name: 'generated',
    virtualHosts: all.map(({ domains, routes }, h) => ({
      name: `h${h}`,
      domains: [...domains],
      routes: routes.map(({ kind, text, caseSensitive, header }, r) => ({
        match: {
          [kind]: kind === 'safeRegex' ? { regex: `${text}1?` } : text,
          caseSensitive,
          headers:
            header === undefined
              ? []
              : [
                  {
                    name: 'h',
                    stringMatch: { exact: header.value },
                    invertMatch: header.invert,
                    treatMissingHeaderAsEmpty: header.missingIsEmpty,
                  },
                ],
        },
        route: { cluster: `${h}/${r}` },
      })),
    })),
  });

describe('compileRoutes', () => {
  it('answers as a reading from top to bottom does', () => {
    const regex = createRegexEngine();
    const random = seededRandom(1);
    fc.assert(
      fc.property(hosts, fc.array(request, { minLength: 1, maxLength: 20 }), (all, requests) => {
        const table = compileRoutes(toJson(all), { regex });
        for (const asked of requests) {
          const host = naiveHost(all, asked.authority);
          const number = host?.routes.findIndex((route) => naiveMatch(route, asked)) ?? -1;
          const expected = host === undefined || number === -1 ? undefined : `${all.indexOf(host)}/${number}`;
          const headers = asked.header === undefined ? {} : { h: asked.header };
          const got = table.route(factsOf({ authority: asked.authority, path: asked.path, headers }), random);
          expect(got?.cluster).toBe(expected);
        }
      }),
      { numRuns: 300 },
    );
  });
});
