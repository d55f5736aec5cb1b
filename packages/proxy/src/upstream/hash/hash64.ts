/** A 64-bit number as two halves of 32 bits each, modulo `divisor` (at most 2^26, so that no product loses a bit). */
export const modulo64 = (high: number, low: number, divisor: number): number =>
  ((high % divisor) * (0x1_0000_0000 % divisor) + (low % divisor)) % divisor;
