// HTTP/1.1 carried in HTTP/2, between two proxies of this mesh that agreed on it by ALPN: the requests of many
// connections leave in one write and one TLS record. Frames, windows and HPACK are those of HTTP/2; heads are those of
// HTTP/1.1, with the case and order of their lines, Host among them, and the reason phrase as a pseudo-header. Upgrades
// and CONNECT have connections of their own, and so has everything where a cluster limits connections.
import type { HeadView } from '../head/head-view.ts';
import { H1Head } from '../http1/h1-head.ts';
import { statusPhrase } from '../http1/status-phrases.ts';
import { H2Head } from './h2-head.ts';

export const CARRIED_ALPN = 'weft-http/1.1';

/** The reason phrase of a response that has another one than its status implies; else undefined. */
export function ownPhrase(status: number, head: HeadView): string | undefined {
  let phrase: string | undefined;
  if (head instanceof H1Head) {
    const { parser, text } = head;
    if (parser.status === status) phrase = text.slice(parser.reasonStart, parser.reasonEnd);
  } else if (head instanceof H2Head) {
    phrase = head.reason?.value;
  }
  return phrase === undefined || phrase === statusPhrase(status) ? undefined : phrase;
}
