import { nameId, type NameId } from '../../head/names.ts';
import { isHost } from '../../http1/framing.ts';
import { IS_TARGET, IS_VALUE, TOKEN_LOWER } from '../../http1/bytes.ts';
import { staticFieldIndex, staticNameIndex } from './static-table.ts';

/** What a name is to the rules of RFC 9113 §8: a regular field, or which pseudo-header. */
export const PSEUDO = {
  none: 0,
  method: 1,
  scheme: 2,
  path: 3,
  authority: 4,
  protocol: 5,
  status: 6,
  unknown: 7,
  /** Of HTTP/1.1 responses that are carried (carried.ts). */
  reason: 8,
} as const;

const PSEUDO_NAMES: ReadonlyMap<string, number> = new Map([
  [':method', PSEUDO.method],
  [':scheme', PSEUDO.scheme],
  [':path', PSEUDO.path],
  [':authority', PSEUDO.authority],
  [':protocol', PSEUDO.protocol],
  [':status', PSEUDO.status],
  [':reason', PSEUDO.reason],
]);

// RFC 9113 §8.2.2: what HTTP/1.1 says about one connection.
const CONNECTION_SPECIFIC = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

// RFC 7541 §7.1.3: short secrets could be guessed one by one if they were in a table that others share.
const ALWAYS_SECRET = new Set(['authorization', 'proxy-authorization']);
const SECRET_WHEN_SHORT = new Set(['cookie', 'set-cookie']);
const SHORT_SECRET = 20;

const TE = nameId('te');
const COLON = 0x3a;
const SP = 0x20;
const HTAB = 0x09;

/** A field name with all that is known from it alone; many fields share one. */
export class FieldName {
  /** As received. */
  readonly text: string;
  readonly lower: string;
  readonly id: NameId;
  /** One of PSEUDO. */
  readonly pseudo: number;
  /** False for names with octets that no name has. */
  readonly valid: boolean;
  /** False for these and for upper case, which HTTP/2 does not have. */
  readonly validInHttp2: boolean;
  readonly connectionSpecific: boolean;
  /** Begins with `x-e` or `x-w`, as the mesh's own names do. */
  readonly internal: boolean;
  /** First index of the name in the static table; 0 = none. */
  readonly staticIndex: number;
  /** Tells names apart in hashes. */
  readonly serial: number;

  constructor(text: string, serial: number) {
    this.text = text;
    this.serial = serial;
    this.lower = text.toLowerCase();
    this.id = nameId(this.lower);
    this.pseudo = text.charCodeAt(0) === COLON ? (PSEUDO_NAMES.get(text) ?? PSEUDO.unknown) : PSEUDO.none;
    this.valid = this.pseudo === PSEUDO.none ? isToken(text) : this.pseudo !== PSEUDO.unknown;
    this.validInHttp2 = this.valid && this.lower === text;
    this.connectionSpecific = CONNECTION_SPECIFIC.has(this.lower);
    this.internal = this.lower.startsWith('x-e') || this.lower.startsWith('x-w');
    this.staticIndex = staticNameIndex(text);
  }
}

/** One header field, immutable, with what is derived from it: it is checked once, however many heads it is part of. */
export class Field {
  readonly name: FieldName;
  readonly value: string;
  /** False when the value, or the name, can be in no message. */
  readonly valid: boolean;
  /** False when it can be in no message of HTTP/2. */
  readonly validInHttp2: boolean;
  /** Must not be kept in any table (RFC 7541 §7.1.3). */
  readonly secret: boolean;
  /** Index of exactly this field in the static table; 0 = none. */
  readonly staticIndex: number;
  /** Other than 0 for fields that came before and will come again: these are worth a place in dynamic tables. */
  readonly serial: number;
  #line: string | undefined;
  /** As literal with incremental indexing; made by the encoder when it first needs it. */
  literal: Uint8Array | undefined;

  constructor(name: FieldName, value: string, serial: number, secret: boolean) {
    this.name = name;
    this.value = value;
    this.serial = serial;
    this.secret =
      secret || ALWAYS_SECRET.has(name.lower) || (value.length < SHORT_SECRET && SECRET_WHEN_SHORT.has(name.lower));
    this.valid = name.valid && isValidValue(name, value);
    // RFC 9113 §8.2.2: the only thing that may be said of TE.
    this.validInHttp2 = this.valid && name.validInHttp2 && (name.id !== TE || value.toLowerCase() === 'trailers');
    this.staticIndex = name.staticIndex === 0 ? 0 : staticFieldIndex(name.text, value);
    this.literal = undefined;
  }

  /** What it counts in tables and limits (RFC 7541 §4.1). */
  get size(): number {
    return this.name.text.length + this.value.length + 32;
  }

  /** The line in HTTP/1.1. */
  get line(): string {
    if (this.#line !== undefined) return this.#line;
    const line = this.value === '' ? `${this.name.text}:\r\n` : `${this.name.text}: ${this.value}\r\n`;
    if (this.serial !== 0) this.#line = line;
    return line;
  }
}

function isToken(text: string): boolean {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i += 1) if (!TOKEN_LOWER[text.charCodeAt(i)]) return false;
  return true;
}

function isTarget(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (IS_TARGET[text.charCodeAt(i)] !== 1) return false;
  return text.charCodeAt(0) === 0x2f || text === '*';
}

function isFieldValue(text: string): boolean {
  const { length } = text;
  if (length === 0) return true;
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(length - 1);
  if (first === SP || first === HTAB || last === SP || last === HTAB) return false;
  for (let i = 0; i < length; i += 1) if (IS_VALUE[text.charCodeAt(i)] !== 1) return false;
  return true;
}

function isValidValue(name: FieldName, value: string): boolean {
  switch (name.pseudo) {
    case PSEUDO.none:
    case PSEUDO.reason:
      return isFieldValue(value);
    case PSEUDO.method:
    case PSEUDO.protocol:
      return isToken(value);
    case PSEUDO.scheme:
      return /^[A-Za-z][A-Za-z0-9+.-]*$/.test(value);
    case PSEUDO.path:
      return isTarget(value);
    case PSEUDO.authority:
      return isHost(value);
    case PSEUDO.status:
      return /^[1-5]\d\d$/.test(value);
    default:
      return false;
  }
}
