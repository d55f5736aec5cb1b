/** New hosts get their full share little by little. */
export interface SlowStart {
  readonly windowMs: number;
  /** 0–1: the least part of its weight that a host has. */
  readonly leastPart: number;
  /** 1 = steadily; more = slower at first. */
  readonly aggression: number;
}

/** Part of its weight that a host is worth so long after it came or became healthy. */
export function slowStartPart({ windowMs, leastPart, aggression }: SlowStart, elapsedMs: number): number {
  if (elapsedMs >= windowMs) return 1;
  const part = Math.max(elapsedMs, 1) / windowMs;
  return Math.max(leastPart, aggression === 1 ? part : part ** (1 / aggression));
}
