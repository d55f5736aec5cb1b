import { decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFrameReader, frame } from './framing.ts';
import {
  answersQuestion,
  parseQuery,
  RCODE,
  isTruncated,
  truncatedReply,
  TYPE,
  udpLimit,
  withId,
  writeReply,
  type DnsQuery,
} from './message.ts';

const RECURSION_DESIRED = 0x100;
const question = (packet: Packet = {}): Buffer =>
  encode({
    type: 'query',
    id: 7,
    flags: RECURSION_DESIRED,
    questions: [{ type: 'A', name: 'Reviews.default' }],
    ...packet,
  });
const opt = (udpPayloadSize: number, ednsVersion = 0): NonNullable<Packet['additionals']>[number] => ({
  type: 'OPT',
  name: '.',
  udpPayloadSize,
  extendedRcode: 0,
  ednsVersion,
  flags: 0,
  flag_do: false,
  options: [],
});
function read(message: Buffer): DnsQuery {
  const parsed = parseQuery(message);
  if (parsed.kind !== 'query') throw new Error(parsed.kind);
  return parsed.query;
}
const rcodeOf = (message: Buffer): number | string => {
  const parsed = parseQuery(message);
  return parsed.kind === 'refused' ? (parsed.reply[3] ?? 0) & 0xf : parsed.kind;
};

describe('a question', () => {
  it('is read, with its name in lower case and its bytes as they came', () => {
    const query = read(question());
    expect(query).toMatchObject({ id: 7, recursionDesired: true, name: 'reviews.default', type: TYPE.A, class: 1 });
    expect(query.edns).toBeUndefined();
    expect(query.question.toString('latin1')).toContain('Reviews');
  });
  it('may say how much it takes', () => {
    expect(udpLimit(read(question()))).toBe(512);
    expect(udpLimit(read(question({ additionals: [opt(4096)] })))).toBe(4096);
    expect(udpLimit(read(question({ additionals: [opt(10)] })))).toBe(512);
  });
  it('with a dot or a zero inside a label is not mistaken for another name', () => {
    const message = question();
    message[12 + 2] = 0x2e;
    message[12 + 3] = 0;
    expect(read(message).name).toBe('r\\046\\000iews.default');
  });
  const bytes = (change: (message: Buffer) => void): Buffer => {
    const message = question();
    change(message);
    return message;
  };
  it.each<[what: string, message: Buffer, expected: number | string]>([
    ['is shorter than a header', question().subarray(0, 11), 'unreadable'],
    ['is an answer', bytes((message) => message.writeUInt16BE(0x8100, 2)), 'unreadable'],
    ['is an update', bytes((message) => message.writeUInt16BE(0x2800, 2)), RCODE.NOTIMP],
    ['asks nothing', encode({ type: 'query', id: 1 }), RCODE.FORMERR],
    [
      'asks twice',
      question({
        questions: [
          { type: 'A', name: 'a' },
          { type: 'A', name: 'b' },
        ],
      }),
      RCODE.FORMERR,
    ],
    ['brings answers', question({ answers: [{ type: 'A', name: 'a', data: '1.2.3.4' }] }), RCODE.FORMERR],
    ['ends within its name', question().subarray(0, 20), RCODE.FORMERR],
    ['ends before its class', question().subarray(0, -1), RCODE.FORMERR],
    ['goes on after its end', Buffer.concat([question(), Buffer.alloc(1)]), RCODE.FORMERR],
    ['points into itself', bytes((message) => message.writeUInt16BE(0xc00c, 12)), RCODE.FORMERR],
    ['has two OPT records', question({ additionals: [opt(512), opt(512)] }), RCODE.FORMERR],
    ['has too many records', question({ additionals: Array.from({ length: 5 }, () => opt(512)) }), RCODE.FORMERR],
    [
      'has a name of 256 bytes',
      question({ questions: [{ type: 'A', name: Array(51).fill('abcd').join('.') }] }),
      RCODE.FORMERR,
    ],
  ])('that %s is refused', (_, message, expected) => expect(rcodeOf(message)).toBe(expected));
  it('of a later EDNS is told so', () => {
    const parsed = parseQuery(question({ additionals: [opt(512, 1)] }));
    const reply = parsed.kind === 'refused' ? decode(parsed.reply) : undefined;
    expect(reply?.additionals?.[0]).toMatchObject({ type: 'OPT', extendedRcode: 1 });
  });
  it('of any bytes is refused or read, never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 60 }), (noise, at) => {
        const message = question({ additionals: [opt(4096)] });
        message.set(noise.subarray(0, message.length - Math.min(at, message.length)), Math.min(at, message.length));
        parseQuery(message);
        parseQuery(Buffer.from(noise));
        answersQuestion(message, 7, read(question()));
        answersQuestion(Buffer.from(noise), 7, read(question()));
      }),
    );
  });
});

