/** Whether a request was meant for this server and came from its own pages: pure checks on the head (no I/O). */
import { ApiError } from '../errors.ts';

export const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'] as const;

export interface RequestHead {
  readonly method: string;
  /** Path and query, as received. */
  readonly url: string;
  /** Name, value, name, value, …: as received, duplicates included. */
  readonly rawHeaders: readonly string[];
}

/** Values of one field, in order. */
export function headerValues(head: RequestHead, name: string): readonly string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < head.rawHeaders.length; i += 2)
    if (head.rawHeaders[i]?.toLowerCase() === name) values.push(head.rawHeaders[i + 1] ?? '');
  return values;
}

/** Host name without port, lower case; IPv6 keeps its brackets. @returns undefined when it is no host at all. */
export function hostnameOf(host: string): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/.exec(host.toLowerCase())?.[1];
}

/** @returns why the request must be refused, or undefined. The order is: meant for us, then sent by us. */
export function refusalOf(head: RequestHead, allowedHosts: ReadonlySet<string>, scheme: string): ApiError | undefined {
  const hosts = headerValues(head, 'host');
  const [host] = hosts;
  const name = hosts.length === 1 && host !== undefined ? hostnameOf(host) : undefined;
  // Absolute form names a server in the request line, where nothing compares it with Host.
  const named = head.url.startsWith('/');
  if (!named || host === undefined || name === undefined || !allowedHosts.has(name)) {
    return new ApiError(421, 'host-not-allowed', 'This address is not a name of this console.', {
      hint: 'Open it as http://localhost or http://127.0.0.1, or add the name to the allowed hosts.',
    });
  }
  const origins = headerValues(head, 'origin');
  if (origins.some((origin) => origin.toLowerCase() !== `${scheme}://${host.toLowerCase()}`)) return foreign();
  // Browsers add Sec-Fetch-Site; other ports of localhost are "same-site", which is still not us.
  const site = headerValues(head, 'sec-fetch-site')[0];
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none';
  return foreignSite && !isPageVisit(head) ? foreign() : undefined;
}

/** Following a link from elsewhere to one of our pages is fine: it reads nothing back and changes nothing. */
const isPageVisit = (head: RequestHead): boolean =>
  head.method === 'GET' && !head.url.startsWith('/api/') && headerValues(head, 'sec-fetch-mode')[0] === 'navigate';

const foreign = (): ApiError =>
  new ApiError(403, 'origin-not-allowed', 'This request comes from another site.', {
    hint: 'Use the console itself, or the weft command.',
  });

export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address === '::1' || /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);
}
