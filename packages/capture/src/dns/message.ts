/**
 * DNS messages as far as somebody needs them who answers for a few names and passes on the rest: one question in, and
 * answers out (RFC 1035 §4, RFC 6891).
 */

export const TYPE = { A: 1, AAAA: 28, OPT: 41, ANY: 255 } as const;
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4 } as const;
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

export interface DnsQuery {
  readonly id: number;
  readonly recursionDesired: boolean;
  /** Lower case, without the last dot; what no host name can have is escaped as `\DDD`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** As it came: the asker may look whether even the case of its letters comes back. */
  readonly question: Buffer;
  /** Undefined when the asker knows nothing of EDNS. */
  readonly edns: { readonly udpSize: number; readonly version: number } | undefined;
}

export type ParsedQuery =
  | { readonly kind: 'query'; readonly query: DnsQuery }
  /** It has an id to answer to, and what is wrong. */
  | { readonly kind: 'refused'; readonly reply: Buffer }
  /** Too short, or itself an answer: whoever answers answers might never stop. */
  | { readonly kind: 'unreadable' };

export const HEADER_BYTES = 12;
export const IN = 1;
const MAX_NAME_BYTES = 255;
// OPT and a signature are what real questions have.
const MAX_ADDITIONAL = 4;
const [QR, AA, TC, RD, RA] = [0x80_00, 0x04_00, 0x02_00, 0x01_00, 0x00_80];
const OPCODE = 0x78_00;
/** What fits unfragmented through every path. */
const OWN_UDP_SIZE = 1232;
export const PLAIN_UDP_SIZE = 512;
const BADVERS_HIGH_BITS = 1;

export function parseQuery(message: Buffer): ParsedQuery {
  if (message.length < HEADER_BYTES) return { kind: 'unreadable' };
  const flags = message.readUInt16BE(2);
  if ((flags & QR) !== 0) return { kind: 'unreadable' };
  if ((flags & OPCODE) !== 0) return { kind: 'refused', reply: refusal(message, RCODE.NOTIMP) };
  const counts = [4, 6, 8].map((at) => message.readUInt16BE(at));
  const additional = message.readUInt16BE(10);
  const malformed = { kind: 'refused', reply: refusal(message, RCODE.FORMERR) } as const;
  if (counts.join(',') !== '1,0,0' || additional > MAX_ADDITIONAL) return malformed;
  const name = readName(message, HEADER_BYTES);
  if (name === undefined || name.end + 4 > message.length) return malformed;
  const edns = readEdns(message, name.end + 4, additional);
  if (edns === 'malformed') return malformed;
  const query: DnsQuery = {
    id: message.readUInt16BE(0),
    recursionDesired: (flags & RD) !== 0,
    name: name.text,
    type: message.readUInt16BE(name.end),
    class: message.readUInt16BE(name.end + 2),
    question: message.subarray(HEADER_BYTES, name.end + 4),
    edns,
  };
  if ((edns?.version ?? 0) > 0) return { kind: 'refused', reply: writeReply(query, {}) };
  return { kind: 'query', query };
}

interface ReadName {
  readonly text: string;
  readonly end: number;
}

/** A name that is written out; nothing comes before the first question that a pointer could point to. */
function readName(message: Buffer, start: number): ReadName | undefined {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63 || at + 1 + length - start > MAX_NAME_BYTES) return undefined;
    at += 1;
    if (length === 0) return { text: labels.join('.'), end: at };
    if (at + length > message.length) return undefined;
    labels.push(labelText(message, at, at + length));
    at += length;
  }
}

function labelText(message: Buffer, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at += 1) {
    const byte = message[at] ?? 0;
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte).toLowerCase() : `\\${String(byte).padStart(3, '0')}`;
  }
  return text;
}

function readEdns(message: Buffer, start: number, count: number): DnsQuery['edns'] | 'malformed' {
  let edns: DnsQuery['edns'];
  let at = start;
  for (let record = 0; record < count; record += 1) {
    const isRoot = message[at] === 0;
    const end = isRoot ? at + 1 : readName(message, at)?.end;
    if (end === undefined || end + 10 > message.length) return 'malformed';
    if (message.readUInt16BE(end) === TYPE.OPT) {
      if (!isRoot || edns !== undefined) return 'malformed';
      edns = { udpSize: message.readUInt16BE(end + 2), version: message[end + 5] ?? 0 };
    }
    at = end + 10 + message.readUInt16BE(end + 8);
  }
  return at === message.length ? edns : 'malformed';
}