describe('an answer', () => {
  const a = { type: TYPE.A, bytes: Uint8Array.of(10, 96, 0, 7) } as const;
  it('is what another reader of DNS takes it for', () => {
    const reply = writeReply(read(question({ additionals: [opt(4096)] })), {
      authoritative: true,
      addresses: [a, { type: TYPE.AAAA, bytes: Uint8Array.from({ length: 16 }, (_, at) => (at === 15 ? 1 : 0)) }],
      ttlSeconds: 30,
    });
    expect(decode(reply)).toMatchObject({
      type: 'response',
      id: 7,
      rcode: 'NOERROR',
      flag_aa: true,
      flag_rd: true,
      flag_ra: true,
      flag_tc: false,
      questions: [{ type: 'A', name: 'Reviews.default' }],
      answers: [
        { type: 'A', name: 'Reviews.default', ttl: 30, data: '10.96.0.7' },
        { type: 'AAAA', name: 'Reviews.default', ttl: 30, data: '::1' },
      ],
      additionals: [{ type: 'OPT', udpPayloadSize: 1232 }],
    });
  });
  it('has no OPT when the question had none', () => {
    expect(decode(writeReply(read(question()), { rcode: RCODE.NXDOMAIN }))).toMatchObject({
      rcode: 'NXDOMAIN',
      additionals: [],
    });
  });
  it('leaves out what does not fit, and says so', () => {
    const reply = writeReply(read(question()), { addresses: Array.from({ length: 100 }, () => a), limit: 512 });
    expect(reply.length).toBeLessThanOrEqual(512);
    expect(decode(reply)).toMatchObject({ flag_tc: true });
    expect(decode(reply).answers?.length).toBe(Math.floor((512 - 12 - 21) / 16));
    expect(decode(truncatedReply(read(question())))).toMatchObject({ flag_tc: true, answers: [] });
    expect([
      isTruncated(truncatedReply(read(question()))),
      isTruncated(writeReply(read(question()), {})),
      isTruncated(Buffer.alloc(1)),
    ]).toEqual([true, false, false]);
  });
  it('is recognized by its id and its question, in whatever case', () => {
    const query = read(question());
    const reply = encode({ type: 'response', id: 9, questions: [{ type: 'A', name: 'REVIEWS.default' }] });
    expect(answersQuestion(reply, 9, query)).toBe(true);
    expect(answersQuestion(reply, 8, query)).toBe(false);
    expect(answersQuestion(question({ id: 9 }), 9, query)).toBe(false);
    const other = (name: string, type: 'A' | 'AAAA'): Buffer =>
      encode({ type: 'response', id: 9, questions: [{ type, name }] });
    expect(answersQuestion(other('reviews.other', 'A'), 9, query)).toBe(false);
    expect(answersQuestion(other('reviews.default', 'AAAA'), 9, query)).toBe(false);
    expect(withId(reply, 7).readUInt16BE(0)).toBe(7);
  });
});

describe('frames', () => {
  it('come out as they went in, however the bytes arrive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
        (messages, cuts) => {
          const stream = Buffer.concat(messages.map(frame));
          const reader = createFrameReader();
          const got: Buffer[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn += 1) {
            const end = at + (cuts[turn % cuts.length] ?? 1);
            got.push(...reader.push(stream.subarray(at, end)));
            at = end;
          }
          expect(got.map((message) => [...message])).toEqual(messages.map((message) => [...message]));
        },
      ),
    );
  });
});
