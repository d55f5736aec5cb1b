/** The write token: compared in constant time, and a peer that keeps guessing is no longer listened to. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@weft/kit';

export type BearerVerdict = 'right' | 'wrong' | 'absent' | 'locked-out';

export interface BearerCheck {
  /** @param authorization the header as it came; @param peer who asks, for counting wrong answers. */
  check(authorization: string | undefined, peer: string): BearerVerdict;
}

const WINDOW_MS = 60_000;
const MAX_PEERS = 1024;
const MIN_TOKEN_LENGTH = 32;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** @throws RangeError for a token that could be guessed. */
export function createBearerCheck(clock: Clock, token: string, maxWrong: number): BearerCheck {
  if (token.length < MIN_TOKEN_LENGTH)
    throw new RangeError(`the API token needs at least ${MIN_TOKEN_LENGTH} characters`);
  const expected = digest(token);
  const wrong = new Map<string, { count: number; sinceMs: number }>();

  const countWrong = (peer: string): BearerVerdict => {
    const now = clock.now();
    const known = wrong.get(peer);
    if (!known || now - known.sinceMs >= WINDOW_MS) {
      const [oldest] = wrong.keys();
      if (wrong.size >= MAX_PEERS && oldest !== undefined) wrong.delete(oldest);
      wrong.delete(peer);
      wrong.set(peer, { count: 1, sinceMs: now });
      return 'wrong';
    }
    known.count += 1;
    return known.count > maxWrong ? 'locked-out' : 'wrong';
  };

  return {
    check(authorization, peer) {
      if (authorization === undefined) return 'absent';
      const given = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization)?.[1];
      if (given !== undefined && timingSafeEqual(digest(given), expected)) {
        wrong.delete(peer);
        return 'right';
      }
      return countWrong(peer);
    },
  };
}
