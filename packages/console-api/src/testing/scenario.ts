/** What the Bookinfo of tests goes through. */
export interface Scenario {
  /** Default true. */
  readonly traffic?: boolean;
  /** ratings fails now and then, reviews-v3 has rejected its routes, details-v1's certificate nears its end. Default false. */
  readonly trouble?: boolean;
  /** No workload at all. Default false. */
  readonly empty?: boolean;
}

/** Digits that look like a hash and are the same every time. */
export function hexOf(text: string, length: number): string {
  let digits = '';
  for (let round = 0; digits.length < length; round += 1) {
    let state = 0x811c9dc5 ^ round;
    for (const char of text) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
    digits += Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
      .toString(16)
      .replace('-', '')
      .padStart(8, '0')
      .slice(-8);
  }
  return digits.slice(0, length);
}
