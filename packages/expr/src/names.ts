/** DNS names, mail addresses and URIs: what is valid, and when two are equal. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** The name in lower case, in ASCII (IDNA) and without the last dot. @returns undefined when it is none. */
export function canonicalDnsName(text: string): string | undefined {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  const ascii = isAscii(bare) ? bare.toLowerCase() : idna(bare);
  if (ascii === undefined || ascii === '' || ascii.length > 253) return undefined;
  return ascii.split('.').every((label) => LABEL.test(label)) ? ascii : undefined;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function idna(text: string): string | undefined {
  if (/[\s/?#@:\\%[\]]/.test(text)) return undefined;
  try {
    return new URL(`http://${text}/`).hostname;
  } catch {
    return undefined;
  }
}

export const isDnsName = (text: string): boolean => canonicalDnsName(text) !== undefined;

/** IDNA-folded, without regard to case and to one dot at the end. */
export function sameDnsName(a: string, b: string): boolean {
  if (a === b) return true;
  const x = canonicalDnsName(a);
  return x !== undefined && x === canonicalDnsName(b);
}

const LOCAL_PART = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\uffff-]+$/;

interface MailAddress {
  readonly local: string;
  readonly domain: string;
}

function parseEmail(text: string): MailAddress | undefined {
  const at = text.lastIndexOf('@');
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)];
  const dots = local.startsWith('.') || local.endsWith('.') || local.includes('..');
  if (at <= 0 || dots || !LOCAL_PART.test(local) || !isDnsName(domain)) return undefined;
  return { local, domain };
}

/** RFC 5322 addr-spec without quoting, comments or a display name. */
export const isEmail = (text: string): boolean => parseEmail(text) !== undefined;

/** The local part counts case, the domain does not. */
export function sameEmail(a: string, b: string): boolean {
  if (a === b) return true;
  const [x, y] = [parseEmail(a), parseEmail(b)];
  return x !== undefined && y !== undefined && x.local === y.local && sameDnsName(x.domain, y.domain);
}

// RFC 3986 appendix B.
const URI_PARTS = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?(.*)$/s;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const URI_FORBIDDEN = /[\u0000-\u0020\u007f]|%(?![0-9A-Fa-f]{2})/;

/** Not empty, no blank or control character, whole percent escapes, a sound authority. Relative references are allowed. */
export function isUri(text: string): boolean {
  if (text === '' || URI_FORBIDDEN.test(text)) return false;
  const [, scheme, authority, rest = ''] = URI_PARTS.exec(text) ?? [];
  if (scheme === undefined && authority === undefined && /^[^/?#]*:/.test(rest)) return false;
  return authority === undefined || /^(?:[^@]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^@:[\]]*)(?::\d*)?$/.test(authority);
}

interface UriParts {
  readonly scheme: string;
  readonly user: string;
  readonly host: string;
  readonly port: string;
  readonly rest: string;
}

function parseUri(text: string): UriParts {
  const [, scheme = '', authority = '', rest = ''] = URI_PARTS.exec(text) ?? [];
  const [, user = '', host = '', port = ''] = /^([^@]*@)?(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority) ?? [];
  return { scheme: scheme.toLowerCase(), user, host, port, rest };
}

/** Scheme without regard to case; the host of http and https as a DNS name; equal ports; the rest byte for byte. */
export function sameUri(a: string, b: string): boolean {
  if (a === b) return true;
  const [x, y] = [parseUri(a), parseUri(b)];
  const web = x.scheme === 'http' || x.scheme === 'https';
  const sameHost = web ? sameDnsName(x.host, y.host) : x.host === y.host;
  return x.scheme === y.scheme && x.user === y.user && sameHost && x.port === y.port && x.rest === y.rest;
}
