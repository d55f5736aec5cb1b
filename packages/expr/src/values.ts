/** Values at run time, and the typed values that are written as text. */
import type { ValueType } from '@weft/contracts';

/** A string map that is read by key: a `Map`, or headers looked up on demand. */
export interface StringMapView {
  get(key: string): string | undefined;
  /** Needed only where a whole map goes into an instance. */
  entries(): Iterable<readonly [key: string, value: string]>;
}

/**
 * STRING, EMAIL_ADDRESS, URI, DNS_NAME: string. INT64, DOUBLE: number (whole numbers are exact up to 2^53). BOOL: boolean.
 * TIMESTAMP: epoch milliseconds; DURATION: milliseconds, both with fractions. IP_ADDRESS: 4 or 16 bytes.
 */
export type Value = string | number | boolean | Uint8Array | StringMapView;

/** What does not depend on the request: whether a value may stand for a type. */
export function hasType(value: Value, type: ValueType): boolean {
  switch (type) {
    case 'STRING':
    case 'EMAIL_ADDRESS':
    case 'URI':
    case 'DNS_NAME':
      return typeof value === 'string';
    case 'INT64':
      return Number.isInteger(value);
    case 'DOUBLE':
    case 'TIMESTAMP':
    case 'DURATION':
      return typeof value === 'number';
    case 'BOOL':
      return typeof value === 'boolean';
    case 'IP_ADDRESS':
      return value instanceof Uint8Array && (value.length === 4 || value.length === 16);
    case 'STRING_MAP':
      return typeof value === 'object' && !(value instanceof Uint8Array);
  }
}

const V4_PART = /^(?:0|[1-9]\d{0,2})$/;

function parseV4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => V4_PART.test(part) && Number(part) <= 255)) return undefined;
  return Uint8Array.from(parts, Number);
}

/** IPv4 or IPv6 text, without zone or prefix. */
export function parseIp(text: string): Uint8Array | undefined {
  if (!text.includes(':')) return parseV4(text);
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (!head || !tail) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

/** @param last these groups end the address, where an IPv4 address may stand. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    const v4 = last && i === groups.length - 1 && group.includes('.') ? parseV4(group) : undefined;
    if (v4) {
      bytes.push(...v4);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes.length > 16 ? undefined : bytes;
}

/** RFC 5952 form; IPv4 inside IPv6 is written as IPv4. */
export function formatIp(bytes: Uint8Array): string {
  const v4 = asV4(bytes);
  if (v4) return v4.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let end = start;
    while (end < 8 && groups[end] === 0) end += 1;
    if (end - start > best.length) best = { start, length: end - start };
  }
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return best.start < 0 ? hex(0, 8) : `${hex(0, best.start)}::${hex(best.start + best.length, 8)}`;
}

/** The IPv4 address that these bytes are, also when mapped into IPv6. */
function asV4(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length === 4) return bytes;
  for (let i = 0; i < 10; i += 1) if (bytes[i] !== 0) return undefined;
  return bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff ? bytes.subarray(12) : undefined;
}

/** IPv4 equals the same address mapped into IPv6. */
export function sameIp(a: Uint8Array, b: Uint8Array): boolean {
  const [x, y] = [asV4(a) ?? a, asV4(b) ?? b];
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}

// RFC 3339 §5.6; 24:00 and leap seconds are refused.
const TIMESTAMP =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(\.\d{1,9})?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339. @returns epoch milliseconds with fractions. */
export function parseTimestamp(text: string): number | undefined {
  const match = TIMESTAMP.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = match;
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (Number(day) > daysInMonth) return undefined;
  const whole = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
  return Number.isNaN(whole) ? undefined : whole + Number(`0${fraction}`) * 1000;
}
