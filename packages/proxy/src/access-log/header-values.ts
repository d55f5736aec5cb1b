// Headers by name, for operators, filters and expressions: those that every record keeps, and those that were asked for.
import type { RequestRecord } from '../request-record.ts';
import type { Wanted } from './captures.ts';

type ReadText = (record: RequestRecord) => string | undefined;

const some = (text: string): string | undefined => (text === '' ? undefined : text);
const isTcp = (record: RequestRecord): boolean => record.protocol === 'TCP';

const REQUEST: Readonly<Record<string, ReadText>> = {
  ':method': (record) => some(record.method),
  ':path': (record) => some(record.path),
  // A record keeps the path as it was received.
  'x-envoy-original-path': (record) => some(record.path),
  ':authority': (record) => some(record.authority),
  host: (record) => some(record.authority),
  ':scheme': (record) => (isTcp(record) ? undefined : record.scheme),
  'x-forwarded-for': (record) => some(record.forwardedFor),
  'user-agent': (record) => some(record.userAgent),
  'x-request-id': (record) => some(record.requestId),
};

const RESPONSE: Readonly<Record<string, ReadText>> = {
  ':status': (record) => (record.code === 0 ? undefined : String(record.code)),
  'x-envoy-upstream-service-time': (record) =>
    record.upstreamMs < 0 ? undefined : String(Math.round(record.upstreamMs)),
  'x-weft-reason': (record) => some(record.reason),
};

export function requestHeader(name: string, wanted: Wanted): ReadText {
  const lower = name.toLowerCase();
  const known = Object.hasOwn(REQUEST, lower) ? REQUEST[lower] : undefined;
  if (known !== undefined) return known;
  wanted.want('request', lower);
  return (record) => record.requestHeaders?.get(lower);
}

export function responseHeader(name: string, wanted: Wanted): ReadText {
  const lower = name.toLowerCase();
  const known = Object.hasOwn(RESPONSE, lower) ? RESPONSE[lower] : undefined;
  if (known !== undefined) return known;
  wanted.want('response', lower);
  return (record) => record.responseHeaders?.get(lower);
}

export function responseTrailer(name: string, wanted: Wanted): ReadText {
  const lower = name.toLowerCase();
  wanted.want('trailers', lower);
  return (record) => record.responseTrailers?.get(lower);
}
