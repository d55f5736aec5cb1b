/** Host names as Istio's configuration writes them: short, fully qualified, or with a wildcard as the first label. */

/** A name without a dot belongs to the namespace of the object that says it; names with a dot and wildcards are taken as they are. */
export function resolveHost(host: string, namespace: string, domainSuffix: string): string {
  const lower = host.toLowerCase();
  return lower.includes('.') || lower.startsWith('*') ? lower : serviceHostname(lower, namespace, domainSuffix);
}

export const serviceHostname = (name: string, namespace: string, domainSuffix: string): string =>
  `${name}.${namespace}.svc.${domainSuffix}`.toLowerCase();

export const isWildcard = (host: string): boolean => host.startsWith('*');

/** True when every name that `host` stands for is one that `pattern` stands for: `*.foo.com` covers `a.b.foo.com` and `*.b.foo.com`. */
export function covers(pattern: string, host: string): boolean {
  if (!isWildcard(pattern)) return pattern === host;
  const suffix = pattern.slice(1);
  if (isWildcard(host)) return host.slice(1).endsWith(suffix);
  return host.length > suffix.length && host.endsWith(suffix);
}

export const intersects = (a: string, b: string): boolean => covers(a, b) || covers(b, a);

/** The narrower of two names that intersect. */
export const moreSpecific = (a: string, b: string): string => (covers(a, b) ? b : a);

/** Sorts the most specific first: exact names, then longer wildcards, then shorter ones, `*` last; equal ones by name. */
export function compareSpecificity(a: string, b: string): number {
  const wild = Number(isWildcard(a)) - Number(isWildcard(b));
  if (wild !== 0) return wild;
  if (isWildcard(a) && a.length !== b.length) return b.length - a.length;
  return compareText(a, b);
}

/** Order by code unit, the same on every machine. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
