// RFC 9113 §8.2 and §8.3: what a decoded list of fields must be to be a message.
import type { ReasonCode } from '@weft/contracts';
import { CONTENT_LENGTH, HOST } from '../head/names.ts';
import { isHost, parseContentLength } from '../http1/framing.ts';
import { H2Head } from './h2-head.ts';
import { type Field, PSEUDO } from './hpack/field.ts';
import type { FieldTable } from './hpack/field-table.ts';

/** A message head as received, or why it is none. */
export interface CheckedHead {
  readonly head: H2Head;
  /** Of content-length; -1 when there is none. */
  readonly contentLength: number;
  /** Empty when the message is well-formed. */
  readonly malformed: string;
  /** A request that is well-formed and can not be served. */
  readonly refused: Extract<ReasonCode, 'missing-host' | 'connect-refused' | 'bad-request'> | undefined;
}

const REQUEST_PSEUDO = (1 << PSEUDO.method) | (1 << PSEUDO.scheme) | (1 << PSEUDO.path) | (1 << PSEUDO.authority) | (1 << PSEUDO.protocol); // prettier-ignore
const RESPONSE_PSEUDO = 1 << PSEUDO.status;
const CARRIED_REQUEST_PSEUDO = (1 << PSEUDO.method) | (1 << PSEUDO.scheme) | (1 << PSEUDO.path);
const CARRIED_RESPONSE_PSEUDO = RESPONSE_PSEUDO | (1 << PSEUDO.reason);

interface Scan {
  malformed: string;
  contentLength: number;
  host: Field | undefined;
}

/** What is the same for every kind of head. @param allowed bits of the pseudo-headers that may be there. */
function scan(fields: readonly Field[], allowed: number, carried: boolean, into: Scan): void {
  let seen = 0;
  let regular = false;
  for (const field of fields) {
    const { name } = field;
    if (name.pseudo !== PSEUDO.none) {
      const bit = 1 << name.pseudo;
      if (regular || (seen & bit) !== 0 || (allowed & bit) === 0) {
        into.malformed = `${name.text} is out of place`;
        return;
      }
      seen |= bit;
      if (!field.valid) {
        into.malformed = `${name.text} is not valid`;
        return;
      }
      continue;
    }
    regular = true;
    if (!(carried ? field.valid : field.validInHttp2) || name.connectionSpecific) {
      into.malformed = name.connectionSpecific ? `${name.text} in HTTP/2` : 'a field that can not be in a message';
      return;
    }
    if (name.id === CONTENT_LENGTH) {
      const length = parseContentLength(field.value);
      // Also the same number twice: an application behind HTTP/1.1 would see two lines.
      if (length < 0 || into.contentLength >= 0) {
        into.malformed = 'content-length is not one number';
        return;
      }
      into.contentLength = length;
    } else if (name.id === HOST) {
      if (into.host !== undefined) into.malformed = 'more than one host';
      into.host = field;
    }
  }
}

export interface RequestRules {
  /** Whether it is one of HTTP/1.1 (carried.ts). */
  readonly carried: boolean;
  /** Whether CONNECT is more than refused. */
  readonly connect: boolean;
}

const NO_TUNNELS: RequestRules = { carried: false, connect: false };

/** Checks and takes a request's head. */
export function requestHead(
  known: FieldTable,
  fields: readonly Field[],
  rules: RequestRules = NO_TUNNELS,
): CheckedHead {
  const { carried } = rules;
  const found: Scan = { malformed: '', contentLength: -1, host: undefined };
  scan(fields, carried ? CARRIED_REQUEST_PSEUDO : REQUEST_PSEUDO, carried, found);
  const head = new H2Head(known, carried);
  let refused: CheckedHead['refused'];
  if (found.malformed === '') {
    const { host } = found;
    for (const field of fields) if (carried || field !== host) head.append(field);
    if (host !== undefined && !carried) {
      // Two different hosts would be one to policy and another to the application.
      if (head.authority !== undefined && head.authority.value.toLowerCase() !== host.value.toLowerCase())
        found.malformed = ':authority and host differ';
      else head.authority ??= known.field(known.name(':authority'), host.value);
    }
    if (found.malformed === '') {
      found.malformed = checkTarget(head);
      if (found.malformed === '') refused = refusal(head, rules.connect, found.contentLength);
    }
  }
  return { head, contentLength: found.contentLength, malformed: found.malformed, refused };
}

function checkTarget(head: H2Head): string {
  const { method, scheme, path, protocol } = head;
  if (method === undefined) return ':method is missing';
  const connect = method.value === 'CONNECT';
  if (protocol !== undefined && !connect) return ':protocol without CONNECT';
  if (connect && protocol === undefined)
    return scheme === undefined && path === undefined ? '' : 'CONNECT with :scheme or :path';
  if (scheme === undefined || path === undefined) return ':scheme or :path is missing';
  return '';
}

function refusal(head: H2Head, connect: boolean, contentLength: number): CheckedHead['refused'] {
  if (head.authority === undefined || !isHost(head.authority.value)) return 'missing-host';
  if (head.path === undefined) {
    if (!connect) return 'connect-refused';
    // RFC 9110 §9.3.6: it has no content. As HTTP/1.1 its bytes would be content to one reader and the tunnel to another.
    return contentLength > 0 || !/:\d+$/.test(head.authority.value) ? 'bad-request' : undefined;
  }
  return head.path.value === '*' && head.method?.value !== 'OPTIONS' ? 'bad-request' : undefined;
}

/** Checks and takes a response's head. */
export function responseHead(known: FieldTable, fields: readonly Field[], carried = false): CheckedHead {
  const found: Scan = { malformed: '', contentLength: -1, host: undefined };
  scan(fields, carried ? CARRIED_RESPONSE_PSEUDO : RESPONSE_PSEUDO, carried, found);
  const head = new H2Head(known, carried);
  if (found.malformed === '') {
    for (const field of fields) if (field !== found.host) head.append(field);
    if (head.status === undefined) found.malformed = ':status is missing';
  }
  return { head, contentLength: found.contentLength, malformed: found.malformed, refused: undefined };
}

/** Checks and takes trailers, which have no pseudo-headers. */
export function trailersHead(known: FieldTable, fields: readonly Field[], carried = false): CheckedHead {
  const found: Scan = { malformed: '', contentLength: -1, host: undefined };
  scan(fields, 0, carried, found);
  const head = new H2Head(known, carried);
  if (found.malformed === '') for (const field of fields) if (field !== found.host) head.append(field);
  return { head, contentLength: -1, malformed: found.malformed, refused: undefined };
}
