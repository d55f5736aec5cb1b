// What may stand behind a body (RFC 9110 §6.5.1): nothing that frames, routes, authorizes, describes the content or
// concerns one hop, and nothing that only the mesh may say.
import type { HeadView } from './head-view.ts';

const NOT_IN_TRAILERS = new Set([
  'host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade',
  'expect', 'http2-settings', 'max-forwards', 'range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since',
  'if-range', 'authorization', 'cookie', 'set-cookie', 'www-authenticate', 'proxy-authenticate', 'proxy-authorization',
  'proxy-authentication-info', 'authentication-info', 'content-encoding', 'content-type', 'content-range', 'content-location',
  'age', 'cache-control', 'date', 'expires', 'location', 'pragma', 'retry-after', 'vary', 'warning', 'x-request-id',
]); // prettier-ignore

const isForbidden = (name: string): boolean =>
  NOT_IN_TRAILERS.has(name) ||
  name.startsWith('x-forwarded-') ||
  name.startsWith('x-envoy-') ||
  name.startsWith('x-weft-') ||
  name.startsWith(':');

/** Takes away what may not be there; the rest goes on. */
export function cleanTrailers(trailers: HeadView): void {
  let forbidden: string[] | undefined;
  trailers.forEach((name) => {
    const lower = name.toLowerCase();
    if (isForbidden(lower)) (forbidden ??= []).push(lower);
  });
  for (const name of forbidden ?? []) trailers.remove(name);
}
