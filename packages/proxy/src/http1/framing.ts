// Where a message's body ends (RFC 9112 §6.3) and whether its head may stand at all. Ambiguity is refused, never repaired.
import type { ReasonCode } from '@weft/contracts';
import { CONTENT_LENGTH, HOST, TRANSFER_ENCODING, type NameId } from '../head/names.ts';
import { IS_HOST } from './bytes.ts';
import type { H1Head } from './h1-head.ts';
import { FIELD_STRIDE } from './head-parser.ts';

/** Body length in bytes, or one of the two below. */
export type BodyLength = number;
export const CHUNKED: BodyLength = -1;
export const UNTIL_CLOSE: BodyLength = -2;

export type FramingFailure = Extract<
  ReasonCode,
  'bad-request' | 'ambiguous-framing' | 'unsupported-transfer-coding' | 'missing-host' | 'connect-refused'
>;

/** @returns the value of the only line with this id. */
function valueOf(head: H1Head, id: NameId): string {
  const { fields, fieldsLength } = head.parser;
  for (let i = 0; i < fieldsLength; i += FIELD_STRIDE) {
    if (fields[i] === id) return head.text.slice(fields[i + 3], fields[i + 4]);
  }
  return '';
}

// 16 digits can pass 2^53; 15 can not, and the comparison below settles the rest.
const MAX_LENGTH_DIGITS = 16;

/** `1*DIGIT` up to 2^53-1, by hand: Number() and parseInt() accept more. @returns -1 when it is anything else. */
export function parseContentLength(text: string): number {
  if (text.length === 0 || text.length > MAX_LENGTH_DIGITS) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i += 1) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

export function requestBodyLength(head: H1Head): BodyLength | FramingFailure {
  const { contentLengths, transferEncodings, minor } = head.parser;
  if (transferEncodings > 0) {
    if (contentLengths > 0 || minor === 0) return 'ambiguous-framing';
    if (transferEncodings > 1 || valueOf(head, TRANSFER_ENCODING).toLowerCase() !== 'chunked')
      return 'unsupported-transfer-coding';
    return CHUNKED;
  }
  if (contentLengths === 0) return 0;
  if (contentLengths > 1) return 'ambiguous-framing';
  const length = parseContentLength(valueOf(head, CONTENT_LENGTH));
  return length < 0 ? 'ambiguous-framing' : length;
}

/** @param asked how the request bears on it: HEAD has no body, and a CONNECT that succeeds ends in a tunnel. @returns undefined when the framing can not be trusted. */
export function responseBodyLength(head: H1Head, asked: 'HEAD' | 'CONNECT' | 'other'): BodyLength | undefined {
  const { contentLengths, transferEncodings, minor, status } = head.parser;
  if (transferEncodings > 0) {
    const chunked = transferEncodings === 1 && valueOf(head, TRANSFER_ENCODING).toLowerCase() === 'chunked';
    if (contentLengths > 0 || minor === 0 || !chunked) return undefined;
  }
  let length: BodyLength = UNTIL_CLOSE;
  if (transferEncodings > 0) length = CHUNKED;
  else if (contentLengths > 1) return undefined;
  else if (contentLengths === 1) {
    length = parseContentLength(valueOf(head, CONTENT_LENGTH));
    if (length < 0) return undefined;
  }
  if (asked === 'CONNECT' && status >= 200 && status < 300) return UNTIL_CLOSE;
  if (asked === 'HEAD' || status < 200 || status === 204 || status === 304) return 0;
  return length;
}

export interface TargetRules {
  /** Whether CONNECT is more than refused. */
  readonly connect: boolean;
  /** Host of HTTP/1.0 requests without one; empty = they are refused. */
  readonly defaultHost10: string;
}

/**
 * Checks target and Host, and gives an absolute-form request its origin form: the target's authority wins (RFC 9112
 * §3.2.2). A CONNECT request has an authority and no path.
 */
