const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/gy;

/** Milliseconds of `1.5s`, `100ms`, `1h10m`; undefined when it is not a duration. Negative ones are none. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (text === '' || text.length > 64) return undefined;
  let total = 0;
  let end = 0;
  for (const part of text.matchAll(PART)) {
    const [whole, amount = '', unit = ''] = part;
    if (part.index !== end) return undefined;
    end += whole.length;
    total += Number(amount) * (UNITS[unit] ?? Number.NaN);
  }
  if (end !== text.length || !Number.isFinite(total)) return undefined;
  // Sums of fractions are not exact: 0.1 h must stay a whole number of milliseconds.
  const rounded = Math.round(total * 1e6) / 1e6;
  return rounded;
}
