/** Signing in is a name and nothing more: this is a sample, and the name only chooses which versions one sees. */
import type { IncomingHttpHeaders } from 'node:http';

const COOKIE = 'bookinfo-user';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

export const isUserName = (text: string): boolean => NAME.test(text);

export function signedInUser(headers: IncomingHttpHeaders): string | undefined {
  for (const part of (headers.cookie ?? '').split(';')) {
    const [name, value = ''] = part.trim().split('=', 2);
    if (name === COOKIE && isUserName(value)) return value;
  }
  return undefined;
}

const cookie = (value: string, maxAge: string): string => `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Lax${maxAge}`;

export const signInCookie = (user: string): string => cookie(user, '');
export const signOutCookie = (): string => cookie('', '; Max-Age=0');
