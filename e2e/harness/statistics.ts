/** Whether a count of successes is believable for a share, at 99.99 % (two-sided normal approximation, with a step of one for the discreteness). */
export function withinBinomial(successes: number, trials: number, share: number): boolean {
  const sigma = Math.sqrt(trials * share * (1 - share));
  return Math.abs(successes - trials * share) <= 3.891 * sigma + 1;
}
