/** Browser sessions: a link that works once buys a session id. Only hashes are kept, all of it in memory. */
import { createHash } from 'node:crypto';
import type { Clock, Random } from '@weft/kit';

export interface SessionOptions {
  readonly linkTtlMs: number;
  readonly sessionIdleMs: number;
  readonly sessionMaxMs: number;
  readonly maxSessions: number;
}

export interface Sessions {
  /** 256 random bits that `redeem` takes once. */
  createLink(): { readonly code: string; readonly expiresAt: number };
  /** @returns undefined for a code that is unknown, spent or too old. */
  redeem(code: string): { readonly id: string; readonly expiresAt: number } | undefined;
  /** Notes the use and tells when the session ends; undefined when it has. */
  use(id: string): { readonly expiresAt: number } | undefined;
  end(id: string): void;
}

interface Session {
  readonly endsAt: number;
  usedAt: number;
}

const SECRET_BYTES = 32;
const MAX_LINKS = 64;

const hash = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

export function createSessions(clock: Clock, random: Random, options: SessionOptions): Sessions {
  const links = new Map<string, number>();
  const sessions = new Map<string, Session>();
  const secret = (): string => Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url');
  const expiresAt = (session: Session): number => Math.min(session.endsAt, session.usedAt + options.sessionIdleMs);

  const dropOld = (): void => {
    const now = clock.now();
    for (const [key, dueMs] of links) if (dueMs <= now) links.delete(key);
    for (const [key, session] of sessions) if (expiresAt(session) <= now) sessions.delete(key);
  };
  const dropOldest = <T>(map: Map<string, T>, limit: number): void => {
    for (const key of map.keys()) {
      if (map.size < limit) return;
      map.delete(key);
    }
  };

  return {
    createLink() {
      dropOld();
      dropOldest(links, MAX_LINKS);
      const code = secret();
      const dueMs = clock.now() + options.linkTtlMs;
      links.set(hash(code), dueMs);
      return { code, expiresAt: dueMs };
    },
    redeem(code) {
      dropOld();
      if (!links.delete(hash(code))) return undefined;
      dropOldest(sessions, options.maxSessions);
      const id = secret();
      const session = { endsAt: clock.now() + options.sessionMaxMs, usedAt: clock.now() };
      sessions.set(hash(id), session);
      return { id, expiresAt: expiresAt(session) };
    },
    use(id) {
      dropOld();
      const session = sessions.get(hash(id));
      if (!session) return undefined;
      session.usedAt = clock.now();
      return { expiresAt: expiresAt(session) };
    },
    end(id) {
      sessions.delete(hash(id));
    },
  };
}
