const UNIT_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** Milliseconds of `1.5s`, `100ms`, `1h10m`. @returns undefined when the text is not a duration. */
export function parseDurationMs(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|us|µs|ns|m|s))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  }
  // Fractions such as 0.1s are not exact in binary; nanoseconds are the finest unit there is.
  return Math.round(total * 1e6) / 1e6;
}

/** As `parseDurationMs`; text that is not a duration counts as absent, since validation refused it before. */
export const durationMs = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : parseDurationMs(text);
