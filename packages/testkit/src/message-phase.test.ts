import { describe, expect, it } from 'vitest';
import { http1Phase, http2Phase, type Phase } from './message-phase.ts';

/** The parts in their order, without repetition. */
function partsOf(bytes: Buffer, phase: (part: Buffer) => Phase): readonly Phase[] {
  const parts: Phase[] = [];
  for (let length = 0; length <= bytes.length; length += 1) {
    const now = phase(bytes.subarray(0, length));
    if (parts.at(-1) !== now) parts.push(now);
  }
  return parts;
}
const frame = (type: number, flags: number, payload: string): Buffer =>
  Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, 1, ...Buffer.from(payload)]);

describe('the parts of a message', () => {
  it.each([
    ['GET / HTTP/1.1\r\nHost: h\r\n\r\n', 0, ['nothing', 'head', 'whole']],
    ['POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc', 0, ['nothing', 'head', 'body', 'whole']],
    ['HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 1\r\n\r\n', 1,
      ['nothing', 'informational', 'head', 'body', 'trailers', 'whole']],
  ])('of HTTP/1.1: %j', (text, informational, parts) => {
    expect(partsOf(Buffer.from(text), (bytes) => http1Phase(bytes, informational))).toEqual(parts);
  }); // prettier-ignore

  it('of HTTP/2', () => {
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    const answer = Buffer.concat([settings, frame(1, 4, 'hints'), frame(1, 4, 'head'), frame(0, 0, 'data'), frame(1, 5, 'sum')]); // prettier-ignore
    expect(partsOf(answer, (bytes) => http2Phase(bytes, 'response', 1))).toEqual([
      'nothing',
      'informational',
      'head',
      'body',
      'trailers',
      'whole',
    ]);
    const request = Buffer.concat([Buffer.alloc(24), settings, frame(1, 5, 'head')]);
    expect(partsOf(request, (bytes) => http2Phase(bytes, 'request'))).toEqual(['nothing', 'head', 'whole']);
  });
});
