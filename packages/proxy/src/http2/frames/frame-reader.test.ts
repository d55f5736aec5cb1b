import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame } from '../test-support/raw-peer.ts';
import { CODE, FLAG, FRAME } from './constants.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';

/** What a reader says, with the pieces of one DATA frame put together again. */
class Transcript implements FrameSink {
  stopped = false;
  readonly lines: string[] = [];
  #data = '';
  #flow = 0;

  onFrame(type: number, flags: number, streamId: number, buffer: Buffer, start: number, end: number): void {
    this.#endData();
    this.lines.push(`${type} ${flags} ${streamId} ${buffer.toString('hex', start, end)}`);
  }
  onData(streamId: number, buffer: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    if (!this.#data.startsWith(`data ${streamId} `)) this.#endData();
    if (this.#data === '') this.#data = `data ${streamId} `;
    this.#data += buffer.toString('hex', start, end);
    this.#flow += flowBytes;
    if (endStream) this.#endData(' end');
  }
  onFramingError(code: number): void {
    this.stopped = true;
    this.lines.push(`error ${code}`);
  }
  #endData(mark = ''): void {
    if (this.#data === '') return;
    this.lines.push(`${this.#data}${mark} ${this.#flow}`);
    this.#data = '';
    this.#flow = 0;
  }
  done(): string[] {
    this.#endData();
    return this.lines;
  }
}

function read(bytes: Buffer, cuts: readonly number[]): string[] {
  const transcript = new Transcript();
  const reader = new FrameReader(transcript);
  // One buffer for all reads, as sockets have it: nothing may be kept that points into it.
  const shared = Buffer.alloc(bytes.length + 3);
  let at = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    bytes.copy(shared, 3, at, cut);
    reader.read(shared, 3, 3 + cut - at);
    shared.fill(0xee);
    at = Math.max(at, cut);
  }
  return transcript.done();
}

const padded = (padding: number, text: string): Buffer =>
  Buffer.concat([Buffer.from([padding]), Buffer.from(text), Buffer.alloc(padding)]);

describe('FrameReader', () => {
  it('hands on what frames hold', () => {
    const bytes = Buffer.concat([
      frame(FRAME.settings, 0, 0),
      frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.from('block')),
      frame(FRAME.data, 0, 1, Buffer.from('ab')),
      frame(FRAME.data, FLAG.padded | FLAG.endStream, 1, padded(3, 'cd')),
      frame(0x55, 7, 9, Buffer.from('unknown')),
      frame(FRAME.data, FLAG.endStream, 3),
    ]);
    expect(read(bytes, [])).toEqual([
      '4 0 0 ',
      `1 4 1 ${Buffer.from('block').toString('hex')}`,
      'data 1 61626364 end 8',
      '85 7 9 ',
      'data 3  end 0',
    ]);
  });

  it.each([
    ['a frame larger than allowed', frame(FRAME.headers, 0, 1, Buffer.alloc(16_385)), CODE.frameSizeError],
    ['padding without a length', frame(FRAME.data, FLAG.padded, 1), CODE.frameSizeError],
    ['more padding than payload', frame(FRAME.data, FLAG.padded, 1, Buffer.from([2, 0])), CODE.protocolError],
  ])('refuses %s', (_, bytes, code) => {
    expect(read(bytes, [])).toEqual([`error ${code}`]);
  });

  it('takes frames as large as its side has said, and none larger', () => {
    for (const [bytes, said] of [
      [65_536, '0 0 65536'],
      [65_537, `error ${CODE.frameSizeError}`],
    ] as const) {
      const transcript = new Transcript();
      const reader = new FrameReader(transcript, 65_536);
      const whole = frame(FRAME.data, 0, 1, Buffer.alloc(bytes));
      // As TLS hands it on.
      for (let at = 0; at < whole.length && !transcript.stopped; at += 16_384)
        reader.read(whole, at, Math.min(whole.length, at + 16_384));
      const [line = ''] = transcript.done();
      expect(line.replace(/^data 1 0{131072} /, '0 0 ')).toBe(said);
    }
  });

  it('ignores the reserved bit of stream ids', () => {
    const bytes = frame(FRAME.ping, 0, 0x8000_0001, Buffer.alloc(8));
    expect(read(bytes, [])).toEqual(['6 0 1 0000000000000000']);
  });

  const anyFrame = fc
    .tuple(
      fc.constantFrom(0, 0, 1, 3, 4, 6, 9, 0x20),
      fc.constantFrom(0, FLAG.endStream, FLAG.padded, FLAG.padded | FLAG.endStream),
      fc.integer({ min: 0, max: 9 }),
      fc.uint8Array({ maxLength: 60 }),
    )
    .map(([type, flags, id, payload]) => frame(type, flags, id, payload));

  it('says the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.array(fc.nat()), (frames, cuts) => {
        const bytes = Buffer.concat(frames);
        const whole = read(bytes, []);
        expect(
          read(
            bytes,
            cuts.map((cut) => cut % (bytes.length + 1)),
          ),
        ).toEqual(whole);
        expect(
          read(
            bytes,
            Array.from({ length: bytes.length }, (_, i) => i),
          ),
        ).toEqual(whole);
      }),
    );
  });
});
