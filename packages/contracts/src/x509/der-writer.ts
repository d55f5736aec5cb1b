/** Writes the few DER forms that certificates and signing requests need (X.690 §8, §10). Every function returns a whole TLV. */

export type Der = Uint8Array;

export function tlv(tag: number, content: Uint8Array): Der {
  const length = content.length;
  const head: number[] = [tag];
  if (length < 0x80) head.push(length);
  else {
    const bytes: number[] = [];
    for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest & 0xff);
    head.push(0x80 | bytes.length, ...bytes);
  }
  return concat([Uint8Array.from(head), content]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const sequence = (...items: readonly Der[]): Der => tlv(0x30, concat(items));
export const set = (item: Der): Der => tlv(0x31, item);
export const boolean = (value: boolean): Der => tlv(0x01, Uint8Array.of(value ? 0xff : 0));
export const octetString = (content: Uint8Array): Der => tlv(0x04, content);
export const utf8String = (text: string): Der => tlv(0x0c, new TextEncoder().encode(text));
/** Context-specific `[n]`; `constructed` when it wraps other TLVs. */
export const context = (n: number, content: Uint8Array, constructed: boolean): Der =>
  tlv((constructed ? 0xa0 : 0x80) | n, content);

/** @param bytes big-endian magnitude of a non-negative number; written with as few bytes as DER wants. */
export function unsignedInteger(bytes: Uint8Array): Der {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const magnitude = bytes.subarray(start);
  if (magnitude.length === 0) return tlv(0x02, Uint8Array.of(0));
  return tlv(0x02, (magnitude[0] ?? 0) >= 0x80 ? concat([Uint8Array.of(0), magnitude]) : magnitude);
}

/** @param unusedBits 0–7, bits of the last byte that do not count. */
export const bitString = (content: Uint8Array, unusedBits = 0): Der =>
  tlv(0x03, concat([Uint8Array.of(unusedBits), content]));

/** @param dotted `1.2.840.10045.4.3.2`. */
export function objectId(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tlv(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(value: number): number[] {
  const out = [value & 0x7f];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) out.unshift((rest & 0x7f) | 0x80);
  return out;
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime after; whole seconds, rounded down. */
export function time(epochMs: number): Der {
  const digits = new Date(Math.floor(epochMs / 1000) * 1000).toISOString().replace(/[-:T]|\.000Z/g, '');
  const year = Number(digits.slice(0, 4));
  const encode = (text: string): Uint8Array => new TextEncoder().encode(`${text}Z`);
  return year >= 1950 && year < 2050 ? tlv(0x17, encode(digits.slice(2))) : tlv(0x18, encode(digits));
}

/** Base64 in lines of 64 between BEGIN and END, with a newline at the end (RFC 7468). */
export function pem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64');
  return `-----BEGIN ${label}-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
}
