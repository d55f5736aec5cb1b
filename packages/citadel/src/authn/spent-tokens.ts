/** Remembers the ids of tokens that were used, until they would have expired anyway. */
export interface SpentTokens {
  /**
   * Marks a token as used.
   * @param expiresAtMs from when on the token is refused for its age, so that the mark may go.
   * @returns `full` when no more can be remembered: the token must be refused.
   */
  spend(id: string, expiresAtMs: number, nowMs: number): 'first-use' | 'spent' | 'full';
  readonly size: number;
}

export function createSpentTokens(limit: number): SpentTokens {
  const expiryById = new Map<string, number>();
  const forgetExpired = (nowMs: number): void => {
    for (const [id, expiresAtMs] of expiryById) {
      if (expiresAtMs <= nowMs) expiryById.delete(id);
    }
  };
  let nextSweepMs = 0;
  return {
    spend(id, expiresAtMs, nowMs) {
      if (expiryById.size >= limit || nowMs >= nextSweepMs) {
        forgetExpired(nowMs);
        nextSweepMs = nowMs + 60_000;
      }
      if (expiryById.has(id)) return 'spent';
      if (expiryById.size >= limit) return 'full';
      expiryById.set(id, expiresAtMs);
      return 'first-use';
    },
    get size() {
      return expiryById.size;
    },
  };
}
