/**
 * The session cookie. Over plain http on loopback neither `Secure` nor the `__Host-` prefix is possible; both are used when
 * the console is reached over TLS. Cookies do not know ports: other servers on this host see it when the browser visits
 * their /api paths, which is why a write also needs the page's own Origin and why sessions end.
 */
const NAME = 'weft_session';
const SECURE_NAME = '__Host-weft_session';

export function sessionCookie(id: string, secure: boolean): string {
  return secure
    ? `${SECURE_NAME}=${id}; Path=/; HttpOnly; Secure; SameSite=Strict`
    : `${NAME}=${id}; Path=/api; HttpOnly; SameSite=Strict`;
}

export function endedCookie(secure: boolean): string {
  return `${sessionCookie('', secure)}; Max-Age=0`;
}

/** @returns undefined when there is none, or more than one. */
export function readSessionCookie(header: string | undefined, secure: boolean): string | undefined {
  const wanted = secure ? SECURE_NAME : NAME;
  const values = (header ?? '').split(';').flatMap((pair) => {
    const cut = pair.indexOf('=');
    return cut > 0 && pair.slice(0, cut).trim() === wanted ? [pair.slice(cut + 1).trim()] : [];
  });
  const [value] = values;
  return values.length === 1 && value !== '' ? value : undefined;
}
