import { create } from '@bufbuild/protobuf';
import {
  RouteMatchSchema,
  type HeaderMatcherSchema,
  type QueryParameterMatcherSchema,
  type RouteMatch,
} from '@weft/contracts/full/envoy/config/route/v3/route_components';
import type { HttpMatch, StringMatch } from '../config-store/kinds.ts';
import { compareText } from '../model/hostname.ts';
import { fromStringMatch, type Init } from './envoy.ts';

type HeaderMatcherInit = Init<typeof HeaderMatcherSchema>;
type QueryMatcherInit = Init<typeof QueryParameterMatcherSchema>;

// Names that mean the request line, not a header: the fields of their own match those.
const NOT_HEADERS: ReadonlySet<string> = new Set(['uri', 'scheme', 'method', 'authority']);

/** One block of an HTTP match; without a block, everything. What holds or fails for the whole proxy was decided before (static-match.ts). */
export function routeMatch(match: HttpMatch | undefined): RouteMatch {
  if (!match) return create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } });
  const headers: HeaderMatcherInit[] = [
    ...pseudo(':scheme', match.scheme),
    ...pseudo(':method', match.method),
    ...pseudo(':authority', match.authority),
    ...entries(match.headers).map(([name, value]) => headerMatcher(name, value, false)),
    ...entries(match.withoutHeaders).map(([name, value]) => headerMatcher(name, value, true)),
  ];
  return create(RouteMatchSchema, {
    pathSpecifier: path(match.uri),
    ...(match.ignoreUriCase && match.uri?.regex === undefined ? { caseSensitive: false } : {}),
    headers,
    queryParameters: Object.entries(match.queryParams ?? {})
      .toSorted(([a], [b]) => compareText(a, b))
      .map(([name, value]) => queryMatcher(name, value)),
  });
}

/** True when the block lets every request through, so that routes after it can not be reached. */
export function isCatchAll(match: RouteMatch): boolean {
  const { pathSpecifier: path } = match;
  const everything =
    (path.case === 'prefix' && path.value === '/') || (path.case === 'safeRegex' && path.value.regex === '.*');
  return everything && match.headers.length === 0 && match.queryParameters.length === 0;
}

const entries = (
  headers: Readonly<Record<string, StringMatch>> | undefined,
): readonly (readonly [string, StringMatch])[] =>
  Object.entries(headers ?? {})
    .filter(([name]) => !NOT_HEADERS.has(name.toLowerCase()))
    .toSorted(([a], [b]) => compareText(a, b));

type PathInit = Extract<
  NonNullable<Init<typeof RouteMatchSchema>['pathSpecifier']>,
  { case: 'path' | 'prefix' | 'safeRegex' }
>;

function path(uri: StringMatch | undefined): PathInit {
  if (uri?.exact !== undefined) return { case: 'path', value: uri.exact };
  if (uri?.regex !== undefined) return { case: 'safeRegex', value: { regex: uri.regex } };
  // A string prefix: `/foo` matches `/foobar` too.
  return { case: 'prefix', value: uri?.prefix === undefined || uri.prefix === '' ? '/' : uri.prefix };
}

function pseudo(name: string, match: StringMatch | undefined): HeaderMatcherInit[] {
  const matcher = match ? fromStringMatch(match) : undefined;
  return matcher ? [{ name, headerMatchSpecifier: { case: 'stringMatch', value: matcher } }] : [];
}

/** An absent header fails every match on a value, inverted too; so inverted ones take it as empty. */
function headerMatcher(name: string, match: StringMatch, inverted: boolean): HeaderMatcherInit {
  const matcher = fromStringMatch(match);
  const key = name.toLowerCase();
  if (!matcher)
    return { name: key, headerMatchSpecifier: { case: 'presentMatch', value: true }, invertMatch: inverted };
  return {
    name: key,
    headerMatchSpecifier: { case: 'stringMatch', value: matcher },
    ...(inverted ? { invertMatch: true, treatMissingHeaderAsEmpty: true } : {}),
  };
}

function queryMatcher(name: string, match: StringMatch): QueryMatcherInit {
  const matcher = fromStringMatch(match);
  return {
    name,
    queryParameterMatchSpecifier: matcher
      ? { case: 'stringMatch', value: matcher }
      : { case: 'presentMatch', value: true },
  };
}
