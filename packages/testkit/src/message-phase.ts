/** How far a message had got: inside which part its bytes end. */
export type Phase = 'nothing' | 'informational' | 'head' | 'body' | 'trailers' | 'whole';

const END = '\r\n\r\n';

/**
 * @param bytes of one request or response of HTTP/1.1, from its beginning.
 * @param informational how many heads come before the one of the response.
 */
export function http1Phase(bytes: Buffer, informational = 0): Phase {
  const text = bytes.toString('latin1');
  let at = 0;
  let so: Phase = 'nothing';
  for (let before = informational; at < text.length; before -= 1) {
    const end = text.indexOf(END, at);
    if (end < 0) return before > 0 ? 'informational' : 'head';
    if (before === 0) return http1BodyPhase(text.slice(at, end + 2), text.slice(end + END.length));
    so = 'informational';
    at = end + END.length;
  }
  return so;
}

function http1BodyPhase(head: string, body: string): Phase {
  if (/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) return chunksPhase(body);
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
  if (length !== undefined) return body.length < Number(length) ? 'body' : 'whole';
  return head.startsWith('HTTP/') ? 'body' : 'whole';
}

function chunksPhase(body: string): Phase {
  let at = 0;
  for (;;) {
    const line = body.indexOf('\r\n', at);
    if (line < 0) return 'body';
    const size = Number.parseInt(body.slice(at, line), 16);
    if (size === 0) {
      const rest = body.slice(line);
      return rest.includes(END) ? 'whole' : 'trailers';
    }
    at = line + 2 + size + 2;
    if (at > body.length) return 'body';
  }
}

const PREFACE_BYTES = 24;
const HEADER_BYTES = 9;
const DATA = 0;
const HEADERS = 1;
const END_STREAM = 1;

/**
 * @param bytes of a connection of HTTP/2 with one stream, one way.
 * @param informational how many heads come before the one of the response.
 */
export function http2Phase(bytes: Buffer, kind: 'request' | 'response', informational = 0): Phase {
  let at = kind === 'request' ? PREFACE_BYTES : 0;
  let so: Phase = 'nothing';
  let before = informational;
  while (at + HEADER_BYTES <= bytes.length) {
    const end = at + HEADER_BYTES + bytes.readUIntBE(at, 3);
    const type = bytes[at + 3];
    const ends = ((bytes[at + 4] ?? 0) & END_STREAM) !== 0;
    const whole = end <= bytes.length;
    if (type === HEADERS) {
      if (before > 0) so = 'informational';
      else if (so === 'body') so = whole ? 'whole' : 'trailers';
      else so = whole ? (ends ? 'whole' : 'body') : 'head';
      before -= 1;
    } else if (type === DATA && ends && whole) so = 'whole';
    at = end;
  }
  return so;
}
