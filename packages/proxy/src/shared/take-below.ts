/**
 * Takes one of a number of places that threads share. Nobody is counted who did not get one, so that who is refused never
 * costs another his place.
 * @returns how many were taken before; -1 = none is left.
 */
export function takeBelow(counts: Int32Array, index: number, limit: number): number {
  let taken = Atomics.load(counts, index);
  while (taken < limit) {
    const seen = Atomics.compareExchange(counts, index, taken, taken + 1);
    if (seen === taken) return taken;
    taken = seen;
  }
  return -1;
}
