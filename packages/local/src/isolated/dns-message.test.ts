import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressAnswer,
  failureAnswer,
  frame,
  isTruncated,
  nameServers,
  questionOf,
  splitFrames,
} from './dns-message.ts';

const query = (name: string, type = 1): Buffer =>
  Buffer.concat([
    Buffer.from([0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]),
    ...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0, 0, type, 0, 1]),
  ]);

describe('framing', () => {
  it('gives the same messages however they are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.integer({ min: 1, max: 17 }), (messages, step) => {
        const stream = Buffer.concat(messages.map((message) => frame(Buffer.from(message))));
        let rest: Buffer = Buffer.alloc(0);
        const got: string[] = [];
        for (let at = 0; at < stream.length; at += step) {
          const split = splitFrames(Buffer.concat([rest, stream.subarray(at, at + step)]));
          got.push(...split.messages.map((message) => message.toString('hex')));
          rest = split.rest;
        }
        expect(got).toEqual(messages.map((message) => Buffer.from(message).toString('hex')));
        expect(rest.length).toBe(0);
      }),
    );
  });
});

describe('questions and answers', () => {
  it('reads the question in lower case', () => {
    expect(questionOf(query('Host.Weft.internal', 28))).toMatchObject({ name: 'host.weft.internal', type: 28 });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a header without its question', query('a').subarray(0, 12)],
    ['a name that is cut', query('host.weft.internal').subarray(0, 20)],
    ['an answer', Buffer.from(query('a')).fill(0x81, 2, 3)],
    ['a pointer instead of a name', Buffer.concat([query('a').subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])])],
  ])('refuses %s', (_, message) => {
    expect(questionOf(message)).toBeUndefined();
  });

  it('answers with an address, or with nothing for other types', () => {
    const asked = query('a.b');
    const answer = addressAnswer(asked, questionOf(asked)!, '10.1.2.3');
    expect(answer.subarray(0, 2)).toEqual(asked.subarray(0, 2));
    expect([answer.readUInt16BE(2), answer.readUInt16BE(4), answer.readUInt16BE(6)]).toEqual([0x8180, 1, 1]);
    expect([...answer.subarray(-4)]).toEqual([10, 1, 2, 3]);
    const six = query('a.b', 28);
    expect(addressAnswer(six, questionOf(six)!, '10.1.2.3').readUInt16BE(6)).toBe(0);
  });

  it('says that it failed, also to what it can not read', () => {
    expect(failureAnswer(query('a.b')).readUInt16BE(2)).toBe(0x8182);
    expect(failureAnswer(Buffer.from([1])).length).toBe(12);
    expect(isTruncated(Buffer.from([0, 0, 0x82, 0]))).toBe(true);
  });

  it('finds name servers', () => {
    expect(nameServers('# nameserver 9.9.9.9\nnameserver 10.0.0.1\n nameserver ::1\nsearch a\n')).toEqual([
      '10.0.0.1',
      '::1',
    ]);
    expect(nameServers('search a\n')).toEqual(['127.0.0.1']);
  });
});
