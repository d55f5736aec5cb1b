import { formatDuration, formatIp, type StringMapView } from '@weft/expr';
import type { TypedValue } from '../rules/templates.ts';

/** Microseconds, as log files and labels show times. */
export function formatTimestamp(ms: number): string {
  const whole = Math.floor(ms);
  const micros = String(Math.round((ms - whole) * 1000) % 1000).padStart(3, '0');
  const iso = new Date(whole).toISOString();
  return `${iso.slice(0, -1)}${micros}Z`;
}

/** A value as text: what a label or a part of a line shows. */
export function textOf({ type, value }: TypedValue): string {
  if (value instanceof Uint8Array) return formatIp(value);
  if (typeof value === 'object') return JSON.stringify(sortedEntries(value));
  if (typeof value === 'number' && type === 'TIMESTAMP') return formatTimestamp(value);
  if (typeof value === 'number' && type === 'DURATION') return formatDuration(value);
  return String(value);
}

/** A value for JSON: numbers, booleans and maps stay what they are. */
export function jsonOf(typed: TypedValue): unknown {
  const { type, value } = typed;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number' && (type === 'INT64' || type === 'DOUBLE'))
    return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'object' && !(value instanceof Uint8Array)) return sortedEntries(value);
  return textOf(typed);
}

function sortedEntries(map: StringMapView): Record<string, string> {
  return Object.fromEntries([...map.entries()].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A value as a number: INT64, DOUBLE, a DURATION in seconds, a number written as text. */
export function numberOf({ type, value }: TypedValue): number | undefined {
  if (typeof value === 'number' && type !== 'TIMESTAMP') return type === 'DURATION' ? value / 1000 : value;
  const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  return Number.isNaN(parsed) ? undefined : parsed;
}
