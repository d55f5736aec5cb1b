import type { RequestFacts } from './facts.ts';
import { withoutPort } from './hosts.ts';
import type { RedirectAction, RegexRewrite } from './route-action.ts';
import type { PathRule } from './route-match.ts';

/** How the path of a request changes on its way; `rewritten === path` when it does not. */
export function rewritePath(
  path: string,
  match: PathRule,
  prefixRewrite: string,
  regexRewrite: RegexRewrite | undefined,
): string {
  if (regexRewrite !== undefined) return regexRewrite.pattern.replaceAll(path, regexRewrite.substitution);
  if (prefixRewrite === '') return path;
  return replacePrefix(path, match, prefixRewrite);
}

/** Exact and expression matches are replaced whole, prefixes in their length. */
function replacePrefix(path: string, match: PathRule, by: string): string {
  const isPrefix = match.kind === 'prefix' || match.kind === 'separated-prefix';
  return isPrefix ? by + path.slice(match.text.length) : by;
}

/** The `Location` of a redirect. Default ports are left out. */
export function redirectLocation(action: RedirectAction, match: PathRule, facts: RequestFacts): string {
  const scheme = action.scheme || facts.scheme;
  const [path, query] = redirectedPath(action, match, facts);
  return `${scheme}://${redirectedHost(action, facts, scheme)}${path}${query === '' ? '' : `?${query}`}`;
}

function redirectedHost(action: RedirectAction, facts: RequestFacts, scheme: string): string {
  const requested = action.host || facts.authority;
  const bare = withoutPort(requested);
  const port = action.port !== 0 ? String(action.port) : requested.slice(bare.length + 1);
  // A port kept from the request belongs to the former scheme's default as well.
  const dropped =
    port === '' ||
    isDefault(port, scheme) ||
    (action.port === 0 && isDefault(port, facts.scheme) && scheme !== facts.scheme);
  return dropped ? bare : `${bare}:${port}`;
}

const isDefault = (port: string, scheme: string): boolean =>
  (scheme === 'http' && port === '80') || (scheme === 'https' && port === '443');

function redirectedPath(action: RedirectAction, match: PathRule, facts: RequestFacts): readonly [string, string] {
  const kept = action.stripQuery ? '' : facts.query;
  if (action.path !== undefined && action.path !== '') {
    const mark = action.path.indexOf('?');
    // A query in the new path replaces the request's own.
    return mark === -1 ? [action.path, kept] : [action.path.slice(0, mark), action.path.slice(mark + 1)];
  }
  if (action.prefixRewrite !== undefined && action.prefixRewrite !== '') {
    return [replacePrefix(facts.path, match, action.prefixRewrite), kept];
  }
  if (action.regexRewrite !== undefined) {
    return [action.regexRewrite.pattern.replaceAll(facts.path, action.regexRewrite.substitution), kept];
  }
  return [facts.path, kept];
}
