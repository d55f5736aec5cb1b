// What a connection is, told by its first bytes: TLS with its SNI and ALPN, or plain, and which HTTP.

export interface FirstBytes {
  readonly transport: 'tls' | 'raw_buffer';
  /** Lower case; empty when none was sent. */
  readonly serverName: string;
  /** ALPN names of the client, or the HTTP version that plain bytes show. */
  readonly applicationProtocols: readonly string[];
}

export const NOTHING_KNOWN: FirstBytes = { transport: 'raw_buffer', serverName: '', applicationProtocols: [] };

const MAX_HELLO_BYTES = 64 * 1024;
const MAX_HTTP_LINE_BYTES = 8 * 1024;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HANDSHAKE_RECORD = 0x16;
const RECORD_HEADER_BYTES = 5;
const CLIENT_HELLO = 0x01;
const HELLO_HEADER_BYTES = 4;
const NO_HELLO = Buffer.alloc(0);
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;

/** @returns `more` while the bytes do not tell yet. */
export function inspect(bytes: Buffer, wantsHttp: boolean): FirstBytes | 'more' {
  const [first] = bytes;
  if (first === undefined) return 'more';
  if (first === HANDSHAKE_RECORD) return inspectTls(bytes);
  return wantsHttp ? inspectHttp(bytes) : NOTHING_KNOWN;
}

function inspectHttp(bytes: Buffer): FirstBytes | 'more' {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, MAX_HTTP_LINE_BYTES));
  if (text.startsWith(PREFACE)) return { ...NOTHING_KNOWN, applicationProtocols: ['h2c'] };
  if (PREFACE.startsWith(text)) return 'more';
  // A request line begins with a method; anything else is some other protocol.
  if (!/^[A-Za-z!#$%&'*+.^_`|~-]+( |$)/.test(text)) return NOTHING_KNOWN;
  const end = text.indexOf('\n');
  if (end < 0) return bytes.length < MAX_HTTP_LINE_BYTES ? 'more' : NOTHING_KNOWN;
  const version = / HTTP\/1\.([01])\r?\n/.exec(text.slice(0, end + 1))?.[1];
  return version === undefined ? NOTHING_KNOWN : { ...NOTHING_KNOWN, applicationProtocols: [`http/1.${version}`] };
}

function inspectTls(bytes: Buffer): FirstBytes | 'more' {
  const hello = gatherHello(bytes);
  if (hello === 'more') return bytes.length < MAX_HELLO_BYTES ? 'more' : { ...NOTHING_KNOWN, transport: 'tls' };
  return { transport: 'tls', ...readHello(hello) };
}

/**
 * The handshake message, which may be spread over records; empty for what is no hello, or none of a size that a client
 * has reason for: the handshake will refuse it. Records may be tiny, so nothing is copied before all of them are there.
 */
function gatherHello(bytes: Buffer): Buffer | 'more' {
  const parts: Buffer[] = [];
  let gathered = 0;
  let wanted = -1;
  for (let at = 0; ;) {
    if (bytes.length < at + RECORD_HEADER_BYTES) return 'more';
    const length = bytes.readUInt16BE(at + 3);
    if (bytes[at] !== HANDSHAKE_RECORD || length === 0) return NO_HELLO;
    const part = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
    parts.push(part);
    gathered += part.length;
    if (wanted < 0 && gathered >= HELLO_HEADER_BYTES) {
      const [head] = parts;
      const start = head !== undefined && head.length >= HELLO_HEADER_BYTES ? head : Buffer.concat(parts);
      wanted = HELLO_HEADER_BYTES + start.readUIntBE(1, 3);
      if (start[0] !== CLIENT_HELLO || wanted > MAX_HELLO_BYTES) return NO_HELLO;
    }
    if (wanted >= 0 && gathered >= wanted) return Buffer.concat(parts, wanted);
    if (part.length < length) return 'more';
    at += RECORD_HEADER_BYTES + length;
  }
}

type HelloFacts = Pick<FirstBytes, 'serverName' | 'applicationProtocols'>;

function readHello(hello: Buffer): HelloFacts {
  try {
    return readExtensions(hello, extensionsAt(hello));
  } catch {
    // Cut short or malformed (reads past the end throw): nothing is known, and the handshake will refuse it.
    return { serverName: '', applicationProtocols: [] };
  }
}

function extensionsAt(hello: Buffer): number {
  let at = 4 + 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  return at;
}

function readExtensions(hello: Buffer, start: number): HelloFacts {
  let serverName = '';
  let applicationProtocols: string[] = [];
  if (start >= hello.length) return { serverName, applicationProtocols };
  const end = Math.min(hello.length, start + 2 + hello.readUInt16BE(start));
  for (let at = start + 2; at + 4 <= end;) {
    const type = hello.readUInt16BE(at);
    const length = hello.readUInt16BE(at + 2);
    const body = hello.subarray(at + 4, at + 4 + length);
    if (type === EXTENSION_SERVER_NAME) serverName = readServerName(body);
    else if (type === EXTENSION_ALPN) applicationProtocols = readAlpn(body);
    at += 4 + length;
  }
  return { serverName, applicationProtocols };
}

function readServerName(body: Buffer): string {
  if (body.readUInt8(2) !== 0) return '';
  const name = body.toString('latin1', 5, 5 + body.readUInt16BE(3)).toLowerCase();
  return name.length <= 255 && /^[\x21-\x7e]+$/.test(name) ? name : '';
}

function readAlpn(body: Buffer): string[] {
  const names: string[] = [];
  for (let at = 2; at < body.length;) {
    const length = body.readUInt8(at);
    names.push(body.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return names;
}
