/** Who may do what: one decision per request, before its body is read. */
import type { IncomingMessage } from 'node:http';
import { ApiError } from '../errors.ts';
import type { BearerCheck } from '../session/bearer.ts';
import type { Sessions } from '../session/sessions.ts';
import { readSessionCookie } from './cookies.ts';
import { headerValues, isLoopback, refusalOf, type RequestHead } from './origin.ts';
import type { RateLimit } from './rate-limit.ts';
import type { Access, Writer } from './route.ts';

export interface GateDeps {
  readonly bearer: BearerCheck;
  readonly sessions: Sessions;
  readonly rate: RateLimit;
  readonly allowedHosts: ReadonlySet<string>;
  readonly scheme: 'http' | 'https';
}

/** What the gate looks at. */
export interface Visitor {
  readonly head: RequestHead;
  readonly remoteAddress: string | undefined;
  /** Came through the Unix socket, whose file only this user can open. */
  readonly trusted: boolean;
}

export interface Admission {
  readonly writer: Writer | undefined;
  readonly sessionId: string | undefined;
}

export const visitorOf = (request: IncomingMessage, trusted: boolean): Visitor => ({
  head: { method: request.method ?? 'GET', url: request.url ?? '/', rawHeaders: request.rawHeaders },
  remoteAddress: request.socket.remoteAddress,
  trusted,
});

/** @throws {ApiError} */
export function admit(visitor: Visitor, access: Access, deps: GateDeps): Admission {
  const peer = visitor.trusted ? 'unix-socket' : (visitor.remoteAddress ?? 'unknown');
  // Before they are counted: a page of another site must not use up what the user of this browser may ask.
  const refusal = refusalOf(visitor.head, deps.allowedHosts, deps.scheme);
  if (refusal) throw refusal;
  if (!deps.rate.take(peer))
    throw new ApiError(429, 'too-many-requests', 'Too many requests.', { retryAfterS: 1, hint: 'Wait a second.' });

  const { writer, sessionId } = identify(visitor, peer, deps);
  const local = visitor.trusted || isLoopback(visitor.remoteAddress);
  const needed = access === 'write' || (access === 'read' && !local);
  if (needed && writer === undefined && !(access === 'read' && sessionId !== undefined)) throw unauthorized(access);
  return { writer, sessionId };
}

function identify(visitor: Visitor, peer: string, { bearer, sessions, scheme }: GateDeps): Admission {
  const { head, trusted } = visitor;
  const cookie = readSessionCookie(headerValues(head, 'cookie')[0], scheme === 'https');
  const sessionId = cookie !== undefined && sessions.use(cookie) ? cookie : undefined;
  if (trusted) return { writer: 'unix-socket', sessionId };
  const [authorization, ...more] = headerValues(head, 'authorization');
  const verdict = bearer.check(more.length > 0 ? '' : authorization, peer);
  if (verdict === 'locked-out')
    throw new ApiError(429, 'too-many-wrong-tokens', 'Too many wrong tokens.', {
      retryAfterS: 60,
      hint: 'Wait a minute.',
    });
  if (verdict === 'wrong')
    throw new ApiError(401, 'wrong-token', 'The token is not the one of this mesh.', {
      hint: 'It is in the file `token` of the state folder; the weft command reads it by itself.',
    });
  if (verdict === 'right') return { writer: 'token', sessionId };
  // A cookie alone proves nothing about who sends it; the page's Origin (already compared with Host) must be there too.
  const fromPage = headerValues(head, 'origin').length === 1;
  return { writer: sessionId !== undefined && fromPage ? 'session' : undefined, sessionId };
}

const unauthorized = (access: Access): ApiError =>
  access === 'write'
    ? new ApiError(401, 'not-allowed-to-write', 'Changing something needs the token or a session.', {
        hint: 'In a browser: open the console with `weft dashboard`. Elsewhere: use the weft command.',
      })
    : new ApiError(401, 'not-allowed-to-read', 'Reading from another machine needs the token or a session.', {
        hint: 'Send `Authorization: Bearer <token>`.',
      });