export function checkRequestTarget(head: H1Head, rules: TargetRules): FramingFailure | undefined {
  const { text, parser } = head;
  const { targetStart, targetEnd, hosts } = parser;
  const toConnect = parser.methodEnd - parser.headStart === 7 && text.startsWith('CONNECT', parser.headStart);
  if (toConnect && !rules.connect) return 'connect-refused';
  if (hosts === 0 && parser.minor === 0 && rules.defaultHost10 !== '') head.set(':authority', rules.defaultHost10);
  else if (hosts !== 1 || !isHost(valueOf(head, HOST))) return 'missing-host';
  if (toConnect) return takeAuthorityForm(head, text.slice(targetStart, targetEnd));
  const first = text.charCodeAt(targetStart);
  if (first === 0x2f) return undefined;
  if (first === 0x2a && targetEnd - targetStart === 1) return head.method === 'OPTIONS' ? undefined : 'bad-request';
  return takeAbsoluteForm(head, text.slice(targetStart, targetEnd));
}

/** RFC 9112 §3.2.3: host and port, both. */
function takeAuthorityForm(head: H1Head, target: string): FramingFailure | undefined {
  if (!isHost(target) || !/:\d+$/.test(target)) return 'bad-request';
  head.set(':authority', target);
  head.set(':path', '');
  return undefined;
}

function takeAbsoluteForm(head: H1Head, target: string): FramingFailure | undefined {
  const match = /^https?:\/\/([^/?]+)(\/[^?]*)?(\?.*)?$/i.exec(target);
  if (match === null) return 'bad-request';
  const [, authority = '', path = '/', query = ''] = match;
  if (!isHost(authority)) return 'bad-request';
  head.set(':authority', authority);
  head.set(':path', path + query);
  return undefined;
}

/** `host[:port]`, with an IPv6 address in brackets; no userinfo, nothing empty. */
export function isHost(text: string): boolean {
  if (text.startsWith('[')) return /^\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?$/.test(text);
  let at = 0;
  while (at < text.length && IS_HOST[text.charCodeAt(at)] === 1) at += 1;
  if (at === 0) return false;
  if (at === text.length) return true;
  if (text.charCodeAt(at) !== 0x3a) return false;
  const digits = text.length - at - 1;
  if (digits > 5) return false;
  for (at += 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}

export interface ConnectionOptions {
  readonly close: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
}
const NONE: ConnectionOptions = { close: false, keepAlive: false, upgrade: false };

// Naming these in Connection would cut what policy, framing or the proxy itself relies on (RFC 9110 §7.6.1).
const PROTECTED = new Set(['host', 'content-length', 'authorization', 'cookie', 'date', 'server', 'expect']);
const isProtected = (name: string): boolean =>
  PROTECTED.has(name) ||
  name.startsWith('x-forwarded-') ||
  name.startsWith('x-envoy-') ||
  name.startsWith('x-weft-') ||
  name === 'x-request-id';

/**
 * Reads Connection, and removes it with all that concerns this hop only. An asked-for upgrade keeps its `upgrade` line,
 * and a client that takes trailers `te: trailers`, which every protocol may pass on.
 */
export function takeConnectionFields(head: H1Head): ConnectionOptions {
  const { parser } = head;
  let options = NONE;
  const trailers = parser.status === 0 && head.has('te') && acceptsTrailers(head.get('te') ?? '');
  if (parser.hasConnectionFields && head.has('connection')) {
    options = readOptions(head, head.get('connection') ?? '');
    head.remove('connection');
  }
  if (parser.hasConnectionFields && !options.upgrade) head.remove('upgrade');
  if (parser.transferEncodings > 0) head.remove('transfer-encoding');
  head.remove('keep-alive');
  head.remove('proxy-connection');
  if (trailers) head.set('te', 'trailers');
  else head.remove('te');
  head.remove('http2-settings');
  return options;
}

const acceptsTrailers = (te: string): boolean =>
  te.split(',').some((coding) => coding.trim().toLowerCase() === 'trailers');

function readOptions(head: H1Head, value: string): ConnectionOptions {
  if (value === 'keep-alive') return { close: false, keepAlive: true, upgrade: false };
  if (value === 'close') return { close: true, keepAlive: false, upgrade: false };
  const names = value.split(',').map((name) => name.trim().toLowerCase());
  for (const name of names)
    if (name !== 'upgrade' && name !== 'te' && name !== '' && !isProtected(name)) head.remove(name);
  return {
    close: names.includes('close'),
    keepAlive: names.includes('keep-alive'),
    upgrade: names.includes('upgrade') && head.has('upgrade'),
  };
}
