/** Numbers as people read them. Pure; the locale is fixed until there is a second language. */

const LOCALE = 'en';
const plain = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });

/** Three significant figures below 100, whole numbers above. */
function short(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return plain.format(value);
  return new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: value < 1 ? 2 : 3 }).format(value);
}

export const count = (value: number): string => plain.format(value);

/** `12.4/s`; below one in a hundred seconds, 0. */
export const rate = (perSecond: number): string => (perSecond < 0.005 ? '0/s' : `${short(perSecond)}/s`);

export function percent(value: number): string {
  if (value > 0 && value < 0.1) return '<0.1 %';
  // 99.97 % is not 100 %.
  if (value < 100 && value > 99.9) return '>99.9 %';
  return `${new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 }).format(value)} %`;
}

/** Milliseconds below a second, then seconds. */
export function duration(ms: number): string {
  if (ms < 1) return `${short(ms)} ms`;
  if (ms < 1_000) return `${ms < 10 ? short(ms) : plain.format(ms)} ms`;
  if (ms < 60_000) return `${short(ms / 1_000)} s`;
  return span(ms);
}

export function bytes(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB'];
  let [amount, unit] = [value, 0];
  while (amount >= 1000 && unit < units.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${short(amount)} ${units[unit]}`;
}

const STEPS = [
  ['y', 365 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** A length of time in its two largest units: `2 d 4 h`, `12 min`. */
export function span(ms: number): string {
  const parts: string[] = [];
  let left = Math.max(0, ms);
  for (const [unit, size] of STEPS) {
    const amount = Math.floor(left / size);
    if (amount > 0) parts.push(`${amount} ${unit}`);
    left -= amount * size;
    if (parts.length === 2 || (parts.length === 1 && unit === 'min')) break;
  }
  return parts.length === 0 ? 'less than a second' : parts.join(' ');
}

export function ago(atMs: number, nowMs: number): string {
  const ms = nowMs - atMs;
  return ms < 1_000 ? 'just now' : `${span(ms)} ago`;
}

/** From now on, or since when it is over. */
export const until = (atMs: number, nowMs: number): string =>
  atMs > nowMs ? `in ${span(atMs - nowMs)}` : `${span(nowMs - atMs)} ago`;

export const clockTime = (atMs: number): string =>
  new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }).format(
    atMs,
  );

export const dateTime = (atMs: number): string =>
  new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'medium', hour12: false }).format(atMs);

/** Where the mesh names things after SPIFFE ids, people want the account. */
export const accountOf = (principal: string): string => principal.replace(/^spiffe:\/\/[^/]+\//, '');
