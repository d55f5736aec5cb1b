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
  let state = 0x811c9dc5;
  let digits = '';
  for (let i = 0; digits.length < length; i += 1) {
    state = Math.imul(state ^ (text.codePointAt(i % text.length) ?? 0) ^ i, 0x01000193) >>> 0;
    digits += state.toString(16).padStart(8, '0');
  }
  return digits.slice(0, length);
}