export interface AddressRecord {
  readonly type: typeof TYPE.A | typeof TYPE.AAAA;
  readonly bytes: Uint8Array;
}

export interface Reply {
  readonly rcode?: Rcode;
  /** We own the name. */
  readonly authoritative?: boolean;
  readonly addresses?: readonly AddressRecord[];
  readonly ttlSeconds?: number;
  /** Bytes that may be sent; what does not fit is left out and the asker is told to ask by TCP. */
  readonly limit?: number;
}

// A pointer to the question's name.
const NAME_POINTER = 0xc0_00 | HEADER_BYTES;

export function writeReply(query: DnsQuery, reply: Reply): Buffer {
  const { rcode = RCODE.NOERROR, addresses = [], ttlSeconds = 0, limit = 65_535 } = reply;
  const opt = query.edns === undefined ? Buffer.alloc(0) : optRecord(query.edns.version > 0);
  const room = limit - HEADER_BYTES - query.question.length - opt.length;
  const records: Buffer[] = [];
  let used = 0;
  for (const address of addresses) {
    const record = addressRecord(address, ttlSeconds);
    if (used + record.length > room) break;
    used += record.length;
    records.push(record);
  }
  const truncated = records.length < addresses.length;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(
    QR |
      RA |
      (reply.authoritative === true ? AA : 0) |
      (truncated ? TC : 0) |
      (query.recursionDesired ? RD : 0) |
      rcode,
    2,
  );
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt16BE(opt.length === 0 ? 0 : 1, 10);
  return Buffer.concat([header, query.question, ...records, opt]);
}

function addressRecord({ type, bytes }: AddressRecord, ttlSeconds: number): Buffer {
  const record = Buffer.alloc(12 + bytes.length);
  record.writeUInt16BE(NAME_POINTER, 0);
  record.writeUInt16BE(type, 2);
  record.writeUInt16BE(IN, 4);
  record.writeUInt32BE(ttlSeconds, 6);
  record.writeUInt16BE(bytes.length, 10);
  record.set(bytes, 12);
  return record;
}

function optRecord(badVersion: boolean): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(TYPE.OPT, 1);
  record.writeUInt16BE(OWN_UDP_SIZE, 3);
  record[5] = badVersion ? BADVERS_HIGH_BITS : 0;
  return record;
}

/** To what can not be read further than its header. */
function refusal(message: Buffer, rcode: Rcode): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(message.readUInt16BE(0), 0);
  header.writeUInt16BE(QR | (message.readUInt16BE(2) & (OPCODE | RD)) | rcode, 2);
  return header;
}

/** How many bytes of answer an asker takes by UDP. */
export const udpLimit = (query: DnsQuery): number => Math.max(query.edns?.udpSize ?? PLAIN_UDP_SIZE, PLAIN_UDP_SIZE);

/** Not even the first record fits: the asker is to come back by TCP. */
export function truncatedReply(query: DnsQuery): Buffer {
  const reply = writeReply(query, {});
  reply.writeUInt16BE(reply.readUInt16BE(2) | TC, 2);
  return reply;
}

/** Too long for UDP: to be asked again over TCP. */
export const isTruncated = (answer: Buffer): boolean =>
  answer.length >= HEADER_BYTES && (answer.readUInt16BE(2) & TC) !== 0;

/** True when the message is an answer to this question, which somebody else might have sent. */
export function answersQuestion(message: Buffer, id: number, query: DnsQuery): boolean {
  if (message.length < HEADER_BYTES + query.question.length || message.readUInt16BE(0) !== id) return false;
  if ((message.readUInt16BE(2) & QR) === 0 || message.readUInt16BE(4) !== 1) return false;
  const name = readName(message, HEADER_BYTES);
  return (
    name !== undefined &&
    name.text === query.name &&
    name.end + 4 <= message.length &&
    message.readUInt16BE(name.end) === query.type &&
    message.readUInt16BE(name.end + 2) === query.class
  );
}

/** The same message under another id. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
