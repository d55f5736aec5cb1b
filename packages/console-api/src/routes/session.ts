/** How a browser becomes able to write: a link that works once, made by somebody who already may. */
import { SessionLinkSchema, SessionSchema } from '@weft/contracts/console-schemas';
import { Type } from 'typebox';
import { ApiError } from '../errors.ts';
import { endedCookie, sessionCookie } from '../http/cookies.ts';
import { route, type Route } from '../http/route.ts';
import type { Sessions } from '../session/sessions.ts';

/** A page of the console, never another host (`//…`). */
const PagePath = Type.String({
  pattern: '^/(?:[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*/?)?$',
  maxLength: 512,
  description: 'The page to open, for example `/traffic`.',
});

const READ_ONLY = 'This browser may only read. Run `weft dashboard` to open a session that may write.';

export function sessionRoutes(sessions: Sessions, secure: boolean): readonly Route[] {
  return [
    route('GET', '/session', {
      summary: 'Whether this caller may write.',
      response: SessionSchema,
      handle: ({ caller }) => {
        const session = caller.sessionId === undefined ? undefined : sessions.use(caller.sessionId);
        if (session) return { writable: true, expiresAt: session.expiresAt };
        return caller.writer === undefined ? { writable: false, reason: READ_ONLY } : { writable: true };
      },
    }),
    route('POST', '/session/link', {
      summary: 'Makes a link that opens the console with a session, once.',
      access: 'write',
      body: Type.Object({ path: Type.Optional(PagePath) }, { additionalProperties: false }),
      response: SessionLinkSchema,
      handle: ({ body }) => {
        const { code, expiresAt } = sessions.createLink();
        const page = body.path === undefined ? '' : `?to=${encodeURIComponent(body.path)}`;
        // After the "#", so that the code reaches no server log and no Referer.
        return { path: `/open${page}#${code}`, expiresAt };
      },
    }),
    route('POST', '/session', {
      summary: 'Buys a session with the code of a link.',
      access: 'enter',
      body: Type.Object({ code: Type.String({ minLength: 1, maxLength: 128 }) }, { additionalProperties: false }),
      response: SessionSchema,
      handle: ({ body, caller }) => {
        const session = sessions.redeem(body.code);
        if (!session)
          throw new ApiError(401, 'link-spent', 'This link was used already, or is older than a minute.', {
            hint: 'Run `weft dashboard` for a new one.',
          });
        if (caller.sessionId !== undefined) sessions.end(caller.sessionId);
        caller.setCookie(sessionCookie(session.id, secure));
        return { writable: true, expiresAt: session.expiresAt };
      },
    }),
    route('DELETE', '/session', {
      summary: 'Ends this browser’s session, here and in the browser.',
      access: 'enter',
      response: SessionSchema,
      handle: ({ caller }) => {
        if (caller.sessionId !== undefined) sessions.end(caller.sessionId);
        caller.setCookie(endedCookie(secure));
        return { writable: false, reason: READ_ONLY };
      },
    }),
  ];
}
