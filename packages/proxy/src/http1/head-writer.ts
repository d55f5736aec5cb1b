// Heads as HTTP/1.1 text. Framing fields are the writer's own business; everything else comes from the head.

import type { HeadView } from '../head/head-view.ts';
import { ownPhrase } from '../http2/carried.ts';
import { H2Head } from '../http2/h2-head.ts';
import { H1Head } from './h1-head.ts';
import { statusPhrase } from './status-phrases.ts';

function writeFields(head: HeadView, out: string): string {
  if (head instanceof H1Head || head instanceof H2Head) return head.writeFields(out);
  let text = out;
  head.forEach((name, value) => {
    text += `${name}: ${value}\r\n`;
  });
  return text;
}

/** Of a head that came by another protocol: one Host, first, and one Cookie line (RFC 9113 §8.2.3). */
function writeForeignRequest(head: HeadView, out: string): string {
  if (head instanceof H2Head && head.authority !== undefined) return head.writeFields(out);
  let text = `${out}host: ${head.get(':authority') ?? ''}\r\n`;
  let cookies = '';
  head.forEach((name, value) => {
    if (name === 'cookie') cookies += cookies === '' ? value : `; ${value}`;
    else if (name.toLowerCase() !== 'host') text += `${name}: ${value}\r\n`;
  });
  return cookies === '' ? text : `${text}cookie: ${cookies}\r\n`;
}

// RFC 9110 §8.6: for these a server may insist on a length, also of nothing.
const EXPECT_CONTENT = new Set(['POST', 'PUT', 'PATCH']);

/** @param last whether no body follows. @returns the text and whether the body is to be chunked. */
export function requestHeadText(head: HeadView, last: boolean): string {
  const method = head.get(':method') ?? 'GET';
  const target = (method === 'CONNECT' ? head.get(':authority') : head.get(':path')) ?? '/';
  const line = `${method} ${target} HTTP/1.1\r\n`;
  const received = head instanceof H1Head;
  let text = received ? writeFields(head, line) : writeForeignRequest(head, line);
  if (!last && method !== 'CONNECT' && !head.has('content-length')) text += 'transfer-encoding: chunked\r\n';
  else if (last && !received && EXPECT_CONTENT.has(method) && !head.has('content-length'))
    text += 'content-length: 0\r\n';
  // RFC 9110 §10.1.4: TE concerns one hop, and Connection says so.
  if (head.has('upgrade')) text += head.has('te') ? 'connection: upgrade, te\r\n' : 'connection: upgrade\r\n';
  else if (head.has('te')) text += 'connection: te\r\n';
  return `${text}\r\n`;
}

/** The end of a chunked body; without fields when there are none to send. */
export function trailersText(trailers: HeadView | undefined): string {
  return trailers === undefined ? '0\r\n\r\n' : `${writeFields(trailers, '0\r\n')}\r\n`;
}

export interface ResponseFraming {
  readonly chunked: boolean;
  /** Extra line for this hop, or empty. */
  readonly connection: '' | 'close' | 'keep-alive' | 'upgrade';
  /** True when an explicit zero length is needed to say that no body follows. */
  readonly zeroLength: boolean;
}

export function responseHeadText(status: number, head: HeadView, framing: ResponseFraming): string {
  const phrase = ownPhrase(status, head) ?? statusPhrase(status);
  let text = writeFields(head, `HTTP/1.1 ${status} ${phrase}\r\n`);
  if (framing.chunked) text += 'transfer-encoding: chunked\r\n';
  else if (framing.zeroLength) text += 'content-length: 0\r\n';
  if (framing.connection !== '') text += `connection: ${framing.connection}\r\n`;
  return `${text}\r\n`;
}
