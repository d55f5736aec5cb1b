// The PROXY protocol, versions 1 and 2: who the client of a proxy in front is, said before the first byte.
// https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
import { isIPv4, isIPv6 } from 'node:net';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Bytes of the header. */
  readonly length: number;
  /** undefined when the proxy in front speaks for itself, or does not know. */
  readonly client: { readonly source: Endpoint; readonly destination: Endpoint } | undefined;
}

/** `none`: these bytes begin something else. */
export type ParsedHeader = ProxyHeader | 'more' | 'none' | 'invalid';

const V2_SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const V1_PREFIX = Buffer.from('PROXY ', 'latin1');
// CRLF included.
const MAX_V1_BYTES = 107;
const V2_HEAD_BYTES = 16;
// Addresses and what senders append; a limit of our own, since the length field allows 64 KiB.
const MAX_V2_BODY_BYTES = 4096;
const LOCAL = 0x20;
const PROXY = 0x21;
const FAMILY = { unspecified: 0x0, inet: 0x1, inet6: 0x2, unix: 0x3 } as const;
const STREAM = 0x1;
const INET_BYTES = 12;
const INET6_BYTES = 36;

export function parseProxyHeader(bytes: Buffer): ParsedHeader {
  if (beginsWith(bytes, V2_SIGNATURE)) return bytes.length < V2_HEAD_BYTES ? 'more' : parseV2(bytes);
  if (beginsWith(bytes, V1_PREFIX)) return bytes.length < V1_PREFIX.length ? 'more' : parseV1(bytes);
  return 'none';
}

/** As far as there are bytes. */
const beginsWith = (bytes: Buffer, wanted: Buffer): boolean => {
  const length = Math.min(bytes.length, wanted.length);
  return length > 0 && bytes.compare(wanted, 0, length, 0, length) === 0;
};

function parseV1(bytes: Buffer): ParsedHeader {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf('\r\n');
  if (end < 0) return bytes.length < MAX_V1_BYTES ? 'more' : 'invalid';
  const [, protocol = '', from = '', to = '', fromPort = '', toPort = '', ...rest] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  const length = end + 2;
  // What follows UNKNOWN is to be ignored.
  if (protocol === 'UNKNOWN') return { version: 1, length, client: undefined };
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6 : undefined;
  const [sourcePort, destinationPort] = [portOf(fromPort), portOf(toPort)];
  if (isAddress === undefined || rest.length > 0 || !isAddress(from) || !isAddress(to)) return 'invalid';
  if (sourcePort < 0 || destinationPort < 0) return 'invalid';
  const client = {
    source: { address: from, port: sourcePort },
    destination: { address: to, port: destinationPort },
  };
  return { version: 1, length, client };
}

/** @returns -1 for what is no port in its shortest form. */
const portOf = (text: string): number =>
  /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : -1;

function parseV2(bytes: Buffer): ParsedHeader {
  const command = bytes[12] ?? 0;
  const transport = bytes[13] ?? 0;
  const body = bytes.readUInt16BE(14);
  if ((command !== LOCAL && command !== PROXY) || body > MAX_V2_BODY_BYTES) return 'invalid';
  const length = V2_HEAD_BYTES + body;
  if (bytes.length < length) return 'more';
  if (command === LOCAL) return { version: 2, length, client: undefined };
  const family = transport >> 4;
  if (family === FAMILY.unspecified || family === FAMILY.unix) return { version: 2, length, client: undefined };
  if ((transport & 0x0f) !== STREAM) return 'invalid';
  if (family === FAMILY.inet) {
    if (body < INET_BYTES) return 'invalid';
    const client = {
      source: { address: [...bytes.subarray(16, 20)].join('.'), port: bytes.readUInt16BE(24) },
      destination: { address: [...bytes.subarray(20, 24)].join('.'), port: bytes.readUInt16BE(26) },
    };
    return { version: 2, length, client };
  }
  if (family !== FAMILY.inet6 || body < INET6_BYTES) return 'invalid';
  const client = {
    source: { address: ipv6(bytes, 16), port: bytes.readUInt16BE(48) },
    destination: { address: ipv6(bytes, 32), port: bytes.readUInt16BE(50) },
  };
  return { version: 2, length, client };
}

/** RFC 5952: without leading zeros, the longest run of zeros as `::`. */
function ipv6(bytes: Buffer, at: number): string {
  const text = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16)).join(':');
  let best = '';
  let start = 0;
  for (const { 0: run, index } of text.matchAll(/\b0(?::0)+\b/g)) {
    if (run.length <= best.length) continue;
    best = run;
    start = index;
  }
  if (best === '') return text;
  return `${text.slice(0, start).replace(/:$/, '')}::${text.slice(start + best.length).replace(/^:/, '')}`;
}

/** The header for a client; addresses of two families, or none, are told as unknown. */
export function writeProxyHeader(version: 1 | 2, source: Endpoint, destination: Endpoint): Buffer {
  const inet = isIPv4(source.address) && isIPv4(destination.address);
  const inet6 = isIPv6(source.address) && isIPv6(destination.address);
  if (version === 1) {
    if (!inet && !inet6) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
    // In its shortest form, since a line has 107 bytes at most.
    const [from, to] = [source.address, destination.address].map((text) =>
      inet ? text : ipv6(addressBytes(text, false), 0),
    );
    return Buffer.from(
      `PROXY ${inet ? 'TCP4' : 'TCP6'} ${from} ${to} ${source.port} ${destination.port}\r\n`,
      'latin1',
    );
  }
  if (!inet && !inet6) return Buffer.concat([V2_SIGNATURE, Buffer.from([LOCAL, 0, 0, 0])]);
  const addresses = Buffer.concat([addressBytes(source.address, inet), addressBytes(destination.address, inet)]);
  const rest = Buffer.alloc(4);
  rest.writeUInt16BE(source.port, 0);
  rest.writeUInt16BE(destination.port, 2);
  const family = ((inet ? FAMILY.inet : FAMILY.inet6) << 4) | STREAM;
  const head = Buffer.from([PROXY, family, 0, addresses.length + rest.length]);
  return Buffer.concat([V2_SIGNATURE, head, addresses, rest]);
}

function addressBytes(address: string, inet: boolean): Buffer {
  if (inet) return Buffer.from(address.split('.').map(Number));
  const bytes = Buffer.alloc(16);
  const [text, dotted] = splitDotted(address);
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const first = groups(head);
  const last = [...(tail === undefined ? [] : groups(tail)), ...dotted];
  const all = tail === undefined ? [...first, ...last] : [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last]; // prettier-ignore
  for (let i = 0; i < 8; i += 1) bytes.writeUInt16BE(all[i] ?? 0, 2 * i);
  return bytes;
}

/** `::ffff:1.2.3.4` without its last four bytes, and these as two groups. */
function splitDotted(address: string): readonly [text: string, dotted: readonly number[]] {
  const [, front, a, b, c, d] = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address) ?? [];
  if (front === undefined) return [address.replace(/%.*$/, ''), []];
  const pair = (high: string | undefined, low: string | undefined): number => (Number(high) << 8) | Number(low);
  return [front.endsWith('::') ? front : front.slice(0, -1), [pair(a, b), pair(c, d)]];
}
