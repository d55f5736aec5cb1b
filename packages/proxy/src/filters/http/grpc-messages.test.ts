import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrpcMessages } from './grpc-messages.ts';

const framed = (lengths: readonly number[]): Buffer =>
  Buffer.concat(
    lengths.map((length) => {
      // The content looks like a prefix itself.
      const message = Buffer.alloc(5 + length, 1);
      message.writeUInt8(0, 0);
      message.writeUInt32BE(length, 1);
      return message;
    }),
  );

describe('messages of gRPC', () => {
  it('are counted wherever the bytes are cut', () => {
    const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 250, max: 70_000 })), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(lengths, fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 20 }), (sizes, cuts) => {
        const bytes = framed(sizes);
        const messages = new GrpcMessages();
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          const end = Math.min(bytes.length, at + cut);
          messages.take(bytes, at, end);
          at = end;
        }
        expect(messages.count).toBe(sizes.length);
      }),
      { numRuns: 200 },
    );
  });
  it('that were cut off count once their length is known', () => {
    const messages = new GrpcMessages();
    messages.take(framed([3, 9]), 0, 12);
    expect(messages.count).toBe(1);
    messages.take(framed([3, 9]), 12, 13);
    expect(messages.count).toBe(2);
  });
});
