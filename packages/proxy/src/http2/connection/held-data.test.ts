import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BufferPool } from '../../sockets/buffer-pool.ts';
import { HeldData } from './held-data.ts';

describe('data that waits', () => {
  it('comes out as it went in, whatever the pieces', () => {
    const step = fc.oneof(
      fc.record({ put: fc.integer({ min: 0, max: 150_000 }) }),
      fc.record({ take: fc.integer({ min: 1, max: 80_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const held = new HeldData(new BufferPool());
        const source = Buffer.alloc(150_000);
        let [written, read] = [0, 0];
        for (const one of steps) {
          if ('put' in one) {
            for (let i = 0; i < one.put; i += 1) source[i] = (written + i) % 251;
            held.append(source, 0, one.put);
            written += one.put;
          } else {
            const { buffer, start } = held;
            const end = Math.min(held.end, start + one.take);
            for (let i = start; i < end; i += 997) expect(buffer[i]).toBe((read + i - start) % 251);
            if (end > start) held.consume(end - start);
            read += end - start;
          }
          expect(held.length).toBe(written - read);
          expect(held.end > held.start).toBe(held.length > 0);
        }
      }),
      { numRuns: 60 },
    );
  });
  it('takes little memory while it is little', () => {
    const held = new HeldData(new BufferPool());
    held.append(Buffer.alloc(100), 0, 100);
    expect(held.buffer.length).toBeLessThanOrEqual(1024);
    held.clear();
    expect([held.length, held.buffer.length]).toEqual([0, 0]);
  });
});
