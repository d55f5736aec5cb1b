/** As much of DNS messages (RFC 1035) as a relay must read: framing, the question, an answer of its own. Pure. */

/** Splits what came over a stream into messages, each after its length in two bytes. */
export interface Frames {
  readonly messages: readonly Buffer[];
  /** The beginning of the next one. */
  readonly rest: Buffer;
}

export function splitFrames(data: Buffer): Frames {
  const messages: Buffer[] = [];
  let at = 0;
  while (data.length - at >= 2) {
    const end = at + 2 + data.readUInt16BE(at);
    if (end > data.length) break;
    messages.push(data.subarray(at + 2, end));
    at = end;
  }
  return { messages, rest: data.subarray(at) };
}

export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

export interface Question {
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
  /** Where the question section ends. */
  readonly end: number;
}

const HEADER = 12;
const TYPE_A = 1;
const MAX_LABEL = 63;

/** The first question. @returns undefined for what is no query. */
export function questionOf(message: Buffer): Question | undefined {
  if (message.length < HEADER || (message[2] ?? 0) & 0x80 || message.readUInt16BE(4) < 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > MAX_LABEL) return undefined;
    at += 1;
    if (length === 0) break;
    labels.push(message.toString('latin1', at, at + length));
    at += length;
  }
  if (at + 4 > message.length) return undefined;
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at), end: at + 4 };
}

/** Too long for UDP: to be asked again over TCP. */
export const isTruncated = (answer: Buffer): boolean => ((answer[2] ?? 0) & 0x02) !== 0;

/** The answer to a question for an IPv4 address; empty for any other type. */
export function addressAnswer(query: Buffer, question: Question, address: string): Buffer {
  if (question.type !== TYPE_A) return reply(query, question.end, 0, 0);
  // A pointer to the question's name, type A, class IN, half a minute, four bytes.
  const record = Buffer.from([0xc0, HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 30, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([reply(query, question.end, 0, 1), record]);
}

const SERVFAIL = 2;

/** What is said when no name server answers. */
export const failureAnswer = (query: Buffer): Buffer => reply(query, questionOf(query)?.end ?? HEADER, SERVFAIL, 0);

function reply(query: Buffer, end: number, code: number, answers: number): Buffer {
  const head = Buffer.alloc(HEADER);
  query.copy(head, 0, 0, Math.min(2, query.length));
  // A response, recursion as wanted and available.
  head.writeUInt16BE(0x8080 | (query.length > 2 ? ((query[2] ?? 0) & 0x01) << 8 : 0) | code, 2);
  head.writeUInt16BE(end > HEADER ? 1 : 0, 4);
  head.writeUInt16BE(answers, 6);
  return Buffer.concat([head, query.subarray(HEADER, end)]);
}

/** Name servers in resolv.conf's words; the host itself when it names none. */
export function nameServers(text: string): readonly string[] {
  const found = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address);
  return found.length === 0 ? ['127.0.0.1'] : found.slice(0, 3);
}
