// What the compiled table of routes must answer, found by reading the configuration from top to bottom.
import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import { routeConfig } from './builders.ts';

export interface PlainRoute {
  readonly kind: 'prefix' | 'path' | 'pathSeparatedPrefix' | 'safeRegex';
  readonly text: string;
  readonly caseSensitive: boolean;
  readonly header: { readonly value: string; readonly invert: boolean; readonly missingIsEmpty: boolean } | undefined;
}
export interface PlainHost {
  readonly domains: readonly string[];
  readonly routes: readonly PlainRoute[];
}

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

export const plainRoutes = (all: readonly PlainHost[]): RouteConfiguration =>
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

export interface PlainRequest {
  readonly authority: string;
  readonly path: string;
  readonly header: string | undefined;
}

/** @returns the cluster, which is `host/route` by their numbers; undefined when no host or no route matches. */
export function naiveCluster(all: readonly PlainHost[], asked: PlainRequest): string | undefined {
  const host = naiveHost(all, asked.authority);
  const number = host?.routes.findIndex((route) => naiveMatch(route, asked)) ?? -1;
  return host === undefined || number === -1 ? undefined : `${all.indexOf(host)}/${number}`;
}
