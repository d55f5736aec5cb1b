// RFC 7541 appendix A. Index 0 is not used.

export const STATIC_FIELDS: readonly (readonly [name: string, value: string])[] = [
  ['', ''],
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...[200, 204, 206, 304, 400, 404, 500].map((status) => [':status', String(status)] as const),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    'accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow', 'authorization',
    'cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-length',
    'content-location', 'content-range', 'content-type', 'cookie', 'date', 'etag', 'expect', 'expires', 'from', 'host',
    'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'last-modified', 'link',
    'location', 'max-forwards', 'proxy-authenticate', 'proxy-authorization', 'range', 'referer', 'refresh',
    'retry-after', 'server', 'set-cookie', 'strict-transport-security', 'transfer-encoding', 'user-agent', 'vary',
    'via', 'www-authenticate',
  ].map((name) => [name, ''] as const),
]; // prettier-ignore

/** Number of entries, and so the highest static index. */
export const STATIC_LENGTH = STATIC_FIELDS.length - 1;

const byName = new Map<string, number>();
const byField = new Map<string, number>();
STATIC_FIELDS.forEach(([name, value], index) => {
  if (index === 0) return;
  if (!byName.has(name)) byName.set(name, index);
  byField.set(`${name}\0${value}`, index);
});

/** @returns the first index with this name, or 0. */
export const staticNameIndex = (name: string): number => byName.get(name) ?? 0;

/** @returns the index of exactly this field, or 0. */
export const staticFieldIndex = (name: string, value: string): number => byField.get(`${name}\0${value}`) ?? 0;
