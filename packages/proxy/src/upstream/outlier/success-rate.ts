/** Mean less `factor` standard deviations (of the population): who is below that stands out. */
export function successRateThreshold(
  rates: readonly number[],
  factor: number,
): { readonly mean: number; readonly deviation: number; readonly threshold: number } {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
  const deviation = Math.sqrt(variance);
  return { mean, deviation, threshold: mean - deviation * factor };
}
