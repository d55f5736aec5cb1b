// One form for every path, before any policy looks at it.

// Only these bytes make a path that may need work.
const SUSPICIOUS = /[%\\]|\/\.|\/\/|^[^/]/;
const UNRESERVED = /^[A-Za-z0-9\-._~]$/;

/**
 * BASE normalisation: unreserved characters unescaped, backslashes made slashes, dot segments removed, and last, where
 * asked for, slashes merged. Case of other escapes is kept. @param path without query. @returns undefined when the path escapes its root or holds a broken escape.
 */
export function normalizePath(path: string, mergeSlashes: boolean): string | undefined {
  if (!SUSPICIOUS.test(path)) return path;
  if (path === '*') return path;
  if (/%(?![0-9A-Fa-f]{2})/.test(path) || /%00/.test(path)) return undefined;
  const text = path
    .replaceAll(/%[0-9A-Fa-f]{2}/g, (escape) => {
      const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
      return UNRESERVED.test(character) ? character : escape;
    })
    .replaceAll('\\', '/');
  const resolved = removeDotSegments(text);
  return mergeSlashes ? resolved?.replaceAll(/\/{2,}/g, '/') : resolved;
}

/**
 * RFC 3986 §5.2.4. A dot segment with parameters (`..;v=1`) is one too: servers that cut parameters off resolve it, and
 * would serve another path than the one that was judged.
 */
function removeDotSegments(path: string): string | undefined {
  if (!path.startsWith('/')) return undefined;
  if (!path.includes('/.')) return path;
  const out: string[] = [];
  const segments = path.slice(1).split('/');
  for (const [i, segment] of segments.entries()) {
    const isLast = i === segments.length - 1;
    const name = segment.startsWith('.') ? segment.split(';', 1)[0] : segment;
    if (name === '.') {
      if (isLast) out.push('');
    } else if (name === '..') {
      if (out.length === 0) return undefined;
      out.pop();
      if (isLast) out.push('');
    } else {
      out.push(segment);
    }
  }
  return `/${out.join('/')}`;
}

export const hasEscapedSlash = (path: string): boolean => path.includes('%') && /%(?:2f|5c)/i.test(path);

export const unescapeSlashes = (path: string): string =>
  path.replaceAll(/%(?:2f|5c)/gi, (escape) => (escape.toLowerCase() === '%2f' ? '/' : '\\'));
