import type { DrawSource, RequestFacts } from './facts.ts';
import type { CompiledMatch } from './route-match.ts';

/** The first route in list order whose match holds; -1 when none does. */
export type RouteProgram = (facts: RequestFacts, random: DrawSource) => number;

// Below this many prefix routes a walk is cheaper than the index.
const INDEX_PREFIXES_FROM = 8;

interface PrefixTable {
  readonly length: number;
  readonly routes: ReadonlyMap<string, readonly number[]>;
}

/**
 * Routes are found through an index and still the first in list order wins: exact paths sit in a map, prefixes in one map
 * per length, the rest is walked; among what each yields the lowest number counts.
 */
export function buildProgram(matches: readonly CompiledMatch[]): RouteProgram {
  const exact = new Map<string, number[]>();
  const prefixes = new Map<number, Map<string, number[]>>();
  const walked: number[] = [];
  const indexed = matches.filter(({ path }) => isPlainPrefix(path)).length >= INDEX_PREFIXES_FROM;
  matches.forEach(({ path }, number) => {
    if (path.kind === 'path' && path.caseSensitive) append(exact, path.text, number);
    else if (indexed && isPlainPrefix(path)) {
      const table = prefixes.get(path.text.length) ?? new Map<string, number[]>();
      prefixes.set(path.text.length, table);
      append(table, path.text, number);
    } else walked.push(number);
  });
  const tables: PrefixTable[] = [...prefixes].map(([length, routes]) => ({ length, routes }));

  /** The first of `numbers` below `limit` that matches, else `limit`. */
  const firstOf = (
    numbers: readonly number[],
    limit: number,
    testPath: boolean,
    facts: RequestFacts,
    random: DrawSource,
  ): number => {
    for (const number of numbers) {
      if (number >= limit) return limit;
      const match = matches[number];
      if (match === undefined || (testPath && !match.path.test(facts))) continue;
      if (match.conditions !== undefined && !match.conditions(facts)) continue;
      if (match.fraction < 1 && random.next() >= match.fraction) continue;
      return number;
    }
    return limit;
  };

  return (facts, random) => {
    const { path } = facts;
    let best = matches.length;
    const same = exact.size === 0 ? undefined : exact.get(path);
    if (same !== undefined) best = firstOf(same, best, false, facts, random);
    for (const table of tables) {
      if (table.length > path.length) continue;
      const sharing = table.routes.get(path.slice(0, table.length));
      // The path is tested again: a separated prefix also looks at the byte after it.
      if (sharing !== undefined) best = firstOf(sharing, best, true, facts, random);
    }
    best = firstOf(walked, best, true, facts, random);
    return best === matches.length ? -1 : best;
  };
}

const isPlainPrefix = ({ kind, caseSensitive }: CompiledMatch['path']): boolean =>
  caseSensitive && (kind === 'prefix' || kind === 'separated-prefix');

function append(map: Map<string, number[]>, key: string, number: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [number]);
  else list.push(number);
}
