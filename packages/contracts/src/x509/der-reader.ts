/** Reads DER as strictly as RFC 5280 wants it: definite, shortest lengths; single-byte tags; nothing left over. For bytes from peers. */

/** The bytes are not valid DER, or not of the expected shape. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export interface Tlv {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content as received. */
  readonly whole: Uint8Array;
}

/** Steps over the TLVs of one constructed value. */
export interface DerReader {
  /** @throws {DerError} at the end, on malformed bytes, or when the tag differs from the one asked for. */
  read(tag?: number): Tlv;
  /** The next TLV when it has this tag, else undefined and nothing is consumed. */
  readOptional(tag: number): Tlv | undefined;
  readonly atEnd: boolean;
  /** @throws {DerError} when something is left. */
  end(): void;
}

export function derReader(bytes: Uint8Array): DerReader {
  let at = 0;
  const read = (tag?: number): Tlv => {
    const item = tlvAt(bytes, at);
    if (tag !== undefined && item.tag !== tag) {
      throw new DerError(`expected tag 0x${tag.toString(16)}, found 0x${item.tag.toString(16)}`);
    }
    at += item.whole.length;
    return item;
  };
  return {
    read,
    readOptional: (tag) => (bytes[at] === tag ? read(tag) : undefined),
    get atEnd() {
      return at === bytes.length;
    },
    end() {
      if (at !== bytes.length) throw new DerError(`${bytes.length - at} bytes are left over`);
    },
  };
}

function tlvAt(bytes: Uint8Array, start: number): Tlv {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) throw new DerError('the value ends too early');
  if ((tag & 0x1f) === 0x1f) throw new DerError('multi-byte tags are not used in certificates');
  let length = first;
  let contentAt = start + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new DerError('indefinite or oversized length');
    length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + (bytes[contentAt + i] ?? Number.NaN);
    if (Number.isNaN(length)) throw new DerError('the length ends too early');
    if (length < 0x80 || (count > 1 && bytes[contentAt] === 0))
      throw new DerError('length is not in its shortest form');
    contentAt += count;
  }
  const end = contentAt + length;
  if (end > bytes.length) throw new DerError('the value ends too early');
  return { tag, content: bytes.subarray(contentAt, end), whole: bytes.subarray(start, end) };
}

/** @returns `1.2.840.10045.4.3.2`. */
export function readObjectId(content: Uint8Array): string {
  const arcs: number[] = [];
  let value = 0;
  let open = false;
  for (const byte of content) {
    if (!open && byte === 0x80) throw new DerError('object identifier is not in its shortest form');
    if (value > 2 ** 40) throw new DerError('object identifier arc is too large');
    value = value * 128 + (byte & 0x7f);
    open = byte >= 0x80;
    if (!open) {
      arcs.push(value);
      value = 0;
    }
  }
  const [head, ...rest] = arcs;
  if (open || head === undefined) throw new DerError('object identifier ends too early');
  const first = Math.min(2, Math.floor(head / 40));
  return [first, head - first * 40, ...rest].join('.');
}

export function readBoolean(content: Uint8Array): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError('not a DER boolean');
  return content[0] === 0xff;
}

/** @returns the bytes of a BIT STRING that has a whole number of bytes. */
export function readBitStringBytes(content: Uint8Array): Uint8Array {
  if (content[0] !== 0) throw new DerError('bit string is not a whole number of bytes');
  return content.subarray(1);
}

/** @returns epoch milliseconds. RFC 5280 §4.1.2.5: seconds are given, the zone is Z. */
export function readTime({ tag, content }: Tlv): number {
  const text = Buffer.from(content).toString('latin1');
  const match =
    tag === DER_TAG.utcTime
      ? /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text)
      : tag === DER_TAG.generalizedTime
        ? /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text)
        : null;
  if (!match) throw new DerError('not a time of RFC 5280');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const fullYear = tag === DER_TAG.utcTime ? year + (year < 50 ? 2000 : 1900) : year;
  const date = new Date(0);
  date.setUTCFullYear(fullYear, month - 1, day);
  date.setUTCHours(hour, minute, second, 0);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) {
    throw new DerError('not a time of RFC 5280');
  }
  return date.getTime();
}

/** @param text exactly one PEM block with this label; white space around it is allowed. */
export function readPem(label: string, text: string): Uint8Array {
  const match = /^\s*-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END ([A-Z0-9 ]+)-----\s*$/.exec(text);
  if (!match || match[1] !== label || match[3] !== label) throw new DerError(`not one PEM block "${label}"`);
  return Buffer.from(match[2] ?? '', 'base64');
}

/** @returns each PEM block with this label, with its BEGIN and END lines and a newline at the end. */
export function pemBlocks(label: string, text: string): string[] {
  const blocks = text.match(new RegExp(`-----BEGIN ${label}-----[A-Za-z0-9+/=\\s]+-----END ${label}-----`, 'g')) ?? [];
  return blocks.map((block) => `${block}\n`);
}
