import { WeftError } from '@weft/kit';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
const MAX_MS = 600_000;

/** Milliseconds of `0`, `500ms`, `10s`, `1m` or, without a unit, seconds. @throws {WeftError} for anything else or more than 10 minutes. */
export function parseWait(text: string, flag: string): number {
  const [, amount = '', unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
  const ms = Number(amount) * (UNITS[unit] ?? Number.NaN);
  if (amount !== '' && ms <= MAX_MS) return Math.round(ms);
  throw new WeftError('WEFT_USAGE', `${flag} needs a duration up to 10m such as 10s or 500ms, not "${text}"`);
}
